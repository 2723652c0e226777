"""The balanced difference: the class means, with the other attributes the same on both sides."""

from __future__ import annotations

import numpy as np

from latentlab.directions.control import controlled_columns
from latentlab.statistics.balance import association, cell_balance, effective_rows, enough_rows, refine_cells


def balanced_difference(z: np.ndarray, y: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The difference of class means in which every cell of the other attributes weighs alike on both sides.

    v = Σ_c p_c (mean(z | y = 1, c) − mean(z | y = 0, c)), c the cells of the other attributes (an unknown value is a
    value of its own) and p_c their share of the images.

    A cell without images of one kind has no difference and is left out. Attributes are taken in the order in which
    they go with this one; one that would leave too few images of a kind (an effective number of 10, or of a twentieth
    of them) is not balanced over. With none left v is the mean difference.

    Args:
        z: latents of shape (n, d).
        y: 1 with and 0 without the attribute, of shape (n,), both present.
        others: the other attributes, of shape (n, k), 0/1 or NaN.

    Returns:
        v of shape (d,), float32.

    Raises:
        DataError: when the other attributes give this one away.

    References:
        Sampling Generative Networks (White, 2016), arXiv:1609.04468.
    """
    positive = np.asarray(y) > 0.5
    controlled_columns(positive, others)
    weights = cell_weights(positive, others)
    sides = [weights[kind] @ z[kind].astype(np.float64) / weights[kind].sum() for kind in (positive, ~positive)]
    return (sides[0] - sides[1]).astype(np.float32)


def cell_weights(y: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Balanced cell weights over the other attributes that leave enough images.

    Args:
        y: 1 with and 0 without, of shape (n,).
        others: of shape (n, k), 0/1 or NaN.

    Returns:
        float64 of shape (n,), 0 for images that are left out.
    """
    y, others = (np.asarray(y) > 0.5).astype(np.int64), np.asarray(others, np.float64).reshape(len(y), -1)
    least = [enough_rows(int((y == kind).sum())) for kind in (0, 1)]
    cell = np.zeros(len(y), np.int64)
    weights = cell_balance(y, cell)
    for column in np.argsort([-association(y, values) for values in others.T], kind="stable"):
        finer = refine_cells(cell, others[:, column])
        found = cell_balance(y, finer)
        if all(effective_rows(found[y == kind]) >= least[kind] for kind in (0, 1)):
            cell, weights = finer, found
    return weights / weights[weights > 0].mean()
