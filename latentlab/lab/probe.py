"""Latents as features: how well classes are read from them with few labels, beside pixels and PCA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import CapabilityError, DataError, UsageError
from latentlab.evaluation.feature import BUDGETS, DRAWS, READERS, FeatureScores, feature_kinds, score_features
from latentlab.lab.embedding import embedded
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.latents.name import find_name
from latentlab.runtime import Progress, silent

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.latents.table import Latents
    from latentlab.report.page import Section

SHOWN = 12
LEVEL = 0.95
READER_NAMES = {"linear": "linear probe", "knn": "kNN"}


@dataclass(frozen=True)
class ProbeScore:
    """How many test images readers of latents, of pixels and of principal components name rightly.

    Args:
        features: the accuracies.
        read: what is read: "class", or the name of an attribute.
        images: some of the test images, of shape (n, c, h, w).
        scores: numbers by name: for each reader and kind of features one by the number of labels a class.
        notes: what they mean.
    """

    origin: Origin
    features: FeatureScores
    read: str
    images: np.ndarray
    scores: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("score-probe", self.origin.model)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"Latents of {self.origin.model} as features"

    def strip(self) -> np.ndarray:
        """Some of the images that were named."""
        return self.images

    def pictures(self) -> dict[str, bytes]:
        """None: the page has them all."""
        return {}

    def sections(self) -> list[Section]:
        """Accuracy against labels, as curves and as a table."""
        from latentlab.report.sections.probe import probe_section

        return [probe_section(self.features, self.read, self.notes)]


def score_probe(
    lab: Lab,
    data: Dataset | None = None,
    train: Dataset | None = None,
    *,
    attribute: str | None = None,
    budgets: Sequence[int | None] = BUDGETS,
    draws: int = DRAWS,
    seed: int = 0,
    progress: Progress = silent,
) -> ProbeScore:
    """Read classes, or an attribute, from latents with few labels and with all; see `evaluation.feature`.

    Latents of codes are read through their embeddings.

    Args:
        lab: the model.
        data: labelled test images.
        train: labelled images to learn from: others.
        attribute: what to read in place of the class.
        budgets: labels a class; None for all.
        draws: how often labels are drawn.
        seed: of the draws.
        progress: told of the work.

    Raises:
        CapabilityError: without images: a gallery holds latents, no pixels to compare with.
        UnknownNameError: when the data has no such attribute.
        DataError: when images have no labels, or the same ones are to learn from and to judge by.
    """
    if data is None or train is None:
        raise CapabilityError(f"{lab.name} carries latents, no pixels to compare them with; give images with --data")
    shared = len(np.intersect1d(data.ids, train.ids))
    if shared:
        raise DataError(
            f"expected other images to learn from than to judge by, got {shared:,} that are both; use another --split"
        )
    if attribute is None:
        # Before the work of encoding all.
        _check_classes(data)
        _check_classes(train)
    reader = embedded(lab)
    known, asked = (reader.encode_data(part, progress) for part in (train, data))
    what = "class" if attribute is None else find_name("attribute", attribute, asked.property_names())
    # The image has an attribute of scores by one threshold, in both tables.
    labels = [_labels(part, what) for part in (known, asked.with_thresholds(known))]
    if draws < 1:
        raise UsageError(f"expected at least 1 draw of labels, got {draws}")
    kinds = feature_kinds((known.mean, asked.mean), (train.pixels, data.pixels), seed)
    found = score_features(kinds, *labels, budgets=budgets, draws=draws, seed=seed, progress=progress)
    most = int(np.bincount(labels[1][labels[1] >= 0]).max()) / found.test_images
    scores: dict[str, Any] = {
        "source": data.source, "split": data.split, "read": what, "test_images": found.test_images,
        "training_images": int((labels[0] >= 0).sum()), "largest_class_share": most, "draws_of_labels": draws,
    }  # fmt: skip
    for one in READERS:
        for kind in kinds:
            scores[f"{READER_NAMES[one]}, {kind}"] = {
                _budget(row.labels_per_class): row.accuracy
                for row in found.rows
                if (row.features, row.reader) == (kind, one)
            }
    return ProbeScore(
        origin=lab.origin("score", seed, what="probe", data=data.source, read=what, draws=draws),
        features=found,
        read=what,
        images=data.take(np.arange(min(SHOWN, len(data)))).images,
        scores=scores,
        notes=[*_verdicts(found), *found.left_out.values(), *_told(lab, reader is not lab, kinds["pca"][0].shape[1])],
    )


def _budget(labels: int | None) -> str:
    return "all" if labels is None else str(labels)


def _labels(table: Latents, what: str) -> np.ndarray:
    """Class numbers, or 0 and 1 of an attribute; −1 where unknown."""
    if what != "class":
        truth = table.truth(what)
        return np.where(np.isnan(truth), -1, truth).astype(np.int64)
    assert table.labels is not None
    return table.labels


def _check_classes(data: Dataset) -> None:
    if data.labels is None or not (data.labels >= 0).any():
        hint = f"; name one of its attributes with --attr: {', '.join(data.attributes)}" if data.attributes else ""
        raise DataError(f"expected images with classes, got {data.source} without{hint}")


def _verdicts(found: FeatureScores) -> list[str]:
    """For each reader, latents against pixels and against PCA, in words."""
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2)
    said = []
    for reader in READERS:
        parts = []
        for other in ("pixels", "pca"):
            kinds: dict[str, list[str]] = {"better": [], "worse": [], "not told apart": []}
            for budget in dict.fromkeys(row.labels_per_class for row in found.rows):
                value, error = found.difference("latents", other, reader, budget)
                sure = abs(value) > reach * error
                kinds["not told apart" if not sure else "better" if value > 0 else "worse"].append(_budget(budget))
            words = ", ".join(f"{kind} with {' and '.join(budgets)}" for kind, budgets in kinds.items() if budgets)
            parts.append(f"against {'PCA' if other == 'pca' else other} {words}")
        said.append(f"{READER_NAMES[reader]}, latents {'; '.join(parts)} labels a class (at two standard errors)")
    return said


def _told(lab: Lab, codes: bool, components: int) -> list[str]:
    notes = [f"PCA has {components} components of the pixels of the training images"]
    if codes:
        notes.append("the latents are codes, and are read through the embeddings of the codes")
    if getattr(lab.codec, "condition", None) is not None:
        notes.append(
            "a part of these latents is the condition that the model was trained with labels to read: they know more "
            "than the labels that are counted here"
        )
    return notes
