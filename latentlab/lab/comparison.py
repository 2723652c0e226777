"""Estimators side by side on one model and one set of images: which leaks least at equal success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.directions import ESTIMATORS
from latentlab.directions.estimate import estimate_directions
from latentlab.errors import DataError
from latentlab.evaluation.edits import EditScores
from latentlab.lab.attribute import TRIED, describe_latents, hold_out
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.lab.score import measure
from latentlab.latents.name import match_name
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid
from latentlab.runtime import Progress, silent

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.directions.direction import Direction
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

# Differences in leakage below this are not worth choosing by: judges of a few hundred images are not better.
TELLING = 0.02
# Attributes that the picture shows.
SHOWN = 6


@dataclass(frozen=True)
class Ranked:
    """One estimator, over all attributes.

    Args:
        method: its name in ESTIMATORS.
        reached: the attributes whose edit reaches the success asked for, in pictures.
        asked: those that could be judged.
        alpha: the median α of success, in class gaps; None where no edit reaches it.
        leak_latents: the mean absolute leakage onto other attributes at equal success, in class gaps; None where none
            could stay: classes give way to each other.
        leak_pictures: the same, read from decoded pictures.
        change: the mean rms change of a pixel value; None where no edit reaches success.
        angle: between its directions and those of the mean difference, the median, in degrees.
    """

    method: str
    reached: int
    asked: int
    alpha: float | None
    leak_latents: float | None
    leak_pictures: float | None
    change: float | None
    angle: float


@dataclass(frozen=True)
class Comparison:
    """Estimators, the best first.

    Args:
        ranked: one an estimator: by the edits that succeed, then by leakage in pictures.
        images: of shape (m, k, c, h, w): each estimator's edit of one image for the first k attributes.
        attributes: the k attributes that are pictured.
        failed: why an estimator found nothing.
    """

    origin: Origin
    ranked: tuple[Ranked, ...]
    images: np.ndarray
    before: np.ndarray
    attributes: list[str]
    failed: dict[str, str]
    notes: list[str] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("attrs-compare", self.origin.model)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"Estimators on {self.origin.model}"

    @property
    def scores(self) -> Mapping[str, Any]:
        """One entry an estimator, the best first."""
        return {one.method: {key: value for key, value in vars(one).items() if key != "method"} for one in self.ranked}

    def strip(self) -> np.ndarray:
        """The best estimator's edits."""
        return self.images[0]

    def pictures(self) -> dict[str, bytes]:
        """A row an estimator, a column an attribute; the images before on top."""
        rows = [("before", self.before)]
        rows += [(one.method, images) for one, images in zip(self.ranked, self.images, strict=True)]
        return {"compare.png": png_bytes(labelled_grid(rows, self.attributes))}

    def sections(self) -> list[Section]:
        """The ranking and the pictures."""
        from latentlab.report.sections.estimators import estimators_section

        rows = [("before", list(self.before))]
        rows += [(one.method, list(images)) for one, images in zip(self.ranked, self.images, strict=True)]
        return [
            estimators_section(HEADERS, [ranking_row(one) for one in self.ranked], self.attributes, rows, self.notes)
        ]


HEADERS = ["method", "reach it", "median α", "leak, latents", "leak, pictures", "image change", "turned from mean"]


def ranking_row(one: Ranked) -> list[object]:
    """One estimator as a line of the table."""
    return [
        one.method, f"{one.reached} of {one.asked}",
        *(None if value is None else f"{value:.3f}" for value in (one.alpha, one.leak_latents, one.leak_pictures)),
        None if one.change is None else f"{one.change:.4f}", f"{one.angle:.0f}°",
    ]  # fmt: skip


