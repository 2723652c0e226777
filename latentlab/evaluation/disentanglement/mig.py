"""MIG: by how much one latent dimension knows a factor better than any other does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from latentlab.evaluation.disentanglement.factor import BINS, Factors


def score_mig(code: np.ndarray, factors: Factors, rng: np.random.Generator) -> Mapping[str, float]:
    """The mutual information gap: the mean over factors of (I(z_1; v) − I(z_2; v)) / H(v), z_1 and z_2 the best two.

    Dimensions are cut into 20 bins of equal width. Even a perfect code stays below 1 where a factor has more levels
    than there are bins.

    Args:
        code: of shape (n, d).
        factors: of the same images.
        rng: not used: nothing is drawn.

    References:
        R. T. Q. Chen, X. Li, R. Grosse, D. Duvenaud, "Isolating Sources of Disentanglement in Variational
        Autoencoders", 2018, arXiv:1802.04942.
    """
    return {"MIG": mean_gap(information_matrix(code, factors), factor_entropies(factors))}


def mean_gap(information: np.ndarray, entropies: np.ndarray) -> float:
    """The mean over factors of the gap between the best two dimensions, as a share of the entropy.

    Args:
        information: of shape (d, k), in nats; with d = 1, the second is 0.
        entropies: of shape (k,), in nats; a factor with 0 is left out.
    """
    ordered = np.sort(np.pad(information, ((1, 0), (0, 0))), axis=0)
    known = entropies > 0
    return float(((ordered[-1] - ordered[-2])[known] / entropies[known]).mean()) if known.any() else 0.0


def information_matrix(code: np.ndarray, factors: Factors, bins: int = BINS) -> np.ndarray:
    """I(z_j; v_k) of binned dimensions and the levels of factors, plug-in, in nats, of shape (d, k)."""
    cells = [_bin(column, bins) for column in code.T]
    return np.array([[_mutual_information(cell, level, bins) for level in factors.levels.T] for cell in cells])


def factor_entropies(factors: Factors) -> np.ndarray:
    """H(v_k), in nats, of shape (k,)."""
    return np.array([_entropy(np.bincount(level)) for level in factors.levels.T])


def _bin(column: np.ndarray, bins: int) -> np.ndarray:
    """The number of the bin of equal width, 0 to bins − 1."""
    return np.digitize(column, np.linspace(column.min(), column.max(), bins + 1)[1:-1])


def _mutual_information(cell: np.ndarray, level: np.ndarray, bins: int) -> float:
    """H(cell) + H(level) − H(both), in nats."""
    width = int(level.max()) + 1
    table = np.bincount(cell * width + level, minlength=bins * width).reshape(bins, width)
    return _entropy(table.sum(axis=1)) + _entropy(table.sum(axis=0)) - _entropy(table.ravel())


def _entropy(counts: np.ndarray) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())
