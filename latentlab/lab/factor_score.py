"""Whether single latent dimensions stand for single known factors of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import CapabilityError, DataError, UsageError
from latentlab.evaluation.disentanglement.factor import Factors, read_factors
from latentlab.evaluation.disentanglement.score import (
    LEAST_IMAGES,
    METRICS,
    PERMUTATIONS,
    RESAMPLES,
    Disentanglement,
    score_disentanglement,
)
from latentlab.evaluation.usage import active_units
from latentlab.lab.embedding import require_continuous
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.latents.name import find_name
from latentlab.runtime import Progress, silent

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

SHOWN = 12
# Beyond this product of dimensions and factors, trees and votes take minutes: fewer images, halves and shuffles then.
MOST_CELLS = 160
FEWER_IMAGES = 1_000
# Halves of the images, times cells: with as many shuffles half a minute or so.
DRAWN_CELLS, FEWEST_DRAWS, MOST_DRAWS = 8_000, 4, 20
CLASS = "class"
# Of the classes of `patterns`, in their order: rows, columns, diagonals, corners.
PATTERNS = {
    "kind": [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 3, 3],
    "place": [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 0, 1, 2, 3],
}
LEVEL = 0.05
CORRELATED = 0.3


@dataclass(frozen=True)
class FactorScore:
    """Disentanglement of latents by the factors of some images.

    Args:
        disentanglement: the scores, with ceiling, null and interval.
        images: some of the images, of shape (n, c, h, w).
        scores: numbers by name.
        notes: what they mean, and how the work was bounded.
    """

    origin: Origin
    disentanglement: Disentanglement
    images: np.ndarray
    scores: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("score-factors", self.origin.model)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"Factors in the latents of {self.origin.model}"

    def strip(self) -> np.ndarray:
        """Some of the images."""
        return self.images

    def pictures(self) -> dict[str, bytes]:
        """None: the page has them all."""
        return {}

    def sections(self) -> list[Section]:
        """The scores, and which dimension knows of which factor."""
        from latentlab.report.sections.factors import factors_section

        return [factors_section(self.disentanglement, self.notes)]


def score_factors(
    lab: Lab,
    data: Dataset | None = None,
    names: Sequence[str] | None = None,
    *,
    metrics: Sequence[str] = tuple(METRICS),
    resamples: int | None = None,
    permutations: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> FactorScore:
    """Measure MIG, DCI, SAP and FactorVAE of posterior means by the attributes and the class of images.

    Args:
        lab: the model.
        data: images with at least two factors: attributes, or a class and an attribute.
        names: the factors, or None for all that vary.
        metrics: of `METRICS`.
        resamples: half-samples of the interval; None takes fewer where there are many dimensions.
        permutations: shuffles of the null, likewise.
        seed: of everything that is drawn.
        progress: told of the work.

    Raises:
        CapabilityError: without images, or when the latents are codes.
        UnknownNameError: when the images have no such factor.
        DataError: when there are fewer than 2 factors, or than 100 images whose factors are all known.
    """
    if data is None:
        raise CapabilityError(f"{lab.name} carries latents, no factors of images; give images with --data")
    require_continuous(lab, "disentanglement")
    for what, given, least in (("resamples", resamples, 2), ("permutations", permutations, 1)):
        if given is not None and given < least:
            raise UsageError(f"expected at least {least} {what}, got {given}")
    factors, rows = _factors(data, names)
    notes = []
    if len(rows) < len(data):
        notes.append(
            f"{len(data) - len(rows):,} of {len(data):,} images, whose factors are not all known, are left out"
        )
    mean = lab.encode_data(data, progress).mean
    size, count = mean.shape[1], len(factors.names)
    many = size * count > MOST_CELLS
    if many:
        fewer = min(MOST_DRAWS, max(FEWEST_DRAWS, DRAWN_CELLS // (size * count)))
        resamples = resamples or fewer
        permutations = permutations or PERMUTATIONS
        some = np.sort(np.random.default_rng([seed, len(rows)]).permutation(len(rows))[:FEWER_IMAGES])
        notes.append(
            f"{size} dimensions by {count} factors take minutes with all that there is: they are scored on "
            f"{len(some):,} of {len(rows):,} images, with {resamples} half-samples and {permutations} "
            f"shuffles, so that intervals are rough, and no p-value is below {1 / (1 + permutations):.2g}"
        )
        # Read anew: a factor of which few images are left may have fewer levels.
        factors, kept = _factors(data.take(rows[some]), names)
        rows = rows[some][kept]
    found = score_disentanglement(
        mean[rows], factors, metrics=metrics,
        resamples=resamples or RESAMPLES, permutations=permutations or PERMUTATIONS, seed=seed, progress=progress,
    )  # fmt: skip
    working = int(active_units(mean[rows]).sum())
    scores: dict[str, Any] = {
        "source": data.source, "split": data.split, "images": found.images, "factors": ", ".join(found.factors),
        "latent_size": size, "active_units": working,
    }  # fmt: skip
    for score in found.scores:
        scores[score.name] = {
            "value": score.value, "low": score.low, "high": score.high, "ceiling": score.ceiling,
            "null": score.null_mean, "p": score.p_value,
        }  # fmt: skip
    return FactorScore(
        origin=lab.origin("score", seed, what="factors", data=data.source, factors=list(found.factors)),
        disentanglement=found,
        images=data.take(rows[:SHOWN]).images,
        scores=scores,
        notes=[*_verdict(found), *notes, *_correlated(factors)],
    )


def _factors(data: Dataset, names: Sequence[str] | None) -> tuple[Factors, np.ndarray]:
    """The factors of the images of which all are known, and the rows of these."""
    columns, categorical = _columns(data)
    if names is None:
        chosen = [name for name, column in columns.items() if len(np.unique(column[np.isfinite(column)])) > 1]
    else:
        chosen = [find_name("factor", name, columns) for name in names]
    if len(set(chosen)) < 2:
        raise DataError(
            f"expected at least 2 factors that vary, got {', '.join(chosen) or 'none'} of {data.source}; give images "
            "with attributes, such as faces, or a folder with --attributes CSV"
        )
    rows = np.flatnonzero(np.all([np.isfinite(columns[name]) for name in chosen], axis=0))
    if len(rows) < LEAST_IMAGES:
        raise DataError(
            f"expected at least {LEAST_IMAGES} images of which {', '.join(chosen)} are known, got {len(rows)} of "
            f"{len(data)}; give more"
        )
    return read_factors(
        {name: columns[name][rows] for name in chosen}, [one for one in categorical if one in chosen]
    ), rows


def _columns(data: Dataset) -> tuple[dict[str, np.ndarray], list[str]]:
    """Everything that is known of the images, as numbers, NaN where unknown; and what of it has no order."""
    columns = {name: np.asarray(values, np.float64) for name, values in data.attributes.items()}
    if data.labels is None or not data.classes:
        return columns, []
    if data.source == "patterns":
        # Fourteen classes, which are four kinds in up to four places each.
        columns |= {name: np.array(levels, np.float64)[data.labels] for name, levels in PATTERNS.items()}
        return columns, list(PATTERNS)
    columns[CLASS] = np.where(data.labels < 0, np.nan, data.labels)
    return columns, [CLASS]


def _verdict(found: Disentanglement) -> list[str]:
    """What the scores are worth, in words."""
    chance = [score.name for score in found.scores if score.p_value > LEVEL]
    said = [
        "a score is worth where it lies between the null, which shuffled factors give, and the ceiling, which these "
        "very factors would give as a code; intervals are over other images, not over other trainings"
    ]
    if chance:
        said.append(f"not told apart from shuffled factors: {', '.join(chance)}")
    return said


def _correlated(factors: Factors) -> list[str]:
    """A warning where two factors go together, so that no code can keep them apart."""
    values = factors.values
    correlation = np.abs(np.corrcoef(values, rowvar=False) - np.eye(len(factors.names)))
    first, second = np.unravel_index(int(np.argmax(correlation)), correlation.shape)
    if correlation[first, second] < CORRELATED:
        return []
    return [
        f"{factors.names[first]} and {factors.names[second]} are correlated in these images "
        f"({correlation[first, second]:.2f}): a dimension that stands for one of them says something of the other"
    ]
