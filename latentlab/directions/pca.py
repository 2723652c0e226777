"""Principal directions of the latents: where they vary most."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from latentlab.statistics.principal import principal_axes


def principal_deviations(
    z: np.ndarray, metric: Callable[[np.ndarray], np.ndarray] | None, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The eigenvectors of the covariance of the latents, each one standard deviation long, greatest first.

    Args:
        z: latents of shape (n, d), n ≥ 2.
        metric: not looked at.
        count: how many, at most d.

    Returns:
        The vectors, float32 of shape (k, d), the largest entry of each positive, k ≤ count for few images; and the
        share of the variance along each, of shape (k,).

    References:
        GANSpace: Discovering Interpretable GAN Controls (Härkönen et al., 2020), arXiv:2004.02546.
    """
    axes, deviations = principal_axes(z, count)
    whole = max(float(z.var(axis=0, dtype=np.float64).sum()), np.finfo(float).tiny)
    vectors = axes * deviations[:, None]
    return vectors.astype(np.float32), deviations**2 / whole
