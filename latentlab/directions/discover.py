"""Directions that nobody named: found in the latents or in the decoder, without labels."""

from __future__ import annotations

import numpy as np

from latentlab.directions import AXES, Metric
from latentlab.directions.direction import Direction
from latentlab.directions.estimate import Estimate, check_finite, covariance_of
from latentlab.errors import DataError, UsageError, unknown_name
from latentlab.latents.table import Latents
from latentlab.statistics.split import draw_order


def discover_directions(
    latents: Latents, method: str = "pca", metric: Metric | None = None, *, count: int = 8, seed: int = 0
) -> Estimate:
    """Find the principal directions of the latents or of the decoder.

    Args:
        latents: of at least two images; their labels are not looked at.
        method: a name in AXES.
        metric: JᵀJ of the decoder, for "jacobian".
        count: how many; at most as many as there are dimensions.
        seed: of the latents at which the decoder is looked at.

    Returns:
        Directions pca1, pca2, … or jacobian1, …, the greatest first, one standard deviation of the latents long.

    Raises:
        UnknownNameError: when `method` is not known.
        UsageError: when `count` is not positive, or "jacobian" has no metric.
        DataError: when there are fewer than two latents, or one is not finite.
    """
    if method not in AXES:
        raise unknown_name("way to discover directions", method, AXES)
    if count < 1:
        raise UsageError(f"expected at least one direction, got {count}")
    if len(latents) < 2:
        raise DataError(f"expected at least 2 images to find directions in, got {len(latents)}; take more")
    check_finite(latents)
    z = latents.mean[np.argsort(draw_order(latents.ids, seed), kind="stable")]
    vectors, _ = AXES[method](z, metric, min(count, latents.mean.shape[1]))
    found = [Direction(f"{method}{index + 1}", vector, method) for index, vector in enumerate(vectors)]
    return Estimate(tuple(found), covariance=covariance_of(latents.mean))
