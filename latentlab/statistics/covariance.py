"""How latents lie: their mean, and a covariance that can be inverted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from latentlab.errors import DataError

# A dimension that deviates this much less than the widest one is dead. The square is the hundredth of the prior's
# variance below which a latent unit does not count as active (arXiv:1509.00519).
DEAD_RATIO = 0.1


@dataclass(frozen=True)
class Covariance:
    """The mean and the covariance of a cloud of latents.

    Dead dimensions, which hardly vary, would be noise blown up by an inverse: they are left out of every distance.

    Args:
        center: the mean, of shape (d,), float32.
        matrix: the covariance Σ, of shape (d, d), float32, symmetric; zero in the rows and columns of dead dimensions.
        count: the latents that it was made of.
    """

    center: np.ndarray
    matrix: np.ndarray
    count: int

    @cached_property
    def alive(self) -> np.ndarray:
        """The dimensions that vary, bool of shape (d,)."""
        return np.diagonal(self.matrix) > 0

    @cached_property
    def _factor(self) -> np.ndarray:
        """L with Σ = LLᵀ over the dimensions that are alive."""
        return np.linalg.cholesky(self.matrix[np.ix_(self.alive, self.alive)].astype(np.float64))

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Σv, of the shape of `vectors`, which is (d,) or (d, k)."""
        return self.matrix.astype(np.float64) @ vectors

    def solve(self, vectors: np.ndarray) -> np.ndarray:
        """Σ⁻¹v over the dimensions that are alive, 0 in the others; of the shape of `vectors`, (d,) or (d, k)."""
        out = np.zeros(np.shape(vectors))
        half = np.linalg.solve(self._factor, np.asarray(vectors, np.float64)[self.alive])
        out[self.alive] = np.linalg.solve(self._factor.T, half)
        return out

    def distance(self, z: np.ndarray) -> np.ndarray:
        """The Mahalanobis distance √((z − c)ᵀ Σ⁻¹ (z − c)) of latents of shape (n, d), of shape (n,)."""
        away = (np.asarray(z, np.float64) - self.center)[:, self.alive]
        return np.linalg.norm(np.linalg.solve(self._factor, away.T), axis=0)

    def deviation(self, vector: np.ndarray) -> float:
        """The standard deviation of the latents along a vector of shape (d,)."""
        unit = np.asarray(vector, np.float64) / np.linalg.norm(vector)
        return float(np.sqrt(max(unit @ self.apply(unit), 0.0)))


def fit_covariance(z: np.ndarray) -> Covariance:
    """Estimate the covariance of latents, shrunk so far as there are too few of them.

    Σ = D((1 − s)R + sI)D with D the standard deviations, R the correlation matrix, and s after Ledoit and Wolf.

    Args:
        z: of shape (n, d), n ≥ 2.

    Raises:
        DataError: when there are fewer than two latents, one is not finite, or none varies.

    References:
        O. Ledoit, M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
        Multivariate Analysis 88, 2004.
    """
    z = np.asarray(z, np.float64)
    if len(z) < 2 or not np.isfinite(z).all():
        raise DataError(f"expected at least 2 finite latents for a covariance, got {len(z)}, or NaN among them")
    center, scale = z.mean(axis=0), z.std(axis=0)
    alive = scale > DEAD_RATIO * scale.max()
    if not alive.any():
        raise DataError("expected latents that vary, got the same latent for every image")
    standard = (z[:, alive] - center[alive]) / scale[alive]
    correlation = standard.T @ standard / len(z)
    shrunk = (1 - (share := _shrinkage(standard, correlation))) * correlation + share * np.eye(len(correlation))
    matrix = np.zeros((z.shape[1], z.shape[1]))
    matrix[np.ix_(alive, alive)] = shrunk * np.outer(scale[alive], scale[alive])
    return Covariance(center.astype(np.float32), matrix.astype(np.float32), len(z))


def _shrinkage(standard: np.ndarray, correlation: np.ndarray) -> float:
    """Ledoit and Wolf's share of the identity, for columns of mean 0 and variance 1."""
    # Squared norms of R − I, and of the sampling error of R.
    away = float(((correlation - np.eye(len(correlation))) ** 2).sum())
    error = float(((standard**2).sum(axis=1) ** 2).mean() - (correlation**2).sum()) / len(standard)
    return min(1.0, max(0.0, error / away)) if away > 0 else 1.0
