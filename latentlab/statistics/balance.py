"""Weights under which an attribute says nothing about the others, for judges that must not be led."""

from __future__ import annotations

import numpy as np

# Weighted images, in Kish's sense, that must be left of each kind: as a number, and as a share.
LEAST_EFFECTIVE = 10.0
LEAST_SHARE = 0.05


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


def cell_balance(y: np.ndarray, cell: np.ndarray, counts: np.ndarray | None = None) -> np.ndarray:
    """n_c / (2 n_cy) for each row, 0 in a cell of one kind only.

    Args:
        y: 1 with and 0 without, integers of shape (n,).
        cell: the cell of each row, of shape (n,).
        counts: how many images a row stands for, of shape (n,); None for one each.
    """
    size = 2 * int(cell.max(initial=0)) + 2
    images = np.bincount(2 * cell + y, counts, minlength=size).reshape(-1, 2)
    fair = images.min(axis=1) > 0
    share = images.sum(axis=1, keepdims=True) / (2 * np.maximum(images, 1))
    return np.where(fair[cell], share[cell, y], 0.0)


def effective_rows(weights: np.ndarray, counts: np.ndarray | None = None) -> float:
    """Kish's effective number of rows, (Σw)² / Σw².

    Args:
        weights: of shape (n,).
        counts: how many images a row stands for, of shape (n,); None for one each.
    """
    counts = np.ones(len(weights)) if counts is None else counts
    return float((counts @ weights) ** 2 / np.maximum(counts @ weights**2, np.finfo(float).tiny))


def enough_rows(count: int) -> float:
    """The effective rows that balancing has to leave of so many images of a kind: ten, or a twentieth of them."""
    return max(LEAST_EFFECTIVE, LEAST_SHARE * count)


def association(y: np.ndarray, column: np.ndarray, counts: np.ndarray | None = None) -> float:
    """The absolute phi coefficient between two binary attributes, over the rows where both are known.

    Args:
        y: 1 with and 0 without, of shape (n,).
        column: 0/1, or NaN for unknown, of shape (n,).
        counts: how many images a row stands for, of shape (n,); None for one each.
    """
    known = ~np.isnan(column)
    if not known.any():
        return 0.0
    share = np.ones(int(known.sum())) if counts is None else counts[known].astype(np.float64)
    share /= share.sum()
    own, other = (np.asarray(values[known] > 0.5, np.float64) for values in (y, column))
    a, b = own - share @ own, other - share @ other
    scale = float(np.sqrt((share @ a**2) * (share @ b**2)))
    return abs(float(share @ (a * b))) / scale if scale > 0 else 0.0
