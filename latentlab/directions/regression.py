"""Partial regression: what an attribute adds while the others stay the same."""

from __future__ import annotations

import numpy as np

from latentlab.directions.control import controlled_columns


def partial_regression(z: np.ndarray, y: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The coefficients of an attribute in a least-squares regression of the latents on all attributes.

    V = Σ_AA⁻¹ Σ_Az with A = [y, others], and v its first row. Empty cells do no harm as long as effects add up. An
    unknown value counts as the mean of its column; others that are constant or collinear are dropped.

    Args:
        z: latents of shape (n, d).
        y: 1 with and 0 without the attribute, of shape (n,), both present.
        others: the other attributes, of shape (n, k), 0/1 or NaN.

    Returns:
        v of shape (d,), float32: the change of the mean latent when the attribute alone goes from 0 to 1.

    Raises:
        DataError: when the other attributes give this one away.
    """
    columns = controlled_columns(np.asarray(y) > 0.5, others)
    return partial_effects(z, columns, np.ones(len(z)))[0].astype(np.float32)


def partial_effects(z: np.ndarray, columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted least squares of latents on centred columns.

    Args:
        z: of shape (n, d).
        columns: from `controlled_columns` with the same weights, of shape (n, k).
        weights: of shape (n,).

    Returns:
        float64 of shape (k, d).
    """
    weighted = columns * weights[:, None]
    # The columns have mean 0 under the weights, so that the latents need no centre; float32 needs one, for its digits.
    away = (z - z.mean(axis=0)).astype(np.float64)
    return np.linalg.solve(weighted.T @ columns, weighted.T @ away)
