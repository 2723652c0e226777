"""Ranks, and the rank correlation made of them."""

from __future__ import annotations

import numpy as np


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1 to n, where equal values share the mean of the ranks that they take up.

    Args:
        values: of shape (n,).

    Returns:
        float64 of shape (n,).

    >>> average_ranks(np.array([10, 30, 10, 20])).tolist()
    [1.5, 4.0, 1.5, 3.0]
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation: Pearson's correlation of the average ranks.

    Args:
        a: of shape (n,).
        b: of shape (n,).

    Returns:
        Between −1 and 1; 0 when either is constant.
    """
    x = average_ranks(a)
    y = average_ranks(b)
    x -= x.mean()
    y -= y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else 0.0
