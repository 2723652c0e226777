"""The normal of a logistic regression: the direction that tells images with an attribute best from those without."""

from __future__ import annotations

import numpy as np

from latentlab.directions.mean import mean_difference
from latentlab.statistics.covariance import fit_covariance
from latentlab.statistics.probe import fit_probe


def logistic_normal(z: np.ndarray, y: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The weights of a logistic probe, v = w (w·Δ) / (w·w): the part of the mean difference Δ that lies along w.

    Dead dimensions are left out: their weights, small as they read, would be large steps. It reads an attribute better
    than it changes it, and is here to be compared with.

    Args:
        z: latents of shape (n, d).
        y: 1 with and 0 without the attribute, of shape (n,), both present.
        others: the other attributes, of shape (n, k), which it does not look at.

    Returns:
        v of shape (d,), float32.

    Raises:
        DataError: when all images are of one kind, or the latents do not vary.

    References:
        Interpreting the Latent Space of GANs for Semantic Face Editing (Shen et al., 2019), arXiv:1907.10786.
    """
    weight = np.zeros(z.shape[1], np.float32)
    alive = fit_covariance(z).alive
    weight[alive] = fit_probe(z[:, alive], y).weight
    return along(weight, mean_difference(z, y, others))


def along(readout: np.ndarray, difference: np.ndarray) -> np.ndarray:
    """The part of a mean difference that lies along a readout, w (w·Δ) / (w·w), of shape (d,), float32."""
    w = readout.astype(np.float64)
    return (w * (w @ difference) / max(w @ w, np.finfo(float).tiny)).astype(np.float32)
