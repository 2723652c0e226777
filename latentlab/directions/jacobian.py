"""Principal directions of the decoder: where a step changes the picture most."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from latentlab.errors import UsageError

# Latents at which the decoder is looked at: its mean metric changes little with more.
METRIC_ROWS = 256
# Latents whose metric is held at once.
CHUNK = 64


def jacobian_axes(
    z: np.ndarray, metric: Callable[[np.ndarray], np.ndarray] | None, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """The eigenvectors of the mean of JᵀJ, J = ∂decode/∂z, each one standard deviation of the latents long.

    Args:
        z: latents of shape (n, d), in random order; the decoder is looked at at the first 256.
        metric: gives JᵀJ, of shape (m, d, d), at latents of shape (m, d).
        count: how many, at most d.

    Returns:
        The vectors, float32 of shape (count, d), the largest entry of each positive, in the order of what a step of
        unit length changes; and the share of the whole squared change along each, of shape (count,).

    Raises:
        UsageError: when there is no metric.

    References:
        The Geometry of Deep Generative Image Models and its Applications (Wang, Ponce, 2021), arXiv:2101.06006.
    """
    if metric is None:
        raise UsageError("expected the metric of a decoder for jacobian directions, got none; or use pca")
    total = np.zeros((z.shape[1], z.shape[1]))
    points = z[:METRIC_ROWS]
    for start in range(0, len(points), CHUNK):
        total += metric(points[start : start + CHUNK]).sum(axis=0, dtype=np.float64)
    values, columns = np.linalg.eigh(total / len(points))
    order = np.argsort(-values, kind="stable")[:count]
    axes = columns.T[order]
    axes *= np.where(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
    deviations = ((z - z.mean(axis=0)) @ axes.T).std(axis=0)
    share = np.maximum(values[order], 0.0) / max(float(values.sum()), np.finfo(float).tiny)
    return (axes * deviations[:, None]).astype(np.float32), share
