"""Which images do not belong: thresholds from clean images, how well scores find the anomalous, and what pixels can."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from latentlab.data.dataset import as_unit
from latentlab.errors import DataError, UsageError, unknown_name
from latentlab.statistics.rank import average_ranks

LEVEL = 0.95
# Distances to known images that are held at once: 4 bytes each.
CHUNK = 4_000_000


@dataclass(frozen=True)
class Detection:
    """How well several scores, of the same images, tell anomalous images from normal ones.

    Args:
        names: of the scores.
        auc: P(an anomalous image scores above a normal one), ties counting half, of shape (k,).
        covariance: of the AUCs, over other images of both kinds, of shape (k, k).
        anomalous: how many images are.
        normal: how many are not.

    References:
        E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, "Comparing the Areas under Two or More Correlated Receiver
        Operating Characteristic Curves: A Nonparametric Approach", Biometrics 44, 1988.
    """

    names: tuple[str, ...]
    auc: np.ndarray
    covariance: np.ndarray
    anomalous: int
    normal: int

    def __getitem__(self, name: str) -> float:
        return float(self.auc[self._place(name)])

    def interval(self, name: str) -> tuple[float, float]:
        """The 95 % interval of an AUC, taken on its logit, so that it stays between 0 and 1.

        An AUC of 0 or 1 has one without width, which says nothing about its error.
        """
        place = self._place(name)
        value, variance = float(self.auc[place]), float(self.covariance[place, place])
        if not 0 < value < 1:
            return value, value
        logit = math.log(value / (1 - value))
        reach = _reach(variance) / (value * (1 - value))
        return _logistic(logit - reach), _logistic(logit + reach)

    def difference(self, a: str, b: str) -> tuple[float, float, float]:
        """AUC of `a` − AUC of `b`, and the ends of its 95 % interval: both scored the same images."""
        i, j = self._place(a), self._place(b)
        value = float(self.auc[i] - self.auc[j])
        reach = _reach(float(self.covariance[i, i] + self.covariance[j, j] - 2 * self.covariance[i, j]))
        return value, value - reach, value + reach

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise unknown_name("score", name, self.names)
        return self.names.index(name)


def detect(scores: Mapping[str, np.ndarray], anomalous: np.ndarray) -> Detection:
    """The AUC of each score, and how they vary together.

    Args:
        scores: by name, of shape (n,) each; higher is stranger.
        anomalous: whether each image is, bool of shape (n,).

    Raises:
        DataError: when there are not at least 2 images of each kind, lengths differ, or a score is not finite.
    """
    truth = np.asarray(anomalous, bool)
    counts = int(truth.sum()), int((~truth).sum())
    if min(counts) < 2:
        raise DataError(f"expected at least 2 anomalous and 2 normal images, got {counts[0]} and {counts[1]}")
    lifts, falls = [], []
    for name, values in scores.items():
        values = np.asarray(values, np.float64)
        if values.shape != truth.shape or not np.isfinite(values).all():
            raise DataError(f"expected a finite score {name!r} of each of {len(truth)} images, got {values.shape}")
        ranks = average_ranks(values)
        # The share of the other kind that each image beats, by how its rank among all exceeds that among its own.
        lifts.append((ranks[truth] - average_ranks(values[truth])) / counts[1])
        falls.append(1 - (ranks[~truth] - average_ranks(values[~truth])) / counts[0])
    beaten, lost = np.array(lifts), np.array(falls)
    covariance = np.atleast_2d(np.cov(beaten)) / counts[0] + np.atleast_2d(np.cov(lost)) / counts[1]
    return Detection(tuple(scores), beaten.mean(axis=1), covariance, *counts)


def clean_threshold(clean: np.ndarray, false_alarms: float) -> float:
    """The score above which an image counts as strange: the ⌈(n + 1)(1 − α)⌉-th smallest of n clean scores.

    A further clean image, drawn like these, lies above it with probability at most α, whatever the scores are.

    Args:
        clean: scores of clean images, of shape (n,).
        false_alarms: α, the share of clean images that may be flagged.

    Raises:
        UsageError: when the share is not between 0 and 1.
        DataError: when there are too few clean images for so small a share, or scores are not finite.

    References:
        S. Bates, E. Candès, L. Lei, Y. Romano, M. Sesia, "Testing for Outliers with Conformal p-values", Annals of
        Statistics 51, 2023, arXiv:2104.08279.
    """
    if not 0 < false_alarms < 1:
        raise UsageError(f"expected a share of false alarms between 0 and 1, got {false_alarms:g}")
    clean = np.asarray(clean, np.float64)
    if not np.isfinite(clean).all():
        raise DataError("expected finite scores of clean images, got NaN or infinity: the model is broken")
    # Less a hair: (99 + 1)(1 − .05) is 95, and no more for being 95.00000000000001.
    place = math.ceil((len(clean) + 1) * (1 - false_alarms) - 1e-9)
    if place > len(clean):
        raise DataError(
            f"expected at least {math.ceil(1 / false_alarms - 1 - 1e-9)} clean images for a share of {false_alarms:g} "
            f"of false alarms, got {len(clean)}; give more, or allow more false alarms"
        )
    return float(np.sort(clean)[max(place, 1) - 1])


def p_values(clean: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(1 + #{clean ≥ score}) / (1 + n): how often a clean image would score as high, of shape (m,).

    Args:
        clean: scores of n clean images.
        scores: of shape (m,).
    """
    below = np.searchsorted(np.sort(clean), scores, side="left")
    return (1 + len(clean) - below) / (1 + len(clean))


