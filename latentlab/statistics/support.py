"""Where the data are: how many of them lie closer to the middle than a latent does."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from latentlab.errors import DataError
from latentlab.statistics.covariance import Covariance


@dataclass(frozen=True)
class Support:
    """The distances at which the data lie.

    Latents that the covariance was not fitted on say it best: those that it was lie closer than new ones do.

    Args:
        latents: the data, of shape (n, d), finite, n ≥ 1.
        covariance: of latents of the same model; dimensions that are dead in it are not looked at.

    Raises:
        DataError: when there is no latent, one is not finite, or its size is not the covariance's.
    """

    latents: np.ndarray
    covariance: Covariance

    def __post_init__(self) -> None:
        size = len(self.covariance.center)
        if self.latents.ndim != 2 or self.latents.shape[1] != size or not len(self.latents):
            raise DataError(f"expected latents of shape (n, {size}) as data, got {self.latents.shape}")
        if not np.isfinite(self.latents).all():
            raise DataError("expected finite latents as data, got NaN or infinity; leave those images out")

    @cached_property
    def distances(self) -> np.ndarray:
        """The Mahalanobis distances of the data, ascending, of shape (n,)."""
        return np.sort(self.covariance.distance(self.latents))

    def percentile(self, z: np.ndarray) -> np.ndarray:
        """The share of the data that lie closer to their mean: 100 · #{dᵢ < d(z)} / n, d the Mahalanobis distance.

        Args:
            z: of shape (m, d).

        Returns:
            Of shape (m,), from 0 (the middle) to 100 (further out than all data).
        """
        return self.percentile_at(self.covariance.distance(z))

    def percentile_at(self, distances: np.ndarray) -> np.ndarray:
        """The percentile of Mahalanobis distances of any shape, of that shape."""
        return 100.0 * np.searchsorted(self.distances, distances, side="left") / len(self.distances)
