"""The zero-leak edit: the least unlikely step that one readout sees, and no other."""

from __future__ import annotations

import numpy as np

from latentlab.directions.balanced import cell_weights
from latentlab.directions.control import controlled_columns
from latentlab.directions.regression import partial_effects
from latentlab.errors import DataError
from latentlab.statistics.covariance import fit_covariance


def zero_leak_edit(z: np.ndarray, y: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The shortest step, in Mahalanobis distance, that moves this attribute's readout by one gap and no other's.

    v = argmin δᵀΣ⁻¹δ subject to Wᵀδ = e = ΣW(WᵀΣW)⁻¹e, e one for this attribute and zero for the others.

    The readouts are joint: W = N⁻¹Bᵀ(BN⁻¹Bᵀ)⁻¹ reads each attribute with the others held fixed (WᵀBᵀ = I). B are the
    effects of all attributes in a regression with balanced cell weights, one in cells that cannot be balanced, and N
    is the shrunk covariance that they leave. Readouts fitted one at a time also see, a little, what the others
    change, and an edit that satisfies them over-corrects. Unknown values, constant and collinear columns are treated
    as by `partial_regression`, with which v agrees in the limit of many images and effects that add up.

    Args:
        z: latents of shape (n, d).
        y: 1 with and 0 without the attribute, of shape (n,), both present.
        others: the other attributes, of shape (n, k), 0/1 or NaN.

    Returns:
        v of shape (d,), float32.

    Raises:
        DataError: when the other attributes give this one away, or there are more attributes than dimensions that
            vary.

    References:
        LEACE: Perfect Linear Concept Erasure in Closed Form (Belrose et al., 2023), arXiv:2306.03819, for the metric.
    """
    positive = np.asarray(y) > 0.5
    weights = cell_weights(positive, others)
    # A cell of one kind has no difference of its own, but says, as in any regression, what the others change.
    weights = np.where(weights > 0, weights, 1.0)
    columns = controlled_columns(positive, others, weights)
    whole = fit_covariance(z)
    alive = int(whole.alive.sum())
    if columns.shape[1] > alive:
        raise DataError(
            f"expected at most as many attributes as latent dimensions that vary ({alive}) for zero-leak, got "
            f"{columns.shape[1]}; leave out attributes, or use the method regression"
        )
    effects = partial_effects(z, columns, weights)
    within = fit_covariance(z - columns @ effects)
    readouts = within.solve(effects.T)
    readouts = np.linalg.solve(effects @ readouts, readouts.T).T
    moved = whole.apply(readouts)
    target = np.eye(columns.shape[1])[0]
    return (moved @ np.linalg.solve(readouts.T @ moved, target)).astype(np.float32)
