"""Linear discriminant analysis with a shrunk covariance."""

from __future__ import annotations

import numpy as np

from latentlab.directions.logistic import along
from latentlab.directions.mean import mean_difference
from latentlab.statistics.covariance import fit_covariance


def discriminant(z: np.ndarray, y: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Fisher's discriminant w = Σ⁻¹Δ, as v = w (w·Δ) / (w·w): the part of the mean difference Δ along w.

    Σ is the shrunk covariance within the two kinds of images, over the dimensions that are alive. It reads an
    attribute better than it changes it, and is here to be compared with.

    Args:
        z: latents of shape (n, d).
        y: 1 with and 0 without the attribute, of shape (n,), both present.
        others: the other attributes, of shape (n, k), which it does not look at.

    Returns:
        v of shape (d,), float32.

    Raises:
        DataError: when the latents do not vary within the two kinds.

    References:
        R. A. Fisher, "The Use of Multiple Measurements in Taxonomic Problems", Annals of Eugenics 7, 1936.
    """
    positive = np.asarray(y) > 0.5
    difference = mean_difference(z, y, others)
    within = z.astype(np.float64)
    for kind in (positive, ~positive):
        within[kind] -= within[kind].mean(axis=0)
    return along(fit_covariance(within).solve(difference), difference)
