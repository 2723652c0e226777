"""A 2-D latent space as a picture: a grid of latents to decode, and posteriors as ellipses."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from latentlab.errors import DataError, UsageError

# The share of the prior beyond the grid on each side.
TAIL = 0.02


def manifold_latents(rows: int, columns: int | None = None, tail: float = TAIL) -> np.ndarray:
    """A grid of 2-D latents that holds the same share of the prior between neighbours.

    z = Φ⁻¹(p), with p evenly spread from `tail` to 1 − `tail` along both axes.

    Args:
        rows: ≥ 2.
        columns: ≥ 2; None for as many as rows.
        tail: between 0 and ½.

    Returns:
        float32 of shape (rows, columns, 2): the first row is the top of the picture (greatest second
        coordinate), the first column its left (least first coordinate).

    Raises:
        UsageError: when a number is out of its range.

    References:
        Auto-Encoding Variational Bayes (Kingma & Welling, 2013), arXiv:1312.6114, figure 4.
    """
    columns = rows if columns is None else columns
    if min(rows, columns) < 2 or not 0 < tail < 0.5:
        raise UsageError(f"expected a grid of at least 2×2 and a tail between 0 and 0.5, got {rows}×{columns}, {tail}")
    across, down = _quantiles(columns, tail), _quantiles(rows, tail)[::-1]
    return np.stack(np.meshgrid(across, down), axis=-1).astype(np.float32)


def ellipse(mean: np.ndarray, logvar: np.ndarray, sigmas: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """The outline of a 2-D posterior N(mean, diag(exp(logvar))) at some standard deviations.

    Args:
        mean: of shape (2,).
        logvar: of shape (2,).
        sigmas: how many standard deviations.

    Returns:
        The center, of shape (2,), and the two semi-axes as the rows of an array of shape (2, 2), float32:
        center + cos(t)·axes[0] + sin(t)·axes[1] runs round it.

    Raises:
        DataError: when the latent is not 2-D.
    """
    if mean.shape != (2,) or logvar.shape != (2,):
        raise DataError(f"expected a 2-D posterior for an ellipse, got shapes {mean.shape} and {logvar.shape}")
    axes = np.diag(sigmas * np.exp(0.5 * logvar.astype(np.float64)))
    return mean.astype(np.float32), axes.astype(np.float32)


def _quantiles(count: int, tail: float) -> np.ndarray:
    """Standard normal quantiles of `count` evenly spread probabilities, made exactly symmetric."""
    normal = NormalDist()
    values = np.array([normal.inv_cdf(p) for p in np.linspace(tail, 1 - tail, count)])
    return (values - values[::-1]) / 2
