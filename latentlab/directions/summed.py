"""Directions from sums over latents, without the latents: what the estimators need of a table too large to hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from latentlab.directions.logistic import along
from latentlab.errors import CapabilityError, DataError
from latentlab.latents.cells import MOST_CELLS, MOST_LABELS
from latentlab.latents.summary import Summary
from latentlab.statistics.balance import association, cell_balance, effective_rows, enough_rows, refine_cells
from latentlab.statistics.collinear import COLLINEAR, independent_columns, unexplained

# From the sums, the number of the attribute, and those of the others that are held fixed, the vector (d,).
SummedEstimator = Callable[[Summary, int, Sequence[int]], np.ndarray]


def summed_mean(summary: Summary, target: int, others: Sequence[int]) -> np.ndarray:
    """`mean_difference`, from class sums."""
    return summary.finding.mean_differences()[target]


def summed_regression(summary: Summary, target: int, others: Sequence[int]) -> np.ndarray:
    """`partial_regression`, from products: rows whose own value is unknown count as its mean, and not as left out."""
    return summary.finding.regression(_controlled(summary, target, others))[0]


def summed_lda(summary: Summary, target: int, others: Sequence[int]) -> np.ndarray:
    """`discriminant`, from class sums and the covariance within the two kinds."""
    difference = summary.finding.mean_differences()[target]
    within = summary.finding.covariance_beside(summary.finding.regression([target]), [target])
    return along(within.solve(difference), difference)


def summed_zero_leak(summary: Summary, target: int, others: Sequence[int]) -> np.ndarray:
    """`zero_leak_edit`, with all rows weighing alike: sums know nothing of cells of more than a few attributes."""
    columns = _controlled(summary, target, others)
    moments = summary.finding
    effects = moments.regression(columns).astype(np.float64)
    whole = moments.covariance()
    if len(columns) > int(whole.alive.sum()):
        raise DataError(
            f"expected at most as many attributes as latent dimensions that vary ({int(whole.alive.sum())}) for "
            f"zero-leak, got {len(columns)}; take the method regression"
        )
    readouts = moments.covariance_beside(effects, columns).solve(effects.T)
    readouts = np.linalg.solve(effects @ readouts, readouts.T).T
    moved = whole.apply(readouts)
    return (moved @ np.linalg.solve(readouts.T @ moved, np.eye(len(columns))[0])).astype(np.float32)


def summed_balanced(summary: Summary, target: int, others: Sequence[int]) -> np.ndarray:
    """`balanced_difference`, from the sums of cells; attributes of scores make no cells and are not balanced over.

    Raises:
        CapabilityError: when the labels make more cells than sums are kept of.
    """
    cells = summary.cells
    if cells.given_up:
        raise CapabilityError(
            f"expected labels that make at most {MOST_CELLS:,} combinations (and at most {MOST_LABELS} labels) to "
            "balance over without a second pass, got more; take the method regression, which needs no cells"
        )
    if target not in summary.binary:
        raise CapabilityError(
            "expected an attribute of 0 and 1 to balance, got scores, of which no cells are kept; take the method "
            "regression"
        )
    _controlled(summary, target, others)
    levels, counts, means = cells.levels, cells.counts, cells.means
    own = levels[:, summary.binary.index(target)]
    known = ~np.isnan(own)
    held = [summary.binary.index(other) for other in others if other in summary.binary]
    y, counts, means = (own[known] > 0.5).astype(np.int64), counts[known], means[known]
    columns = levels[known][:, held]
    cell = np.zeros(len(y), np.int64)
    weights = cell_balance(y, cell, counts)
    order = np.argsort([-association(y, column, counts) for column in columns.T], kind="stable")
    for column in order:
        finer = refine_cells(cell, columns[:, column])
        found = cell_balance(y, finer, counts)
        if all(
            effective_rows(found[y == kind], counts[y == kind]) >= enough_rows(int(counts[y == kind].sum()))
            for kind in (0, 1)
        ):
            cell, weights = finer, found
    rows = weights * counts
    sides = [rows[y == kind] @ means[y == kind] / rows[y == kind].sum() for kind in (1, 0)]
    return (sides[0] - sides[1]).astype(np.float32)


SUMMED: dict[str, SummedEstimator] = {
    "mean": summed_mean,
    "balanced": summed_balanced,
    "regression": summed_regression,
    "lda": summed_lda,
    "zero-leak": summed_zero_leak,
}


def _controlled(summary: Summary, target: int, others: Sequence[int]) -> list[int]:
    """The attribute, and the others that vary and are not given by those before them.

    Raises:
        DataError: when the attribute is constant, or the others give it away.
    """
    moments = summary.finding.label_covariance([target, *others])
    moments[np.diagonal(moments) <= 1e-9] = 0.0
    if moments[0, 0] <= 0:
        raise DataError("expected images with and without the attribute, got only one kind; label more images")
    kept = [1 + column for column in independent_columns(moments[1:, 1:])]
    if unexplained(moments, 0, kept) < COLLINEAR:
        raise DataError(
            "expected an attribute that varies while the others stay the same, got one that the others give away; "
            "leave out an attribute that goes with it, or use the method mean"
        )
    # Beside the attribute itself another may have nothing of its own left.
    order = [0, *kept]
    own = independent_columns(moments[np.ix_(order, order)])
    return [[target, *others][order[place]] for place in own]
