"""The other attributes as columns that a regression can hold fixed."""

from __future__ import annotations

import numpy as np

from latentlab.errors import DataError
from latentlab.statistics.collinear import COLLINEAR, independent_columns, unexplained


def controlled_columns(y: np.ndarray, others: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """An attribute and the others that can be held fixed beside it, centred.

    An unknown value counts as the mean of its column: it says nothing, and pulls a little towards not holding that
    attribute fixed. Columns that are unknown, constant, or given by those before them are dropped.

    Args:
        y: 1 with and 0 without the attribute, of shape (n,).
        others: the other attributes, of shape (n, k), 0/1 or NaN.
        weights: how much each row counts in means and in what goes with what, of shape (n,); None for all alike.

    Returns:
        float64 of shape (n, 1 + m), m ≤ k: the attribute itself, then the others that are left.

    Raises:
        DataError: when the attribute is constant, or the others give it away.
    """
    weights = np.ones(len(y)) if weights is None else weights
    columns = np.column_stack([np.asarray(y, np.float64), np.asarray(others, np.float64).reshape(len(y), -1)])
    known = ~np.isnan(columns)
    filled = np.where(known, columns, 0.0)
    centers = (weights @ filled) / np.maximum(weights @ known, np.finfo(float).tiny)
    centred = np.where(known, columns - centers, 0.0)
    moments = (centred * weights[:, None]).T @ centred / weights.sum()
    if moments[0, 0] <= 0:
        raise DataError("expected images with and without the attribute, got only one kind; label more images")
    kept = independent_columns(moments[1:, 1:])
    if unexplained(moments, 0, [1 + column for column in kept]) < COLLINEAR:
        raise DataError(
            "expected an attribute that varies while the others stay the same, got one that the others give away; "
            "leave out an attribute that goes with it, or use the method mean"
        )
    return centred[:, [0, *(1 + column for column in kept)]]
