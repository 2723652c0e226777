"""The few numbers that tell whether a model was opened rightly, measured on images."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.data.dataset import as_unit
from latentlab.evaluation.code_usage import latent_usage
from latentlab.evaluation.likelihood import mean_square_error, score_likelihood
from latentlab.runtime import Progress, batch_rows, silent

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab


def measure(lab: Lab, data: Dataset, *, seed: int = 0, progress: Progress = silent) -> dict[str, Any]:
    """How images come back, what their latents cost, and how much of the latent they use.

    Args:
        lab: the model.
        data: images of the kind that it takes.
        seed: of posterior samples.
        progress: told of the work.

    Returns:
        Scores by name, as a run's metrics have them for its test images.
    """
    from latentlab.latents.encode import decode_latents

    latents = lab.encode_data(data, progress).mean
    scores: dict[str, Any] = {
        "source": data.source,
        "split": data.split,
        "images": len(data),
        "mean_square_error": mean_square_error(data.pixels, latents, partial(decode_latents, lab.codec)),
        "mean_square_error_of_the_mean_image": _spread(data),
    }
    found = score_likelihood(lab.codec, data.pixels, seed=seed, progress=progress)
    scores["reconstruction_nats"] = float(found.reconstruction_nats.mean())
    if lab.probabilistic:
        scores["kl_nats"] = float(found.kl_nats.mean())
        scores["negative_elbo_nats"] = float(found.negative_elbo_nats.mean())
    return {**scores, **latent_usage(lab.latent, latents), "latent_size": lab.latent.size}


def _spread(data: Dataset) -> float:
    """What a model that gives the mean of all images for each of them would leave."""
    step = batch_rows(data.image.size)
    parts = [data.pixels[start : start + step] for start in range(0, len(data), step)]
    mean = np.sum([as_unit(part).sum(axis=0, dtype=np.float64) for part in parts], axis=0) / len(data)
    return float(sum(((as_unit(part) - mean) ** 2).sum() for part in parts) / (len(data) * mean.size))
