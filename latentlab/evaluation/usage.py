"""How much of its latent a model uses."""

from __future__ import annotations

import numpy as np

ACTIVE_VARIANCE = 0.01


def active_units(means: np.ndarray) -> np.ndarray:
    """Which latent dimensions carry information: Var over images of the posterior mean above 0.01.

    Args:
        means: posterior means of shape (n, d).

    Returns:
        bool of shape (d,).

    References:
        Y. Burda, R. Grosse, R. Salakhutdinov, "Importance Weighted Autoencoders", 2015, arXiv:1509.00519.
    """
    return np.asarray(means, np.float64).var(axis=0) > ACTIVE_VARIANCE
