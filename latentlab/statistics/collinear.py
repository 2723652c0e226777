"""Columns that others give away."""

from __future__ import annotations

import numpy as np

# A column of which the columns before it explain all but this share of the variance adds nothing of its own.
COLLINEAR = 1e-3


def independent_columns(moments: np.ndarray) -> list[int]:
    """Columns, in their order, that vary and are not given by those taken before them.

    Args:
        moments: the covariance of the columns, of shape (k, k).
    """
    kept: list[int] = []
    for column in range(len(moments)):
        if unexplained(moments, column, kept) >= COLLINEAR:
            kept.append(column)
    return kept


def unexplained(moments: np.ndarray, column: int, by: list[int]) -> float:
    """1 − R² of a column regressed on others: the share of its variance that is its own, 0 where it is constant.

    Args:
        moments: the covariance of all columns, of shape (k, k).
        column: which one.
        by: the columns that explain it, not collinear.
    """
    whole = float(moments[column, column])
    if whole <= 0:
        return 0.0
    if not by:
        return 1.0
    across = moments[by, column]
    return 1.0 - float(across @ np.linalg.solve(moments[np.ix_(by, by)], across)) / whole
