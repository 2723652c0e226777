"""Latents as features: how well a few labels can be spread by them, against pixels and PCA of equal dimension."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from latentlab.data.dataset import as_unit
from latentlab.errors import DataError, UsageError, unknown_name
from latentlab.runtime import Progress, silent

Reader = Literal["linear", "knn"]

READERS: tuple[Reader, ...] = ("linear", "knn")
# Labels a class; None for all.
BUDGETS: tuple[int | None, ...] = (1, 10, 100, None)
DRAWS = 10
NEIGHBOURS = 5
# Inverse penalties that the probe chooses from, for features of mean squared norm 1, and the one without a choice.
STRENGTHS = (1.0, 30.0, 1000.0)
STRENGTH = 30.0
FOLDS = 3
# Labelled images that the penalty is chosen on.
CHOICE_ROWS = 1_000


@dataclass(frozen=True)
class FeatureAccuracy:
    """How many test images a reader of some features names rightly.

    Args:
        features: such as "latents".
        reader: "linear" (logistic regression) or "knn" (at most 5 neighbours).
        labels_per_class: labelled training images of each class; None for all there are.
        right: whether each test image was named rightly, bool of shape (draws of labels, test images).
    """

    features: str
    reader: Reader
    labels_per_class: int | None
    right: np.ndarray

    @property
    def accuracy(self) -> float:
        """The mean over draws and images."""
        return float(self.right.mean())

    @property
    def standard_error(self) -> float:
        """Of the accuracy: other labels and other test images might have been drawn."""
        return _crossed_error(self.right.astype(np.float64))


@dataclass(frozen=True)
class FeatureScores:
    """Accuracies by features, reader and number of labels; all features were given the same labels.

    Args:
        rows: the accuracies.
        dimensions: the size of each kind of features, by name.
        classes: how many there are; chance is about 1 / classes.
        test_images: how many were named.
        left_out: the reason for each number of labels that could not be drawn.
    """

    rows: tuple[FeatureAccuracy, ...]
    dimensions: Mapping[str, int]
    classes: int
    test_images: int
    left_out: Mapping[int, str]

    def find(self, features: str, reader: str, labels_per_class: int | None) -> FeatureAccuracy:
        """One of the rows.

        Raises:
            UnknownNameError: when there is no such row.
        """
        rows = {f"{row.features} {row.reader} {row.labels_per_class or 'all'}": row for row in self.rows}
        name = f"{features} {reader} {labels_per_class or 'all'}"
        if name not in rows:
            raise unknown_name("feature accuracy", name, rows)
        return rows[name]

    def difference(self, a: str, b: str, reader: str, labels_per_class: int | None) -> tuple[float, float]:
        """By how much features `a` are more accurate than `b`, and the standard error: same labels, same images."""
        first, second = (self.find(name, reader, labels_per_class).right.astype(np.float64) for name in (a, b))
        return float((first - second).mean()), _crossed_error(first - second)

    def record(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {
            "dimensions": dict(self.dimensions),
            "classes": self.classes,
            "test_images": self.test_images,
            "left_out": {str(budget): reason for budget, reason in self.left_out.items()},
            "rows": [
                {
                    "features": row.features,
                    "reader": row.reader,
                    "labels_per_class": row.labels_per_class,
                    "draws": len(row.right),
                    "accuracy": row.accuracy,
                    "standard_error": row.standard_error,
                }
                for row in self.rows
            ],
        }


Pair = tuple[np.ndarray, np.ndarray]


def feature_kinds(latents: Pair, pixels: Pair, seed: int = 0) -> dict[str, Pair]:
    """Latents, pixels, and principal components of pixels, as many as there are latent dimensions.

    Args:
        latents: of the training and of the test images, of shapes (n, d) and (m, d).
        pixels: of the same images, of shapes (n, c, h, w) and (m, c, h, w), uint8 or float in [0, 1].
        seed: of the randomised solver, where one is used.

    Returns:
        Training and test features by name: "latents", "pixels", "pca". Components are found on the training images,
        and are fewer where these have fewer.
    """
    from sklearn.decomposition import PCA

    flat = [as_unit(part).reshape(len(part), -1) for part in pixels]
    components = PCA(min(latents[0].shape[1], *flat[0].shape), random_state=seed).fit(flat[0])
    return {
        "latents": latents,
        "pixels": (flat[0], flat[1]),
        "pca": (components.transform(flat[0]), components.transform(flat[1])),
    }


def score_features(
    features: Mapping[str, Pair],
    train_labels: np.ndarray,
    test_labels: np.ndarray,
    *,
    budgets: Sequence[int | None] = BUDGETS,
    readers: Sequence[Reader] = READERS,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Progress = silent,
) -> FeatureScores:
    """Read classes from features with few labels and with all.

    The linear probe is logistic regression; its penalty is chosen by three-fold validation among the labelled images,
    for each kind of features on its own. A neighbour's vote counts as 1 / distance. Features are centred and scaled as
    a whole, by the training images, so that directions of little variance are not blown up.

    Args:
        features: training features (n, d) and test features (m, d) by name; see `feature_kinds`.
        train_labels: class numbers of shape (n,); images with −1 are left aside.
        test_labels: class numbers of shape (m,), likewise.
        budgets: labels a class; None for all. One that a class has too few images for is left out with the reason.
        readers: "linear", "knn".
        draws: how often labels are drawn; all labels are there once.
        seed: of the draws.
        progress: told of every draw.

    Raises:
        DataError: when features and labels are not of the same images, there are fewer than 2 classes, or a class is
            only in the test images.
        UsageError: when a budget or the number of draws is below 1.
        UnknownNameError: when a reader is not known.
    """
    if draws < 1 or any(budget is not None and budget < 1 for budget in budgets):
        raise UsageError(f"expected at least 1 draw and 1 label a class, got {draws} draws of {list(budgets)}")
    for reader in readers:
        if reader not in READERS:
            raise unknown_name("reader", reader, READERS)
    for name, (train, test) in features.items():
        if (train.ndim, test.ndim) != (2, 2) or (len(train), len(test)) != (len(train_labels), len(test_labels)):
            raise DataError(
                f"expected {name} of {len(train_labels)} and {len(test_labels)} images, one row each, got shapes "
                f"{train.shape} and {test.shape}"
            )
    known, asked = np.flatnonzero(train_labels >= 0), np.flatnonzero(test_labels >= 0)
    labels, truth = np.asarray(train_labels)[known], np.asarray(test_labels)[asked]
    counts = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    if len(counts) < 2 or not len(truth) or not set(truth.tolist()) <= set(counts):
        raise DataError(
            "expected labelled test images, of at least 2 classes that training images have too, got classes "
            f"{sorted(set(truth.tolist()))} to name and {sorted(int(one) for one in counts)} to learn from"
        )
    scaled = {name: _scaled(train[known], test[asked]) for name, (train, test) in features.items()}
    fewest = min(counts.values())
    left_out = {
        budget: f"expected {budget} labelled training images of every class, got {fewest} of one"
        for budget in budgets
        if budget is not None and budget > fewest
    }
    taken = [budget for budget in budgets if budget not in left_out]
    total = sum(1 if budget is None else draws for budget in taken)
    done, rows = 0, []
    for budget in taken:
        right: dict[tuple[str, Reader], list[np.ndarray]] = {(name, one): [] for name in features for one in readers}
        for draw in range(1 if budget is None else draws):
            drawn = _draw(labels, budget, np.random.default_rng([seed, budget or 0, draw]))
            for name, reader in right:
                train, test = scaled[name]
                guess = _read(train[drawn], labels[drawn], test, reader, int(budget or fewest))
                right[name, reader].append(guess == truth)
            done += 1
            progress("reading features", done, total)
        rows += [FeatureAccuracy(name, reader, budget, np.array(found)) for (name, reader), found in right.items()]
    return FeatureScores(
        rows=tuple(rows),
        dimensions={name: train.shape[1] for name, (train, _) in features.items()},
        classes=len(counts),
        test_images=len(truth),
        left_out=left_out,
    )


def _draw(labels: np.ndarray, budget: int | None, rng: np.random.Generator) -> np.ndarray:
    """The rows of as many images of every class, or of all."""
    if budget is None:
        return np.arange(len(labels))
    return np.concatenate([rng.permutation(np.flatnonzero(labels == one))[:budget] for one in np.unique(labels)])


def _scaled(train: np.ndarray, test: np.ndarray) -> Pair:
    """Centred, and with a mean squared norm of 1 over the training images."""
    center = train.mean(axis=0, dtype=np.float64)
    size = math.sqrt(float(((train - center) ** 2).sum(axis=1).mean()))
    size = size if size > 0 else 1.0
    return (train - center) / size, (test - center) / size


def _read(train: np.ndarray, labels: np.ndarray, test: np.ndarray, reader: Reader, fewest: int) -> np.ndarray:
    """The class that a reader gives each test image."""
    from sklearn.neighbors import KNeighborsClassifier

    if reader == "knn":
        nearest = KNeighborsClassifier(min(NEIGHBOURS, fewest), weights="distance", algorithm="brute")
        return nearest.fit(train, labels).predict(test)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _probe(_strength(train, labels)).fit(train, labels).predict(test)


def _probe(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=300)


def _strength(train: np.ndarray, labels: np.ndarray) -> float:
    """The inverse penalty under which parts of the labelled images name the others best; the heaviest of equals."""
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    rows = np.random.default_rng(0).permutation(len(labels))[:CHOICE_ROWS]
    if np.unique(labels[rows], return_counts=True)[1].min() < FOLDS:
        return STRENGTH
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    found = [cross_val_score(_probe(one), train[rows], labels[rows], cv=folds).mean() for one in STRENGTHS]
    return STRENGTHS[int(np.argmax(found))]


def _crossed_error(values: np.ndarray) -> float:
    """The standard error of the mean of draws × images, both drawn: √(s²_draws / draws + s²_images / images)."""
    draws, images = values.shape
    over_images = values.mean(axis=0).var(ddof=1) / images if images > 1 else 0.0
    over_draws = values.mean(axis=1).var(ddof=1) / draws if draws > 1 else 0.0
    return math.sqrt(over_images + over_draws)