def pixel_scores(known: np.ndarray, pixels: np.ndarray, components: int, seed: int = 0) -> dict[str, np.ndarray]:
    """What needs no model: squared distances of images from what known images are like.

    Args:
        known: clean images, of shape (n, c, h, w), uint8 or float in [0, 1], n ≥ 2.
        pixels: images to score, of shape (m, c, h, w), likewise.
        components: principal components that the residual leaves out, at most as many as there are.
        seed: of the randomised solver, where one is used.

    Returns:
        Scores of shape (m,) by name, higher is stranger: "distance to the mean image", "PCA residual" (what so many
        components of the known images leave), and "distance to the nearest image" of the known ones.
    """
    from sklearn.decomposition import PCA

    train, flat = (as_unit(part).reshape(len(part), -1) for part in (known, pixels))
    pca = PCA(min(components, len(train) - 1, train.shape[1]), random_state=seed).fit(train)
    centred = flat - pca.mean_
    whole = (centred**2).sum(axis=1, dtype=np.float64)
    kept = ((centred @ pca.components_.T) ** 2).sum(axis=1, dtype=np.float64)
    return {
        "distance to the mean image": whole,
        "PCA residual": np.maximum(whole - kept, 0.0),
        "distance to the nearest image": _nearest(train, flat),
    }


def complexities(pixels: np.ndarray) -> np.ndarray:
    """How much is in each image: the bytes that its pixels, in 8 bits, take when they are compressed, of shape (n,).

    References:
        J. Serrà, D. Álvarez, V. Gómez, O. Slizovskaia, J. F. Núñez, J. Luque, "Input Complexity and Out-of-distribution
        Detection with Likelihood-based Generative Models", ICLR 2020, arXiv:1909.11480.
    """
    small = pixels if pixels.dtype == np.uint8 else np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return np.array([len(zlib.compress(np.ascontiguousarray(image).tobytes(), 9)) for image in small])


def _nearest(known: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """The squared distance of each row from the nearest known one."""
    squares = (known**2).sum(axis=1)
    step = max(1, CHUNK // len(known))
    found = []
    for start in range(0, len(pixels), step):
        rows = pixels[start : start + step]
        found.append((squares - 2 * rows @ known.T).min(axis=1) + (rows**2).sum(axis=1))
    return np.maximum(np.concatenate(found).astype(np.float64), 0.0)


def _reach(variance: float) -> float:
    return NormalDist().inv_cdf((1 + LEVEL) / 2) * math.sqrt(max(variance, 0.0))


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
