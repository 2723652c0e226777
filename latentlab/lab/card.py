"""The model card: what a model is, what it was trained on, what it knows and how good it is, as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latentlab.lab.lab import Lab

# Below this share of active units a VAE wastes its latent.
FEW_ACTIVE = 0.5
READABLE = 0.9
WASTE = "The rest say nothing: a smaller latent, free bits or a lower β would do."


def model_card(lab: Lab) -> dict[str, Any]:
    """What a model is, as plain values, ready for JSON."""
    config = lab.codec.config
    parameters = list(lab.codec.parameters())
    decoder = sum(p.numel() for p in lab.codec.decoder.parameters())
    likelihood: str = config.likelihood.kind
    if likelihood == "gaussian":
        likelihood += f", σ = {float(lab.codec.observe.log_sigma.exp()):.3g}"
    about = dict(lab.run.checkpoint.about)
    return {
        "name": lab.name,
        "family": config.family,
        "image": str(lab.image),
        "latent": {block.name: list(block.shape) for block in lab.latent.blocks},
        "network": config.network.kind,
        "likelihood": likelihood,
        "parameters": sum(p.numel() for p in parameters),
        "decoder_parameters": decoder,
        "checkpoint": lab.checkpoint,
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
        return [
            "Nothing is known of how good this model is: it came without scores; `reconstruct --data` measures them."
        ]
    said = []
    if "negative_elbo_nats" in test:
        kind = "pseudo-likelihood bound" if test.get("pseudo_likelihood") else "−ELBO"
        said.append(
            f"On {test['images']:,} test images the {kind} is {test['negative_elbo_nats']:.2f} nats an image: "
            f"{test['reconstruction_nats']:.2f} for the picture and {test['kl_nats']:.2f} for the latent."
        )
        used, size = test["active_units"], test["latent_size"]
        said.append(
            f"{used} of {size} latent dimensions are active." + (f" {WASTE}" if used < FEW_ACTIVE * size else "")
        )
    else:
        said.append(
            f"On {test['images']:,} test images the reconstruction loss is {test['reconstruction_nats']:.2f} nats an "
            "image. An autoencoder says nothing about how likely an image is, and has no prior to sample from."
        )
    readable = [d.name for d in lab.directions.values() if d.auc is not None and d.auc >= READABLE]
    weak = [d.name for d in lab.directions.values() if d.auc is not None and d.auc < READABLE]
    if readable:
        said.append(f"Readable from the latents (held-out AUC of at least {READABLE}): {', '.join(readable)}.")
    if weak:
        said.append(f"Harder to read, so expect less of edits along them: {', '.join(weak)}.")
    return said
