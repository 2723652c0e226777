"""The way back: what latent belongs to a place on a map, and how much such a latent can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from latentlab.errors import DataError
from latentlab.maps.projections import Projection
from latentlab.statistics.sample import random_rows

NEIGHBOURS = 8
LIMIT = 2000


@dataclass(frozen=True)
class Inverse:
    """How a page finds the latent of a place that is no point.

    Args:
        kind: `latent` (the place is the latent), `plane` (center + place·axes: exact on the plane of two axes) or
            `neighbours` (the mean of the latents of the nearest points, weighted by 1/distance²).
        latents: of the points, of shape (n, d).
        center: of shape (d,), for a plane.
        axes: of shape (2, d), for a plane.
        neighbours: how many are averaged.

    Raises:
        DataError: when a plane has no center or axes of the size of the latents.
    """

    kind: Literal["latent", "plane", "neighbours"]
    latents: np.ndarray
    center: np.ndarray | None = None
    axes: np.ndarray | None = None
    neighbours: int = NEIGHBOURS

    def __post_init__(self) -> None:
        size = self.latents.shape[1]
        shapes = [None if part is None else part.shape for part in (self.center, self.axes)]
        if self.kind == "plane" and shapes != [(size,), (2, size)]:
            raise DataError(
                f"expected a center of shape ({size},) and axes of shape (2, {size}) for a plane, "
                f"got {shapes[0]} and {shapes[1]}"
            )


def inverse_of(projection: Projection, latents: np.ndarray) -> Inverse:
    """The way back of a projection of latents of shape (n, d)."""
    if projection.method == "latent":
        return Inverse("latent", latents)
    if projection.plane is not None:
        return Inverse("plane", latents, *projection.plane)
    return Inverse("neighbours", latents)


def neighbour_mean(
    places: np.ndarray, points: np.ndarray, values: np.ndarray, neighbours: int = NEIGHBOURS
) -> np.ndarray:
    """The mean value of the points nearest to some places, weighted by 1/distance².

    v(p) = Σᵢ vᵢ/|p − pᵢ|² / Σᵢ 1/|p − pᵢ|² over the k nearest points; at a point, the value of that point. With
    coordinates as points and latents as values it leads back from a map; the other way round it places a new latent.

    Args:
        places: of shape (m, p).
        points: of shape (n, p), n ≥ 1.
        values: of shape (n, v).
        neighbours: k; all points where there are fewer.

    Returns:
        float32 of shape (m, v).

    References:
        A two-dimensional interpolation function for irregularly-spaced data (Shepard, 1968).
    """
    from scipy.spatial import KDTree

    k = min(neighbours, len(points))
    far, near = KDTree(points).query(np.asarray(places, np.float64), k=range(1, k + 1))
    return weighted_mean(far, values[near])


def recovered_variance(inverse: Inverse, coords: np.ndarray, limit: int = LIMIT, seed: int = 0) -> float:
    """The share of the variance of latents that the way back recovers from their places: 1 − Σ|z − ẑ|²/Σ|z − z̄|².

    For neighbours each latent is left out of its own mean, so that the share is that of an image that is not on the
    map; it can fall below 0.

    Args:
        inverse: the way back.
        coords: of shape (n, 2), n ≥ 3.
        limit: the images that are looked at, at most.
        seed: of the choice of images.
    """
    from scipy.spatial import KDTree

    latents = np.asarray(inverse.latents, np.float64)
    rows = random_rows(len(latents), limit, seed)
    if inverse.kind == "latent":
        found = np.asarray(coords[rows], np.float64)
    elif inverse.kind == "plane":
        found = inverse.center + coords[rows] @ inverse.axes
    else:
        k = min(inverse.neighbours, len(latents) - 1)
        far, near = KDTree(coords).query(coords[rows], k=range(1, k + 2))
        # Of several points in one place any may come first: the one looked at is found by its number.
        own = near == rows[:, None]
        own[~own.any(axis=1), -1] = True
        found = weighted_mean(far[~own].reshape(-1, k), latents[near[~own].reshape(-1, k)])
    missed = ((latents[rows] - found) ** 2).sum()
    spread = ((latents[rows] - latents.mean(axis=0)) ** 2).sum()
    return float(1 - missed / spread) if spread > 0 else 1.0


def weighted_mean(far: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Means of values of shape (m, k, v) by 1/far², or of those at distance 0 where there are such."""
    weights = np.where((far == 0).any(axis=1, keepdims=True), far == 0, 1 / np.maximum(far, 1e-150) ** 2)
    weights = weights / weights.sum(axis=1, keepdims=True)
    return np.einsum("mk,mkv->mv", weights, values).astype(np.float32)
