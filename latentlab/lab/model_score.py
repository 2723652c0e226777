"""How well a model explains images that it is shown, in nats, and what its latent is used for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.data.dataset import as_unit
from latentlab.errors import CapabilityError, DataError, UsageError
from latentlab.evaluation.code_usage import latent_usage
from latentlab.evaluation.collapse import Collapse, decoder_response, score_collapse
from latentlab.evaluation.importance import Importance, score_importance
from latentlab.evaluation.information import Information, score_information
from latentlab.evaluation.likelihood import Likelihood, kind_of_nats, score_likelihood
from latentlab.evaluation.picture_quality import PictureQuality, score_picture_quality
from latentlab.lab.cloud import has_standard_prior
from latentlab.lab.home import home_objective
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.latents.batch import in_batches
from latentlab.picture.encode import enlarge, png_bytes
from latentlab.picture.grid import grid
from latentlab.runtime import Progress, as_tensor, batch_rows, silent, torch_generator, tracked

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.latents.table import Latents
    from latentlab.report.page import Section

# Posterior samples of the ELBO, and of the importance-weighted bound.
ELBO_SAMPLES = 8
SAMPLES = 64
# Images of the importance-weighted bound: each is decoded as often as there are samples.
WEIGHED = 500
# More of either is a slip of the finger: the bound moves by 1 / K.
MOST_SAMPLES = 100_000
SHOWN = 12
# Images that are decoded and compared at once, that the KL of each dimension is taken of, and pictures that are decoded
# to see which dimensions the decoder looks at.
CHUNK = 500
USAGE_IMAGES = 1_000
RESPONSE_PICTURES, FEWEST_TRIED = 1_000, 8
PSEUDO = (
    "grey pixels under a Bernoulli make a pseudo-likelihood of all nats here: compare them with those of other models "
    "of grey pixels only"
)
NO_BOUND = (
    "{} has no posterior and no prior, so there is no ELBO, IWAE or mutual information; the family 'vae' has them"
)
CERTAIN = (
    "{} is certain of the codes of an image, so that the importance-weighted bound is its ELBO whatever the number of "
    "samples; a VAE such as digits has one of its own"
)


@dataclass(frozen=True)
class ModelScore:
    """What images cost under a model.

    Args:
        likelihood: the terms of the bound, one value an image.
        importance: the importance-weighted bound of some of the images; None without a posterior.
        information: the KL taken apart; None without one.
        quality: how near reconstructions are to the images.
        collapse: what each dimension of a continuous latent does; None of codes, or of a single image.
        images: real images and their reconstructions in turn, of shape (2n, c, h, w).
        scores: numbers by name.
        notes: what they mean, and what not to believe.
    """

    origin: Origin
    likelihood: Likelihood
    importance: Importance | None
    information: Information | None
    quality: PictureQuality
    collapse: Collapse | None
    images: np.ndarray
    scores: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("score-model", self.origin.model)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"{self.origin.model}, scored"

    def strip(self) -> np.ndarray:
        """Images and their reconstructions in turn."""
        return self.images

    def pictures(self) -> dict[str, bytes]:
        """Images above their reconstructions."""
        rows = enlarge(np.concatenate([self.images[::2], self.images[1::2]]))
        return {"reconstructions.png": png_bytes(grid(rows, columns=len(self.images) // 2))}

    def sections(self) -> list[Section]:
        """The scores, the bound with its error, what each dimension does, and reconstructions."""
        from latentlab.report.sections.bound import bound_section
        from latentlab.report.sections.likelihood import likelihood_section
        from latentlab.report.sections.reconstructions import reconstructions_section
        from latentlab.report.sections.usage import usage_section

        kl = self.likelihood.kl_dimensions
        dimensions = [] if kl is None else [float(value) for value in kl]
        parts = [likelihood_section({**self.scores, "kl_dimensions_nats": dimensions}, self.notes)]
        if self.importance is not None:
            parts.append(bound_section(self.importance, float(self.likelihood.negative_elbo_nats.mean())))
        if self.collapse is not None or self.information is not None:
            parts.append(usage_section(self.collapse, self.information))
        shown = len(self.images) // 2
        names = [f"PSNR {psnr:.1f} dB, SSIM {ssim:.2f}" for psnr, ssim in self._quality(shown)]
        parts.append(
            reconstructions_section(
                self.images[::2], self.images[1::2], names, self.likelihood.reconstruction_nats[:shown], "nats"
            )
        )
        return parts

    def _quality(self, count: int) -> list[tuple[float, float]]:
        return list(zip(self.quality.psnr_db[:count], self.quality.ssim[:count], strict=True))


def score_model(
    lab: Lab,
    data: Dataset | None = None,
    *,
    samples: int | None = None,
    images: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> ModelScore:
    """Score images under a model.

    Reconstruction (nats, mean square error, PSNR, SSIM), KL, ELBO, IWAE, what each dimension does, mutual information
    and total correlation.

    Args:
        lab: the model.
        data: images that it has not seen.
        samples: K of the importance-weighted bound; None for 64.
        images: how many of the images that bound is taken of, the first ones; None for 500.
        seed: of posterior samples.
        progress: told of the work.

    Raises:
        CapabilityError: without images, for a gallery holds latents, no pixels; when the bound is asked for, by its
            samples or images, of a model without a posterior.
        UsageError: when samples or images to weigh are out of range.
    """
    if data is None:
        raise CapabilityError(f"{lab.name} carries latents, no pixels to score; give images with --data")
    if not lab.probabilistic and (samples is not None or images is not None):
        raise CapabilityError(f"expected a model to draw samples of latents from; {NO_BOUND.format(lab.name)}")
    if not lab.latent.continuous and (samples is not None or images is not None):
        raise CapabilityError(f"expected latents with chance in them to draw samples of; {CERTAIN.format(lab.name)}")
    samples, images = SAMPLES if samples is None else samples, WEIGHED if images is None else images
    if not 1 <= samples <= MOST_SAMPLES or images < 1:
        raise UsageError(
            f"expected 1 to {MOST_SAMPLES:,} samples, of at least 1 image, got {samples:,} of {images:,}; see "
            "--samples and --images"
        )
    table = lab.encode_data(data, progress)
    likelihood = score_likelihood(
        lab.codec, data.pixels, samples=ELBO_SAMPLES if lab.probabilistic else 1, seed=seed, progress=progress
    )
    quality = _quality(lab, data.pixels, table.mean, progress)
    real, guess = data.take(np.arange(min(SHOWN, len(data)))).images, lab.decode(table.mean[:SHOWN])
    scores: dict[str, Any] = {
        "source": data.source,
        "split": data.split,
        "images": len(data),
        "reconstruction_nats": float(likelihood.reconstruction_nats.mean()),
        "mean_square_error": float(quality.mean_square_error.mean()),
        # One image that is met exactly makes an infinite mean.
        "psnr_db": quality.mean_psnr_db if math.isfinite(quality.mean_psnr_db) else None,
        "ssim": quality.mean_ssim,
        **latent_usage(lab.latent, table.mean),
        "latent_size": lab.latent.size,
    }
    notes = [PSEUDO] if kind_of_nats(lab.codec.config.likelihood.kind, data.pixels) == "pseudo" else []
    weighed = information = None
    if lab.probabilistic:
        bound = float(likelihood.negative_elbo_nats.mean())
        scores |= {
            "negative_elbo_nats": bound,
            "kl_nats": float(likelihood.kl_nats.mean()),
            "bits_per_dim": bound / math.log(2) / lab.image.size,
            "posterior_samples": ELBO_SAMPLES,
        }
        if lab.latent.continuous:
            weighed = score_importance(lab.codec, data.pixels[:images], samples=samples, seed=seed, progress=progress)
            scores |= _weighed_scores(weighed)
        else:
            notes.append(CERTAIN.format(lab.name))
        if weighed is not None and weighed.doubtful:
            notes.append(
                f"for {weighed.doubtful:.0%} of the images a single sample outweighs all others: their bound is "
                "looser, and its error larger, than it says; take more with --samples"
            )
        if table.logvar is None or not has_normal_posterior(lab):
            notes.append(
                "mutual information and total correlation are of models whose posterior is one normal distribution an "
                f"image, as the family 'vae' has it; {lab.name} has another"
            )
        elif len(table) > 1:
            try:
                information = score_information(
                    table.mean, table.logvar, log_prior=log_prior(lab), seed=seed, progress=progress
                )
                scores |= _information_scores(information)
                notes += information.doubts()
            except DataError as error:
                notes.append(str(error))
    else:
        notes.append(NO_BOUND.format(lab.name))
    collapse = _collapse(lab, data, table, seed) if lab.latent.continuous and len(table) > 1 else None
    if collapse is not None:
        for state in ("collapsed", "constant", "ignored"):
            scores[f"{state}_dimensions"] = len(collapse.dimensions(state))
        notes += collapse.advice
    return ModelScore(
        origin=lab.origin("score", seed, what="model", data=data.source, samples=samples, images=images),
        likelihood=likelihood,
        importance=weighed,
        information=information,
        quality=quality,
        collapse=collapse,
        images=np.stack([real, guess], axis=1).reshape(-1, *lab.image.shape),
        scores=scores,
        notes=notes,
    )


def _weighed_scores(weighed: Importance) -> Mapping[str, Any]:
    return {
        "iwae_nll_nats": weighed.nll_nats,
        "iwae_samples": weighed.samples,
        "iwae_images": len(weighed.bound_nats),
        "iwae_sampling_error_nats": weighed.nll_sampling_error_nats,
        "iwae_image_error_nats": weighed.nll_image_error_nats,
        "iwae_bias_nats": weighed.nll_bias_nats,
        "iwae_doubtful_share": weighed.doubtful,
        "effective_samples": float(np.median(weighed.effective_samples)),
    }


def _information_scores(found: Information) -> Mapping[str, Any]:
    return {
        "mutual_information_nats": found.mutual_information_nats,
        "total_correlation_nats": found.total_correlation_nats,
        "marginal_kl_nats": found.marginal_kl_nats,
        "marginal_kl_error_nats": found.errors_nats["marginal_kl_nats"],
    }


def _quality(lab: Lab, pixels: np.ndarray, latents: np.ndarray, progress: Progress) -> PictureQuality:
    """PSNR and SSIM of reconstructions, decoded a part at a time."""
    parts = [
        score_picture_quality(pixels[start : start + CHUNK], np.clip(lab.decode(latents[start : start + CHUNK]), 0, 1))
        for start in tracked(range(0, len(pixels), CHUNK), "comparing pictures", progress)
    ]
    return PictureQuality(
        mean_square_error=np.concatenate([part.mean_square_error for part in parts]),
        psnr_db=np.concatenate([part.psnr_db for part in parts]),
        ssim=np.concatenate([part.ssim for part in parts]),
        window=parts[0].window,
    )


def has_normal_posterior(lab: Lab) -> bool:
    """Whether the posterior of an image is one normal distribution with a diagonal covariance."""
    import torch

    from latentlab.distributions import DiagonalNormal
    from latentlab.latents.encode import codec_device

    with torch.inference_mode():
        posterior = lab.codec.posterior(torch.zeros(1, *lab.image.shape, device=codec_device(lab.codec)))
    return isinstance(posterior, DiagonalNormal)


def log_prior(lab: Lab) -> Callable[[np.ndarray], np.ndarray] | None:
    """log p(z) of latents (n, d), in nats; None where it is N(0, 1), which is known in closed form."""
    if has_standard_prior(lab):
        return None
    return lambda z: in_batches(lab.codec.prior().log_prob, lab.codec, z)


def _collapse(lab: Lab, data: Dataset, table: Latents, seed: int) -> Collapse:
    """What each dimension does, over some of the images."""
    rows = slice(USAGE_IMAGES)
    tried = max(FEWEST_TRIED, RESPONSE_PICTURES // lab.latent.size)
    objective = home_objective(lab)
    known = {name: objective[name] for name in ("beta", "warmup_epochs", "free_nats") if name in objective}
    return score_collapse(
        table.mean[rows],
        None if table.logvar is None else table.logvar[rows],
        kl=_dimension_kl(lab, data.pixels[rows], seed) if lab.probabilistic else None,
        response=decoder_response(lab.decode, table.mean[rows], count=tried, seed=seed),
        **known,
    )


def _dimension_kl(lab: Lab, pixels: np.ndarray, seed: int) -> np.ndarray | None:
    """The KL of each image and dimension, of shape (n, d), in nats; None where it does not fall apart into them."""
    import torch

    from latentlab.latents.encode import codec_device

    generator, device = torch_generator(seed), codec_device(lab.codec)
    parts, step = [], batch_rows(lab.image.size)
    with torch.inference_mode():
        for start in range(0, len(pixels), step):
            x = as_tensor(as_unit(pixels[start : start + step])).to(device)
            kl = lab.codec.terms(x, generator=generator).kl_dimensions
            if kl is None:
                return None
            parts.append(kl.double().cpu().numpy())
    found = np.concatenate(parts)
    return found if found.shape[1] == lab.latent.size else None
