"""Directions: latent vectors that change an attribute, one file an estimator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from latentlab.directions.balanced import balanced_difference
from latentlab.directions.jacobian import jacobian_axes
from latentlab.directions.lda import discriminant
from latentlab.directions.logistic import logistic_normal
from latentlab.directions.mean import mean_difference
from latentlab.directions.pca import principal_deviations
from latentlab.directions.regression import partial_regression
from latentlab.directions.zero_leak import zero_leak_edit

# An estimator takes latents (n, d), 0/1 (n,), and the other attributes (n, k) as 0/1 with NaN where unknown, and
# returns the vector (d,), by which an edit of α = 1 moves.
Estimator = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

ESTIMATORS: dict[str, Estimator] = {
    "mean": mean_difference,
    "balanced": balanced_difference,
    "regression": partial_regression,
    "logistic": logistic_normal,
    "lda": discriminant,
    "zero-leak": zero_leak_edit,
}

# JᵀJ of the decoder, of shape (m, d, d), at latents of shape (m, d).
Metric = Callable[[np.ndarray], np.ndarray]
# Axes take latents (n, d), the decoder's metric and a count, and return vectors (count, d), greatest first, each one
# standard deviation of the latents long, and the share of the whole that each accounts for (count,).
Axes = Callable[[np.ndarray, Metric | None, int], tuple[np.ndarray, np.ndarray]]

AXES: dict[str, Axes] = {
    "pca": principal_deviations,
    "jacobian": jacobian_axes,
}
