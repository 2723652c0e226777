"""Directions: latent vectors that change an attribute, one file an estimator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from latentlab.directions.mean import mean_difference

# An estimator takes latents (n, d) and 0/1 (n,), and returns the vector (d,).
Estimator = Callable[[np.ndarray, np.ndarray], np.ndarray]

ESTIMATORS: dict[str, Estimator] = {
    "mean": mean_difference,
}
