"""Projections: the latent space as points on a plane, with the way back where there is one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from latentlab.errors import DataError, UsageError, unknown_name
from latentlab.statistics.principal import principal_axes

NEIGHBOURS = 15
UMAP_MINIMUM = 10


@dataclass(frozen=True)
class Projection:
    """A map of n latents.

    Args:
        method: the name in PROJECTIONS.
        coords: of shape (n, 2), float32.
        axes: the titles of the two axes.
        explained: the share of the variance along each axis, or None where an axis means nothing.
        inverse: coordinates (m, 2) back to latents (m, d), or None where there is no way back.
        plane: center (d,) and axes (2, d) of a linear map, which puts a latent at (z − center)·axesᵀ; None otherwise.
    """

    method: str
    coords: np.ndarray
    axes: tuple[str, str]
    explained: tuple[float, float] | None = None
    inverse: Callable[[np.ndarray], np.ndarray] | None = None
    plane: tuple[np.ndarray, np.ndarray] | None = None


def project_latent(z: np.ndarray, seed: int = 0) -> Projection:
    """Take a 2-D latent as it is.

    Args:
        z: of shape (n, 2).
        seed: not used; nothing is drawn.

    Raises:
        UsageError: when the latent is not 2-D.
    """
    if z.shape[1] != 2:
        raise UsageError(f"expected a 2-D latent for the map 'latent', got {z.shape[1]} dimensions; use pca or umap")
    coords = z.astype(np.float32)
    return Projection("latent", coords, ("z1", "z2"), inverse=lambda points: np.asarray(points, dtype=np.float32))


def project_pca(z: np.ndarray, seed: int = 0) -> Projection:
    """Project on the two directions of greatest variance, (z − mean)·Vᵀ.

    Signs are fixed: the largest loading of each axis is positive. The inverse is mean + coords·V, the
    latent on the plane of the map.

    Args:
        z: of shape (n, d), n ≥ 2.
        seed: not used; nothing is drawn.

    References:
        On Lines and Planes of Closest Fit to Systems of Points in Space (Pearson, 1901).
    """
    mean = z.mean(axis=0, dtype=np.float64)
    principal, deviations = principal_axes(z, 2)
    # A latent of one dimension has no second axis: nothing varies along it.
    axes, variances = np.zeros((2, z.shape[1])), np.zeros(2)
    axes[: len(principal)], variances[: len(deviations)] = principal, deviations**2
    total = float(z.var(axis=0, dtype=np.float64).sum())
    shares = variances / total if total > 0 else variances
    return Projection(
        "pca",
        ((z - mean) @ axes.T).astype(np.float32),
        (f"component 1 ({shares[0]:.0%} of the variance)", f"component 2 ({shares[1]:.0%} of the variance)"),
        (float(shares[0]), float(shares[1])),
        lambda points: (mean + np.asarray(points, dtype=np.float64) @ axes).astype(np.float32),
        (mean, axes),
    )


def project_umap(z: np.ndarray, seed: int = 0) -> Projection:
    """Keep neighbours together, with UMAP started from PCA.

    Args:
        z: of shape (n, d), n ≥ 10 and d ≥ 2.
        seed: of the optimisation; the same seed gives the same map, on one thread.

    Raises:
        DataError: when there are too few images or dimensions.

    References:
        UMAP: Uniform Manifold Approximation and Projection (McInnes, Healy & Melville, 2018), arXiv:1802.03426.
    """
    if len(z) < UMAP_MINIMUM or z.shape[1] < 2:
        raise DataError(
            f"expected at least {UMAP_MINIMUM} images and 2 latent dimensions for a UMAP, got {len(z)} "
            f"images and {z.shape[1]} dimensions; take more images, or use pca"
        )
    # UMAP starts from PCA by dividing by the spread of the data.
    if np.ptp(z, axis=0).max() == 0:
        raise DataError("expected latents that differ for a UMAP, got the same one for every image; use pca")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap import UMAP

        mapper = UMAP(n_neighbors=min(NEIGHBOURS, len(z) - 1), min_dist=0.1, init="pca", random_state=seed, n_jobs=1)
        coords = mapper.fit_transform(z.astype(np.float32))
    return Projection("umap", np.asarray(coords, dtype=np.float32), ("UMAP 1", "UMAP 2"))


PROJECTIONS: dict[str, Callable[[np.ndarray, int], Projection]] = {
    "latent": project_latent,
    "pca": project_pca,
    "umap": project_umap,
}


def project(z: np.ndarray, method: str, seed: int = 0) -> Projection:
    """Draw a map of latents.

    Args:
        z: latents of shape (n, d), n ≥ 2, finite.
        method: a name in PROJECTIONS.
        seed: the same seed gives the same map.

    Returns:
        The map.

    Raises:
        UnknownNameError: when `method` is not known.
        DataError: when there are too few latents, or one is not finite.
        UsageError: when `method` cannot draw latents of this dimension.
    """
    if method not in PROJECTIONS:
        raise unknown_name("map", method, PROJECTIONS)
    if z.ndim != 2 or len(z) < 2:
        raise DataError(f"expected at least 2 latents of shape (n, d) for a map, got shape {z.shape}; take more images")
    if not np.isfinite(z).all():
        raise DataError("expected finite latents for a map, got NaN or infinity; encode them again")
    return PROJECTIONS[method](z, seed)
