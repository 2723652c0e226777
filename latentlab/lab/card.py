"""The model card: what a model is, what it was trained on, what it knows and how good it is, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latentlab.lab.lab import Lab

# Below this share of active units a VAE wastes its latent.
FEW_ACTIVE = 0.5
READABLE = 0.9
WASTED_CODES = "The others say little: a smaller codebook, or a faster decay with earlier restarts, would do."
WASTE = "The rest say nothing: a smaller latent, free bits or a lower β would do."


def model_card(lab: Lab) -> dict[str, Any]:
    """What a model is, as plain values, ready for JSON."""
    config = lab.codec.config
    # Some families leave no choice of these: PCA is linear and Gaussian by definition.
    network, likelihood = (getattr(config, name, None) for name in ("network", "likelihood"))
    decoder = getattr(lab.codec, "decoder", None)
    about = dict(lab.run.checkpoint.about)
    return {
        "name": lab.name,
        "family": config.family,
        "image": str(lab.image),
        "latent": {block.name: list(block.shape) for block in lab.latent.blocks},
        "network": getattr(lab.codec, "network", "own") if network is None else network.kind,
        "likelihood": None if likelihood is None else _likelihood(lab, likelihood.kind),
        "parameters": _count(lab.codec),
        "decoder_parameters": 0 if decoder is None else _count(decoder),
        "checkpoint": lab.checkpoint,
        "opened": about.get("opened", {}),
        "trained_on": about.get("data", {}),
        "training": dict(lab.metrics.get("training", {})),
        "test": dict(lab.metrics.get("test", {})),
        "knows": {name: direction.auc for name, direction in lab.directions.items()},
        "gallery": 0 if lab.gallery is None else len(lab.gallery),
        "versions": about.get("versions", {}),
    }


def verdict(lab: Lab) -> list[str]:
    """What the scores mean, in words with their numbers."""
    test = lab.metrics.get("test")
    if not test:
        return ["Nothing is known of how good this model is: it came without scores; `info --data` measures them."]
    said = []
    if "negative_elbo_nats" in test:
        kind = "pseudo-likelihood bound" if test.get("pseudo_likelihood") else "−ELBO"
        bound, picture, latent = (
            _nats(test[name]) for name in ("negative_elbo_nats", "reconstruction_nats", "kl_nats")
        )
        said.append(
            f"On {test['images']:,} test images the {kind} is {bound} nats an image: {picture} for the picture and "
            f"{latent} for the latent."
        )
        said.append(_usage(test))
    else:
        said.append(
            f"On {test['images']:,} test images the reconstruction loss is {_nats(test['reconstruction_nats'])} nats "
            "an image. An autoencoder says nothing about how likely an image is, and has no prior to sample from."
        )
    readable = [d.name for d in lab.directions.values() if d.auc is not None and d.auc >= READABLE]
    weak = [d.name for d in lab.directions.values() if d.auc is not None and d.auc < READABLE]
    if readable:
        said.append(f"Readable from the latents (held-out AUC of at least {READABLE}): {', '.join(readable)}.")
    if weak:
        said.append(f"Harder to read, so expect less of edits along them: {', '.join(weak)}.")
    return said


def _likelihood(lab: Lab, kind: str) -> str:
    """The likelihood by its name, with its σ where it is one number."""
    log_sigma = getattr(getattr(lab.codec, "observe", None), "log_sigma", None)
    if kind != "gaussian" or log_sigma is None or log_sigma.numel() > 1:
        return kind
    return f"{kind}, σ = {float(log_sigma.exp()):.3g}"


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _usage(test: Mapping[str, Any]) -> str:
    """How much of the latent, or of the codebook, test images use."""
    if "codebook_size" in test:
        used, size, perplexity = test["codes_used"], test["codebook_size"], test["codebook_perplexity"]
        said = f"{used} of {size} codes are used, which tell as much as {perplexity:.1f} used alike (perplexity)."
        return said + (f" {WASTED_CODES}" if perplexity < FEW_ACTIVE * size else "")
    used, size = test["active_units"], test["latent_size"]
    return f"{used} of {size} latent dimensions are active." + (f" {WASTE}" if used < FEW_ACTIVE * size else "")


def _nats(value: float) -> str:
    return f"{value:,.2f}".replace("-", "−")
