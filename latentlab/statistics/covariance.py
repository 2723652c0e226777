"""How latents lie: their mean, and a covariance that can be inverted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from latentlab.errors import DataError

# A dimension that deviates this much less than the widest one is dead. The square is the hundredth of the prior's
# variance below which a latent unit does not count as active (arXiv:1509.00519).
DEAD_RATIO = 0.1
# Beyond so many dimensions (spatial latents) a covariance holds the variances alone: what else could be estimated from
# any number of images at hand would be noise, and takes d² numbers.
LARGEST_MATRIX = 1024


@dataclass(frozen=True)
class Covariance:
    """The mean and the covariance of a cloud of latents.

    Dead dimensions, which hardly vary, would be noise blown up by an inverse: they are left out of every distance.

    Args:
        center: the mean, of shape (d,), float32.
        matrix: the covariance Σ, of shape (d, d), float32, symmetric; zero in the rows and columns of dead dimensions.
            Of shape (d,) it is a diagonal one, and these are the variances.
        count: the latents that it was made of.
    """

    center: np.ndarray
    matrix: np.ndarray
    count: int

    @cached_property
    def alive(self) -> np.ndarray:
        """The dimensions that vary, bool of shape (d,)."""
        return self.variances > 0

    @property
    def variances(self) -> np.ndarray:
        """The variance of each dimension, of shape (d,)."""
        return self.matrix if self.matrix.ndim == 1 else np.diagonal(self.matrix)

    def among(self, dimensions: np.ndarray) -> np.ndarray:
        """Σ of some dimensions alone, of shape (k, k).

        Args:
            dimensions: their numbers, or a bool of shape (d,).
        """
        if self.matrix.ndim == 1:
            return np.diag(self.matrix[dimensions])
        return self.matrix[dimensions][:, dimensions]

    @cached_property
    def _factor(self) -> np.ndarray:
        """L with Σ = LLᵀ over the dimensions that are alive; its diagonal where it has nothing else."""
        if self.matrix.ndim == 1:
            return np.sqrt(self.matrix[self.alive].astype(np.float64))
        return np.linalg.cholesky(self.among(self.alive).astype(np.float64))

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Σv, of the shape of `vectors`, which is (d,) or (d, k)."""
        matrix = self.matrix.astype(np.float64)
        return matrix @ vectors if matrix.ndim == 2 else (matrix * np.asarray(vectors).T).T

    def solve(self, vectors: np.ndarray) -> np.ndarray:
        """Σ⁻¹v over the dimensions that are alive, 0 in the others; of the shape of `vectors`, (d,) or (d, k)."""
        out = np.zeros(np.shape(vectors))
        wanted = np.asarray(vectors, np.float64)[self.alive]
        if self._factor.ndim == 1:
            out[self.alive] = (wanted.T / self._factor**2).T
        else:
            out[self.alive] = np.linalg.solve(self._factor.T, np.linalg.solve(self._factor, wanted))
        return out

    def whiten(self, z: np.ndarray) -> np.ndarray:
        """L⁻¹(z − c) of latents of shape (n, d), with Σ = LLᵀ over the k dimensions that are alive.

        Euclidean distances between what comes out are Mahalanobis distances between what went in.

        Returns:
            float64 of shape (n, k).
        """
        away = (np.asarray(z, np.float64) - self.center)[:, self.alive]
        if self._factor.ndim == 1:
            return away / self._factor
        from scipy.linalg import solve_triangular

        return solve_triangular(self._factor, away.T, lower=True, check_finite=False).T

    def distance(self, z: np.ndarray) -> np.ndarray:
        """The Mahalanobis distance √((z − c)ᵀ Σ⁻¹ (z − c)) of latents of shape (n, d), of shape (n,)."""
        return np.linalg.norm(self.whiten(z), axis=1)

    def deviation(self, vector: np.ndarray) -> float:
        """The standard deviation of the latents along a vector of shape (d,)."""
        unit = np.asarray(vector, np.float64) / np.linalg.norm(vector)
        return float(np.sqrt(max(unit @ self.apply(unit), 0.0)))


def fit_covariance(z: np.ndarray) -> Covariance:
    """Estimate the covariance of latents, shrunk so far as there are too few of them.

    Σ = D((1 − s)R + sI)D with D the standard deviations, R the correlation matrix, and s after Ledoit and Wolf; where
    d > 1024, Σ = D².

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
    if z.shape[1] > LARGEST_MATRIX:
        return Covariance(center.astype(np.float32), np.where(alive, scale**2, 0).astype(np.float32), len(z))
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
