"""Estimators side by side on one model and one set of images: which leaks least at equal success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.directions import ESTIMATORS
from latentlab.directions.estimate import estimate_directions
from latentlab.errors import DataError
from latentlab.evaluation.safe import GRID
from latentlab.lab.attribute import TRIED, describe_latents
from latentlab.lab.ranking import Comparable, Ranked, Tried, best_first, comparable_attributes, rank
from latentlab.lab.recommendation import advantage, recommend
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.lab.score import hold_out, measure
from latentlab.latents.name import match_name
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid
from latentlab.runtime import Progress, silent

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

UNEQUAL = "not every estimator that succeeds elsewhere does there"
# What is compared happens where an attribute is added.
ADDING = tuple(alpha for alpha in GRID if alpha >= 0)
# Attributes that the picture shows.
SHOWN = 6


@dataclass(frozen=True)
class Comparison:
    """Estimators, the best first.

    Args:
        ranked: one an estimator: by the edits that succeed, then by leakage in pictures.
        images: of shape (m, k, c, h, w): each estimator's edit of one image for the first k attributes.
        attributes: the k attributes that are pictured.
        failed: why an estimator found nothing.
        notes: what to take and why; then what was not compared.
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
    edited. Only what every estimator finds and a fair judge reads is compared, and leakage only where each edit has
    changed as many images; see `Ranked`.

    Args:
        lab: the model.
        data: labelled images; None takes the gallery.
        names: attributes or classes; None for all.
        methods: names in ESTIMATORS.
        seed: of the split.
        progress: told of the work.

    Raises:
        LatentlabError: when there are no labels, too few images with or without an attribute, or none that every
            estimator finds and a fair judge reads.
    """
    latents = lab.known(data, progress)
    known, judges = hold_out(latents, seed)
    asked = None if names is None else [match_name(name, latents.property_names()) or name for name in names]
    tried: dict[str, Tried] = {}
    failed: dict[str, str] = {}
    for done, method in enumerate(methods):
        told = partial(_told, progress, method, done, len(methods))
        try:
            estimate = estimate_directions(known, judges, names=asked, method=method, seed=seed)
            if not estimate.directions:
                raise DataError("; ".join(dict.fromkeys(estimate.left_out.values())))
            quality = measure(
                lab, judges, estimate.directions, estimate.covariance,
                alphas=ADDING, count=TRIED, seed=seed, progress=told,
            )  # fmt: skip
            tried[method] = Tried({one.name: one for one in estimate.directions}, quality, estimate.left_out)
        except DataError as error:
            failed[method] = str(error)
    progress("comparing estimators", len(methods), len(methods))
    if not tried:
        raise DataError("; ".join(dict.fromkeys(failed.values())))
    names, left_out = comparable_attributes(tried)
    if not names:
        raise DataError("expected attributes that every estimator finds and judges read: " + "; ".join(left_out))
    shared = Comparable(tried, names, judges)
    if shared.equal() and (unequal := [name for t, name in enumerate(names) if t not in shared.equal()]):
        left_out.insert(0, f"α, leakage and change leave out {', '.join(unequal)}: {UNEQUAL}")
    ranked = sorted((rank(method, shared) for method in tried), key=best_first)
    pictured = names[:SHOWN]
    before = np.stack([judges.mean[np.flatnonzero(judges.truth(name) == 0)[0]] for name in pictured])
    after = np.stack([_edited(before, pictured, tried[one.method]) for one in ranked])
    return Comparison(
        origin=lab.origin("attrs", seed, compare=list(methods), data=describe_latents(lab, known, data, seed)),
        ranked=tuple(ranked),
        images=lab.decode(after.reshape(-1, after.shape[-1])).reshape(*after.shape[:2], *lab.image.shape),
        before=lab.decode(before),
        attributes=pictured,
        failed=failed,
        notes=[
            recommend(ranked, shared.equal(), advantage(lab, ranked, shared, seed)),
            *left_out,
            *(f"{method}: {reason}" for method, reason in failed.items()),
        ],
    )


def _told(progress: Progress, method: str, done: int, methods: int, _: str, attribute: int, attributes: int) -> None:
    """Tell of one attribute of one estimator as a step of the whole comparison."""
    progress("comparing estimators", done * attributes + attribute, methods * attributes, method)


def _edited(before: np.ndarray, names: Sequence[str], tried: Tried) -> np.ndarray:
    """Each image moved by its attribute's α of success, or by one gap where there is none."""
    edits = [tried.edit(name) for name in names]
    alphas = np.array([edit.alpha_pictures or edit.alpha_latents or 1.0 for edit in edits], np.float32)
    return before + alphas[:, None] * np.stack([tried.found[name].vector for name in names])
