"""DCI: whether each dimension tells of one factor, each factor is told by one dimension, and how well all are told."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from latentlab.evaluation.disentanglement.factor import Factors

TREES = 20
# Trees that split further fit noise, and give importance to dimensions that have none.
LEAF = 5
MOST_ROWS = 2_000
# Of the rows, those that trees grow on; the others judge.
TRAIN_SHARE = 2 / 3


def score_dci(code: np.ndarray, factors: Factors, rng: np.random.Generator) -> Mapping[str, float]:
    """Disentanglement, completeness and informativeness, from the importance of dimensions to trees.

    Informativeness is the mean over factors of R² (accuracy, where categorical) on held-out images, not below 0.

    Args:
        code: of shape (n, d).
        factors: of the same images.
        rng: of the rows (at most 2,000 grow trees) and of the trees.

    References:
        C. Eastwood, C. K. I. Williams, "A Framework for the Quantitative Evaluation of Disentangled Representations",
        ICLR 2018.
    """
    importance, informativeness = importance_matrix(code, factors, rng)
    return {
        "DCI disentanglement": disentanglement(importance),
        "DCI completeness": disentanglement(importance.T),
        "DCI informativeness": informativeness,
    }


def disentanglement(importance: np.ndarray) -> float:
    """Σ_j ρ_j (1 − H(P_j) / log k): rows with one entry score 1, even rows 0, weighed by their share of the whole.

    Args:
        importance: of shape (d, k), not negative. Its transpose gives completeness.

    >>> round(disentanglement(np.array([[1, 0, 0.2], [0.1, 0.8, 0], [0, 0.3, 0.9], [0, 0, 0]])), 6)
    0.578139
    """
    total = importance.sum()
    if total <= 0:
        return 0.0
    if importance.shape[1] == 1:
        return 1.0
    rows = importance.sum(axis=1, keepdims=True)
    share = np.divide(importance, rows, out=np.zeros(importance.shape), where=rows > 0)
    logs = np.log(share, out=np.zeros(share.shape), where=share > 0)
    concentration = 1 + (share * logs).sum(axis=1) / np.log(importance.shape[1])
    return float((concentration * rows[:, 0]).sum() / total)


def importance_matrix(code: np.ndarray, factors: Factors, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """The importance of each dimension to trees that predict each factor, of shape (d, k), and how well they do."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    rows = rng.permutation(len(code))
    cut = min(round(TRAIN_SHARE * len(rows)), MOST_ROWS)
    train, test = rows[:cut], rows[cut : cut + MOST_ROWS]
    importance = np.zeros((code.shape[1], len(factors.names)))
    scores = []
    for k, categorical in enumerate(factors.categorical):
        target = factors.levels[:, k] if categorical else factors.values[:, k]
        kind = ExtraTreesClassifier if categorical else ExtraTreesRegressor
        # Every dimension is looked at in every split: noise is then chosen only where nothing is better.
        model = kind(TREES, max_features=None, min_samples_leaf=LEAF, random_state=int(rng.integers(2**31)))
        if len(np.unique(target[train])) < 2 or (not categorical and len(np.unique(target[test])) < 2):
            continue
        model.fit(code[train], target[train])
        importance[:, k] = model.feature_importances_
        scores.append(max(0.0, float(model.score(code[test], target[test]))))
    return importance, float(np.mean(scores)) if scores else 0.0