def compare_estimators(
    lab: Lab,
    data: Dataset | None = None,
    names: Sequence[str] | None = None,
    *,
    methods: Sequence[str] = tuple(ESTIMATORS),
    seed: int = 0,
    progress: Progress = silent,
) -> Comparison:
    """Find the directions of the same images with every estimator, and judge them on others.

    Half of the images find directions, a quarter fits the judges, which are the same for all, and a quarter is
    edited. Leakage is compared where each edit has changed as many images.

    Args:
        lab: the model.
        data: labelled images; None takes the gallery.
        names: attributes or classes; None for all.
        methods: names in ESTIMATORS.
        seed: of the split.
        progress: told of the work.

    Raises:
        LatentlabError: when there are no labels, or too few images with or without an attribute.
    """
    latents = lab.known() if data is None else lab.encode_data(data, progress)
    known, judges = hold_out(latents, seed)
    asked = None if names is None else [match_name(name, latents.property_names()) or name for name in names]
    found: dict[str, dict[str, Direction]] = {}
    qualities: dict[str, EditScores] = {}
    failed: dict[str, str] = {}
    for done, method in enumerate(methods):
        progress("comparing estimators", done, len(methods), method)
        try:
            estimate = estimate_directions(known, judges, names=asked, method=method, seed=seed)
            qualities[method] = measure(lab, judges, estimate.directions, count=TRIED, seed=seed)
            found[method] = {direction.name: direction for direction in estimate.directions}
        except DataError as error:
            failed[method] = str(error)
    progress("comparing estimators", len(methods), len(methods))
    if not found:
        raise DataError("; ".join(dict.fromkeys(failed.values())))
    base = found.get("mean") or next(iter(found.values()))
    classes = set(latents.classes)
    ranked = sorted((_ranked(method, qualities[method], found[method], base, classes) for method in found), key=_order)
    pictured = [one.name for one in next(iter(qualities.values())).attributes][:SHOWN]
    before = np.stack([latents.mean[np.flatnonzero(latents.truth(name) == 0)[0]] for name in pictured])
    after = np.stack([_edited(before, pictured, qualities[one.method], found[one.method]) for one in ranked])
    return Comparison(
        origin=lab.origin("attrs", seed, compare=list(methods), data=describe_latents(lab, latents, data)),
        ranked=tuple(ranked),
        images=lab.decode(after.reshape(-1, after.shape[-1])).reshape(*after.shape[:2], *lab.image.shape),
        before=lab.decode(before),
        attributes=pictured,
        failed=failed,
        notes=[_recommendation(ranked), *(f"{method}: {reason}" for method, reason in failed.items())],
    )


def _ranked(
    method: str,
    quality: EditScores,
    found: Mapping[str, Direction],
    base: Mapping[str, Direction],
    classes: set[str],
) -> Ranked:
    alphas = [one.alpha_pictures for one in quality.attributes if one.alpha_pictures is not None]
    changes = [one.change for one in quality.attributes if one.change is not None]
    angles = [_angle(found[name].vector, base[name].vector) for name in found if name in base]
    return Ranked(
        method=method,
        reached=len(alphas),
        asked=len(quality.attributes),
        alpha=float(np.median(alphas)) if alphas else None,
        leak_latents=_mean_leak(quality.latents.gaps, quality.names, classes),
        leak_pictures=_mean_leak(quality.pictures.gaps, quality.names, classes),
        change=float(np.mean(changes)) if changes else None,
        angle=float(np.median(angles)),
    )


def _mean_leak(gaps: np.ndarray, names: Sequence[str], classes: set[str]) -> float | None:
    """The mean absolute leakage onto others, over the edits that succeed; a class that gives way to another is none."""
    apart = [[row != column and not {row, column} <= classes for column in names] for row in names]
    others = np.abs(gaps[np.array(apart)])
    return float(np.nanmean(others)) if np.isfinite(others).any() else None


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64) / np.linalg.norm(a), b.astype(np.float64) / np.linalg.norm(b)
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b))))


def _order(one: Ranked) -> tuple[float, float, float]:
    """More edits that succeed, then less leakage in pictures, then less change."""
    return (-one.reached, np.inf if one.leak_pictures is None else one.leak_pictures, one.change or np.inf)


def _edited(
    before: np.ndarray, names: Sequence[str], quality: EditScores, found: Mapping[str, Direction]
) -> np.ndarray:
    """Each image moved by its attribute's α of success, or by one gap where there is none."""
    alphas = {one.name: one.alpha_pictures or one.alpha_latents or 1.0 for one in quality.attributes}
    moved = [z + np.float32(alphas[name]) * found[name].vector for z, name in zip(before, names, strict=True)]
    return np.stack(moved)


def _recommendation(ranked: Sequence[Ranked]) -> str:
    """Which estimator to take, in words, and by how much it is better than the mean difference."""
    best = ranked[0]
    mean = next((one for one in ranked if one.method == "mean"), best)
    if mean.reached < best.reached:
        return (
            f"take {best.method}: its edits succeed for {best.reached} of {best.asked}, the mean's for {mean.reached}"
        )
    if best.leak_pictures is None or mean.leak_pictures is None:
        return "nothing can leak here: there is no other attribute that could stay; the mean is good enough"
    margin = mean.leak_pictures - best.leak_pictures
    if best.method == "mean" or margin < TELLING:
        return (
            f"none leaks less than the mean difference by more than {TELLING:g} class gaps "
            f"({mean.leak_pictures:.3f} in pictures): the mean is good enough here"
        )
    return (
        f"take {best.method}: at equal success it leaks {best.leak_pictures:.3f} class gaps onto the other attributes "
        f"in pictures, the mean difference {mean.leak_pictures:.3f}"
    )
