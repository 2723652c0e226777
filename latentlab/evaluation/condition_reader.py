"""A judge of conditions that has nothing to do with the model: logistic regression on pixels, or on latents."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.codec import ConditionSpec
from latentlab.evaluation.condition import read_as

# Principal components that are read: more of a photograph's pixels only make the fit slow.
COMPONENTS = 64
STRENGTH = 30.0


@dataclass(frozen=True)
class ConditionReader:
    """Reads conditions from features.

    Args:
        condition: what is read.
        center, axes: features become (features − center) · axes.
        readers: one of all classes, or one an attribute; a number in the place of one where only that was seen.
    """

    condition: ConditionSpec
    center: np.ndarray
    axes: np.ndarray
    readers: list[Any]

    def read(self, features: np.ndarray) -> np.ndarray:
        """The probabilities of conditions, of shape (n, k), of features of shape (n, …)."""
        flat = (features.reshape(len(features), -1).astype(np.float64) - self.center) @ self.axes
        found = np.zeros((len(flat), len(self.condition.names)))
        for place, reader in enumerate(self.readers):
            if self.condition.kind == "class":
                found[:, reader.classes_] = reader.predict_proba(flat)
            else:
                found[:, place] = reader if isinstance(reader, float) else reader.predict_proba(flat)[:, 1]
        return found

    def right(self, features: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Whether features are read as the conditions (n, k) that are asked for; see `read_as`."""
        return read_as(self.condition, self.read(features), asked)


def fit_reader(features: np.ndarray, conditions: np.ndarray, condition: ConditionSpec) -> ConditionReader | None:
    """Fit logistic regression on the leading principal components of features, scaled as a whole.

    Args:
        features: of shape (n, …).
        conditions: 0 and 1, of shape (n, k).
        condition: what they stand for.

    Returns:
        The reader; None where there are images of one class alone.
    """
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression

    flat = features.reshape(len(features), -1).astype(np.float64)
    components = PCA(min(COMPONENTS, *flat.shape), svd_solver="auto", random_state=0).fit(flat)
    size = float(np.sqrt(components.explained_variance_.sum())) or 1.0
    axes = components.components_.T / size
    scaled = (flat - components.mean_) @ axes
    columns = [conditions.argmax(axis=1)] if condition.kind == "class" else list((conditions > 0.5).astype(int).T)
    readers: list[Any] = []
    for column in columns:
        if len(np.unique(column)) > 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                readers.append(LogisticRegression(C=STRENGTH, max_iter=300).fit(scaled, column))
        elif condition.kind == "class":
            return None
        else:
            readers.append(float(column[0]))
    return ConditionReader(condition, components.mean_, axes, readers)
