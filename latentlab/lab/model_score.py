"""How well a model explains images that it is shown, in nats, and what its latent is used for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import CapabilityError, DataError, UsageError
from latentlab.evaluation.code_usage import latent_usage
from latentlab.evaluation.importance import Importance, score_importance
from latentlab.evaluation.information import Information, score_information
from latentlab.evaluation.likelihood import Likelihood, mean_square_error, score_likelihood
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.picture.encode import enlarge, png_bytes
from latentlab.picture.grid import grid
from latentlab.runtime import Progress, silent

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

# Posterior samples of the ELBO, and of the importance-weighted bound.
ELBO_SAMPLES = 8
SAMPLES = 64
# Images of the importance-weighted bound: each is decoded as often as there are samples.
WEIGHED = 500
SHOWN = 12
PSEUDO = (
    "grey pixels under a Bernoulli make a pseudo-likelihood of all nats here: compare them with those of other models "
    "of grey pixels only"
)
NO_BOUND = (
    "{} has no posterior and no prior, so there is no ELBO, IWAE or mutual information; the family 'vae' has them"
)


@dataclass(frozen=True)
class ModelScore:
    """What images cost under a model.

    Args:
        likelihood: the terms of the bound, one value an image.
        importance: the importance-weighted bound of some of the images; None without a posterior.
        information: the KL taken apart; None without one.
        images: real images and their reconstructions in turn, of shape (2n, c, h, w).
        scores: numbers by name.
        notes: what they mean, and what not to believe.
    """

    origin: Origin
    likelihood: Likelihood
    importance: Importance | None
    information: Information | None
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
        """The scores, and the KL of each dimension."""
        from latentlab.report.sections.likelihood import likelihood_section

        kl = self.likelihood.kl_dimensions
        dimensions = [] if kl is None else [float(value) for value in kl]
        return [likelihood_section({**self.scores, "kl_dimensions_nats": dimensions}, self.notes)]


def score_model(
    lab: Lab,
    data: Dataset | None = None,
    *,
    samples: int = SAMPLES,
    images: int = WEIGHED,
    seed: int = 0,
    progress: Progress = silent,
) -> ModelScore:
    """Score images under a model: reconstruction, KL, ELBO, IWAE, active units, mutual information, total correlation.

    Args:
        lab: the model.
        data: images that it has not seen.
        samples: K of the importance-weighted bound.
        images: how many of the images that bound is taken of, the first ones.
        seed: of posterior samples.
        progress: told of the work.

    Raises:
        CapabilityError: without images: a gallery holds latents, no pixels.
        UsageError: when there are no samples or images to weigh.
    """
    if data is None:
        raise CapabilityError(f"{lab.name} carries latents, no pixels to score; give images with --data")
    if samples < 1 or images < 1:
        raise UsageError(f"expected at least 1 sample and 1 image, got {samples} and {images}")
    table = lab.encode_data(data, progress)
    likelihood = score_likelihood(
        lab.codec, data.pixels, samples=ELBO_SAMPLES if lab.probabilistic else 1, seed=seed, progress=progress
    )
    real, guess = data.take(np.arange(min(SHOWN, len(data)))).images, lab.decode(table.mean[:SHOWN])
    scores: dict[str, Any] = {
        "source": data.source,
        "split": data.split,
        "images": len(data),
        "reconstruction_nats": float(likelihood.reconstruction_nats.mean()),
        "mean_square_error": mean_square_error(data.pixels, table.mean, lab.decode),
        **latent_usage(lab.latent, table.mean),
        "latent_size": lab.latent.size,
    }
    notes = [PSEUDO] if lab.metrics.get("test", {}).get("pseudo_likelihood") else []
    weighed = information = None
    if lab.probabilistic:
        bound = float(likelihood.negative_elbo_nats.mean())
        scores |= {
            "negative_elbo_nats": bound,
            "kl_nats": float(likelihood.kl_nats.mean()),
            "bits_per_dim": bound / math.log(2) / lab.image.size,
            "posterior_samples": ELBO_SAMPLES,
        }
        weighed = score_importance(lab.codec, data.pixels[:images], samples=samples, seed=seed, progress=progress)
        scores |= _weighed_scores(weighed)
        if weighed.doubtful:
            notes.append(
                f"for {weighed.doubtful:.0%} of the images a single sample outweighs all others: their bound is "
                "looser, and its error larger, than it says; take more with --samples"
            )
        if table.logvar is not None and len(table) > 1:
            try:
                information = score_information(table.mean, table.logvar, seed=seed, progress=progress)
                scores |= _information_scores(information)
                notes += information.doubts()
            except DataError as error:
                notes.append(str(error))
    else:
        notes.append(NO_BOUND.format(lab.name))
    return ModelScore(
        origin=lab.origin("score", seed, what="model", data=data.source, samples=samples, images=images),
        likelihood=likelihood,
        importance=weighed,
        information=information,
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
        "effective_samples": float(np.median(weighed.effective_samples)),
    }


def _information_scores(found: Information) -> Mapping[str, Any]:
    return {
        "mutual_information_nats": found.mutual_information_nats,
        "total_correlation_nats": found.total_correlation_nats,
        "marginal_kl_nats": found.marginal_kl_nats,
    }
