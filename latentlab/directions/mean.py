"""The mean difference: what sets images with an attribute apart from those without, on average."""

from __future__ import annotations

import numpy as np


def mean_difference(z: np.ndarray, y: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The difference of the class means, v = mean(z | y = 1) − mean(z | y = 0).

    Args:
        z: latents of shape (n, d).
        y: 1 with and 0 without the attribute, of shape (n,), both present.
        others: the other attributes, of shape (n, k), which a mean difference does not look at.

    Returns:
        v of shape (d,), float32; its length is one class gap.

    References:
        Deep Feature Consistent Variational Autoencoder (Hou et al., 2016), arXiv:1610.00291.
        Sampling Generative Networks (White, 2016), arXiv:1609.04468.
    """
    positive = np.asarray(y) > 0.5
    difference = z[positive].mean(axis=0, dtype=np.float64) - z[~positive].mean(axis=0, dtype=np.float64)
    return difference.astype(np.float32)
