"""Numbers of models that are compared: of each one, of real images, and of what lies between two images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.evaluation.feature import FeatureScores, score_features
from latentlab.evaluation.midpoint import Midpoints, Reality, score_midpoints, score_pictures
from latentlab.lab.embedding import rounded
from latentlab.runtime import Progress, tracked

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.compare.contestant import Contestant
    from latentlab.lab.compare.ground import Places

REAL, FADE, PIXELS = "real images", "cross-fade of pixels", "pixels"
# Labels a class that probes get, beside all of them, and how often these are drawn.
FEW_LABELS, LABEL_DRAWS = 10, 5
# A score of mid-points in the record, and the field that holds it.
FIELDS = {"cycle_error": "cycle", "confidence": "confidence", "third_class": "third", "nearest": "nearest"}


def score_between(
    contestants: Sequence[Contestant], places: Places, reality: Reality, progress: Progress
) -> tuple[dict[str, tuple[Midpoints, Midpoints]], Midpoints, dict[str, dict[str, Any]]]:
    """The mid-points and the ends of each model; the middle of a cross-fade of pixels; the means of their scores."""
    found: dict[str, tuple[Midpoints, Midpoints]] = {}
    scores: dict[str, dict[str, Any]] = {}
    pairs = places.pairs
    for one in tracked(contestants, "going half-way", progress):
        found[one.name] = score_midpoints(
            one.latents, pairs, reality, encode=one.seen.encode, decode=one.seen.decode,
            settle=partial(rounded, one.seen),
        )  # fmt: skip
        scores[one.name] = _means("midpoint", found[one.name][0]) | _means("end", found[one.name][1])
    first, second = (places.images[rows.ravel()] for rows in (pairs.first, pairs.second))
    fade = score_pictures((first + second) / 2, pairs, reality)
    return found, fade, scores | {FADE: _means("midpoint", fade)}


def score_probes(
    contestants: Sequence[Contestant], train: Dataset, data: Dataset, seed: int, progress: Progress
) -> FeatureScores:
    """How well a linear probe and nearest neighbours tell classes apart in latents and in pixels."""
    assert train.labels is not None and data.labels is not None
    pixels = tuple(part.images.reshape(len(part), -1) for part in (train, data))
    features = {**{one.name: one.features for one in contestants}, PIXELS: (pixels[0], pixels[1])}
    return score_features(
        features, train.labels, data.labels, budgets=(FEW_LABELS, None), draws=LABEL_DRAWS, seed=seed, progress=progress
    )


def score_contestant(one: Contestant, features: FeatureScores | None) -> dict[str, Any]:
    """What a model is, and what it loses of images."""
    found: dict[str, Any] = {
        "family": one.lab.codec.config.family,
        "latent_size": one.size,
        "likelihood": one.likelihood_name,
        "nats_are": one.nats,
        "checkpoint": one.lab.checkpoint[:12],
        "mean_square_error": float(one.squared_error.mean()),
        "reconstruction_nats": float(one.likelihood.reconstruction_nats.mean()),
    }
    if one.bound_nats is not None:
        found |= {"kl_nats": one.rate_nats, "negative_elbo_nats": float(one.bound_nats.mean())}
    if features is not None:
        found |= {f"{reader}_accuracy": features.find(one.name, reader, None).accuracy for reader in ("linear", "knn")}
    return found


def score_real(reality: Reality, data: Dataset) -> dict[str, Any]:
    """What the judges make of real images that they have not seen."""
    found: dict[str, Any] = {"end_nearest": float(reality.nearest(data.images).mean())}
    if reality.classifiers and data.labels is not None:
        known = data.labels >= 0
        judged, truth = data.images[known], data.labels[known]
        found |= {
            "end_confidence": float(np.mean([one.confidence(judged) for one in reality.classifiers])),
            "classifier_accuracy": float(np.mean([one.classes(judged) == truth for one in reality.classifiers])),
        }
    return found


def _means(prefix: str, scored: Midpoints) -> dict[str, float]:
    found = {key: getattr(scored, name) for key, name in FIELDS.items()}
    return {f"{prefix}_{key}": float(values.mean()) for key, values in found.items() if values is not None}
