"""SAP: by how much one dimension alone predicts a factor better than any other does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from latentlab.evaluation.disentanglement.factor import Factors


def score_sap(code: np.ndarray, factors: Factors, rng: np.random.Generator) -> Mapping[str, float]:
    """The separated attribute predictability: the mean over factors of the gap between the best two dimensions.

    A dimension's score for an ordered factor is the squared correlation, for a categorical one the balanced accuracy
    of thresholds on it, on images that the thresholds were not put with.

    Args:
        code: of shape (n, d).
        factors: of the same images.
        rng: of the images that judge thresholds.

    References:
        A. Kumar, P. Sattigeri, A. Balakrishnan, "Variational Inference of Disentangled Latent Concepts from Unlabeled
        Observations", 2017, arXiv:1711.00848.
    """
    scores = np.zeros((max(2, code.shape[1]), len(factors.names)))
    rows = rng.permutation(len(code))
    for k, categorical in enumerate(factors.categorical):
        column = _accuracies(code, factors.levels[:, k], rows) if categorical else _squared(code, factors.values[:, k])
        scores[: len(column), k] = column
    ordered = np.sort(scores, axis=0)
    return {"SAP": float((ordered[-1] - ordered[-2]).mean())}


def _squared(code: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Squared correlations of the dimensions with a factor, of shape (d,); 0 for a dimension that does not vary."""
    z, v = code - code.mean(axis=0), values - values.mean()
    scale = (z**2).sum(axis=0) * (v @ v)
    return np.divide((v @ z) ** 2, scale, out=np.zeros(code.shape[1]), where=scale > 0)


def _accuracies(code: np.ndarray, levels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """How well thresholds on each dimension tell classes apart, all classes counting alike, of shape (d,)."""
    from sklearn.tree import DecisionTreeClassifier

    train, test = np.array_split(rows, 2)
    classes = np.unique(levels)
    found = []
    for column in code.T[:, :, None]:
        tree = DecisionTreeClassifier(max_leaf_nodes=max(2, len(classes)), class_weight="balanced", random_state=0)
        right = tree.fit(column[train], levels[train]).predict(column[test]) == levels[test]
        found.append(np.mean([right[levels[test] == one].mean() for one in np.unique(levels[test])]))
    return np.array(found)
