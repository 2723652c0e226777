"""Weights under which an attribute says nothing about the others, for judges that must not be led."""

from __future__ import annotations

import numpy as np


def balanced_cell_weights(y: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Weights that make an attribute balanced, and independent of other attributes.

    Rows are put in cells by their values in `others`. With n_c rows in cell c, n_cy of them with value y,
    a row weighs n_c / (2 n_cy): in every cell "with" and "without" weigh the same, and cells keep their
    share. A cell that has only one kind cannot be balanced and weighs 0; when every cell is such a
    one, `others` are left aside and only the two kinds are balanced.

    Args:
        y: 1 with and 0 without, of shape (n,).
        others: other attributes of shape (n, k), 0/1 or NaN for unknown (a value of its own); k may be 0.

    Returns:
        float64 of shape (n,), of mean 1 over the rows that count.
    """
    y = (np.asarray(y) > 0.5).astype(np.int64)
    cell = np.zeros(len(y), dtype=np.int64)
    for column in np.asarray(others).reshape(len(y), -1).T:
        cell = refine_cells(cell, column)
    weights = cell_balance(y, cell)
    if not weights.any():
        weights = cell_balance(y, np.zeros_like(cell))
    counted = weights > 0
    return weights / weights[counted].mean() if counted.any() else np.ones(len(y))


def balanceable(y: np.ndarray, others: np.ndarray, minimum: int) -> list[int]:
    """Choose the other attributes that can be balanced against, the most associated with `y` first.

    One is taken when, together with those taken before, every cell still has at least `minimum` rows
    with and `minimum` rows without the attribute: weights stay bounded, and no cell is empty.

    Args:
        y: 1 with and 0 without, of shape (n,).
        others: other attributes of shape (n, k), 0/1 or NaN for unknown.
        minimum: rows of each kind in every cell.

    Returns:
        The columns taken, in the order of their association.
    """
    y = (np.asarray(y) > 0.5).astype(np.int64)
    chosen: list[int] = []
    cell = np.zeros(len(y), dtype=np.int64)
    for column in np.argsort([-association(y, values) for values in others.T], kind="stable"):
        finer = refine_cells(cell, others[:, column])
        if (
            finer.max(initial=0) > cell.max(initial=0)
            and np.bincount(2 * finer + y, minlength=2 * finer.max() + 2).min() >= minimum
        ):
            chosen.append(int(column))
            cell = finer
    return chosen


def refine_cells(cell: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Split cells by one more attribute, and number those that are not empty from 0.

    Args:
        cell: the cell of each row, of shape (n,).
        column: 0/1, or NaN for unknown (a value of its own), of shape (n,).
    """
    level = np.where(np.isnan(column), 2, column > 0.5).astype(np.int64)
    return np.unique(3 * cell + level, return_inverse=True)[1]


def cell_balance(y: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """n_c / (2 n_cy) for each row, 0 in a cell of one kind only.

    Args:
        y: 1 with and 0 without, integers of shape (n,).
        cell: the cell of each row, of shape (n,).
    """
    counts = np.bincount(2 * cell + y, minlength=2 * int(cell.max(initial=0)) + 2).reshape(-1, 2)
    fair = counts.min(axis=1) > 0
    share = counts.sum(axis=1, keepdims=True) / (2 * np.maximum(counts, 1))
    return np.where(fair[cell], share[cell, y], 0.0)


def association(y: np.ndarray, column: np.ndarray) -> float:
    """The absolute phi coefficient between two binary attributes, over the rows where both are known."""
    known = ~np.isnan(column)
    a = y[known] - y[known].mean() if known.any() else np.zeros(0)
    b = (column[known] > 0.5) - (column[known] > 0.5).mean() if known.any() else np.zeros(0)
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return abs(float(a @ b)) / scale if scale > 0 else 0.0
