"""Models side by side: the same images, ends and seeds through each, and PCA beside them."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import DataError, UsageError
from latentlab.evaluation.feature import FeatureScores
from latentlab.evaluation.midpoint import draw_pairs, fit_reality
from latentlab.lab.compare.contestant import check_models, line_up
from latentlab.lab.compare.ground import Places, gather_images, shared_labels
from latentlab.lab.compare.score import FADE, REAL, score_between, score_contestant, score_probes, score_real
from latentlab.lab.compare.verdict import Compared, caveats, compare_pairs, verdict
from latentlab.lab.result import SHOWN, Origin, folder_name, one_line, save
from latentlab.picture.encode import data_uri, enlarge, png_bytes
from latentlab.picture.grid import grid, labelled_grid
from latentlab.runtime import Progress, silent, tracked

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

SEEDS = 5
IMAGES = 10
# Frames of a path, and pairs whose mid-points are shown: more are too small to see side by side.
STEPS, PAIRS_SHOWN = 11, 12


@dataclass(frozen=True)
class ModelComparison:
    """Models, and PCA of as many dimensions as each has, on the same images.

    Args:
        names: the models that were asked for, then the baselines.
        real: the images that are shown, of shape (k, c, h, w).
        reconstructions: what each makes of them, likewise.
        samples: pictures that each draws by itself.
        drawn_from: what they were drawn from.
        paths: for each of shape (steps, c, h, w), and the cross-fade of pixels.
        ends: the names of what the paths go between.
        midpoints: for each those of some pairs, of shape (pairs, c, h, w), and the cross-fade of pixels.
        pairs: the names of these pairs.
        features: how well latents, and pixels, tell classes apart; None without classes.
        compared: every measure of every two.
        numbers: of each model by name, of real images and of the cross-fade.
        verdict: what it comes to, in words.
        caveats: what the numbers mean, and what they leave open.
        missing: why there are no classes to read, or "".
    """

    origin: Origin
    names: list[str]
    real: np.ndarray
    reconstructions: dict[str, np.ndarray]
    samples: dict[str, np.ndarray]
    drawn_from: dict[str, str]
    paths: dict[str, np.ndarray]
    ends: tuple[str, str]
    midpoints: dict[str, np.ndarray]
    pairs: list[str]
    features: FeatureScores | None
    compared: tuple[Compared, ...]
    numbers: Mapping[str, Mapping[str, Any]]
    verdict: list[str] = field(default_factory=list)
    caveats: list[str] = field(default_factory=list)
    missing: str = ""

    save = save
    __repr__ = one_line

    def _repr_html_(self) -> str:
        """The paths, and what it comes to."""
        images = self.strip()[:SHOWN]
        picture = data_uri(png_bytes(grid(enlarge(images, side=72), columns=len(images))), "image/png")
        title, said = html.escape(self.title), "".join(f"<div>{html.escape(line)}</div>" for line in self.verdict)
        return (
            f'<div><strong>{title}</strong><br><img src="{picture}" alt="{title}" style="max-width:100%">{said}</div>'
        )

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("compare", *self.origin.inputs["models"])

    @property
    def title(self) -> str:
        """The heading of its page."""
        return " beside ".join(self.origin.inputs["models"])

    @property
    def scores(self) -> dict[str, Any]:
        """The numbers, and the differences between every two with their intervals."""
        return {**self.numbers, "differences": [one.record() for one in self.compared]}

    @property
    def notes(self) -> list[str]:
        """The verdict, then what to keep in mind."""
        return [*self.verdict, *self.caveats]

    def strip(self) -> np.ndarray:
        """The path of every model: each image has them one above the other, in the order of `names`."""
        rows = [self.paths[name] for name in self.names]
        apart = [np.pad(row, ((0, 0), (0, 0), (0, 1), (0, 0)), constant_values=1.0) for row in rows[:-1]]
        return np.concatenate([*apart, rows[-1]], axis=2)

    def pictures(self) -> dict[str, bytes]:
        """Paths, mid-points, reconstructions and samples, a row a model."""
        drawn = self.samples.items()
        shown = {
            "paths.png": labelled_grid(list(self.paths.items())),
            "midpoints.png": labelled_grid(list(self.midpoints.items()), self.pairs),
            "reconstructions.png": labelled_grid([("real", self.real), *self.reconstructions.items()]),
            "samples.png": labelled_grid([(f"{name}: {self.drawn_from[name]}", each) for name, each in drawn]),
        }
        return {name: png_bytes(sheet) for name, sheet in shown.items()}

    def sections(self) -> list[Section]:
        """The verdict, what lies between images, reconstructions, samples, rate against distortion, features."""
        from latentlab.report.sections.compare import (
            between_section,
            features_section,
            rate_section,
            side_by_side_section,
            verdict_section,
        )

        lost = {name: _loss(self.numbers[name]) for name in self.names}
        differences = [
            [one.measure.title, f"{one.a[0]} − {one.b[0]}", *one.figures, one.better] for one in self.compared
        ]
        return [
            verdict_section(self.names, self.numbers, self.verdict, self.caveats, differences),
            between_section(self.paths, self.ends, self.midpoints, self.pairs, self.numbers),
            side_by_side_section(
                "reconstructions", "Reconstructions", {REAL: self.real, **self.reconstructions},
                {REAL: "", **lost},
            ),
            side_by_side_section("samples", "Samples", self.samples, self.drawn_from),
            rate_section(self.names, self.numbers, self.origin.inputs["models"]),
            features_section(self.features, self.missing),
        ]  # fmt: skip


def compare(
    models: Sequence[Lab | str | Path],
    data: Dataset | None = None,
    *,
    train: Dataset | None = None,
    seeds: int = SEEDS,
    between: tuple[str, str] | None = None,
    images: int = IMAGES,
    seed: int = 0,
    progress: Progress = silent,
) -> ModelComparison:
    """Put models side by side, and PCA of as many dimensions as each has.

    Args:
        models: two or more, opened or by name.
        data: images that none of them has been trained on; None for the test split of what the first was trained on.
        train: images that PCA, probes and classifiers are fitted to; None for the training split likewise, or, with
            `data`, for a seeded 70 % of it, of which nothing is shown.
        seeds: how often pairs of images are drawn to go between, and a classifier is fitted.
        between: the classes whose path is shown; 1 and 7, or the first two that there are.
        images: how many are shown.
        seed: of the draws.
        progress: told of the work.

    Raises:
        UsageError: for fewer than two models, one that is there twice, or no seeds or images.
        DataError: when the models take images of different kinds, or there are too few images.
        CapabilityError: without data, when the first model was trained on images that need a folder.
    """
    from latentlab.lab.lab import Lab, load

    if seeds < 1 or images < 1:
        raise UsageError(f"expected at least 1 seed and 1 image, got {seeds} and {images}")
    labs = [each if isinstance(each, Lab) else load(each) for each in models]
    check_models(labs)
    train, data = gather_images(labs[0], train, data, seed)
    labels, missing = shared_labels(train, data)
    places = Places(data, draw_pairs(labels, len(data), seeds, seed), between)
    contestants = line_up(labs, train, data, seed, progress)
    unjudged = ""
    try:
        reality = fit_reality(train.pixels, None if labels is None else train.labels, seeds, seed, progress)
    except DataError as error:
        unjudged, reality = str(error), fit_reality(train.pixels, None, seeds)
    halves, fade, between_scores = score_between(contestants, places, reality, progress)
    features = score_probes(contestants, train, data, seed, progress) if labels is not None else None
    compared = compare_pairs(contestants, halves, features)
    numbers = {one.name: score_contestant(one, features) | between_scores[one.name] for one in contestants}
    numbers |= {REAL: score_real(reality, data), FADE: between_scores[FADE]}
    own = [one.name for one in contestants if not one.baseline]
    drawn = {one.name: one.draw(images, seed) for one in tracked(contestants, "drawing samples", progress)}
    shown, some = _spread(len(data), images), _spread(len(places.names), PAIRS_SHOWN)
    return ModelComparison(
        origin=Origin(
            "compare", ", ".join(own), "", seed,
            {
                "models": own, "checkpoints": {one.name: one.lab.checkpoint for one in contestants},
                "data": data.source, "split": data.split, "images": len(data), "train": len(train), "seeds": seeds,
                "between": list(places.ends),
            },
        ),
        names=[one.name for one in contestants],
        real=data.images[shown],
        reconstructions={one.name: one.pictures[shown] for one in contestants},
        samples={name: pictures for name, (pictures, _) in drawn.items()},
        drawn_from={name: source for name, (_, source) in drawn.items()},
        paths={
            **{one.name: one.walk(*places.rows, STEPS) for one in contestants},
            FADE: _fade(data.images[list(places.rows)]),
        },
        ends=places.ends,
        midpoints={
            **{name: middle.pictures[some] for name, (middle, _) in halves.items()}, FADE: fade.pictures[some]
        },
        pairs=[places.names[row] for row in some],
        features=features,
        compared=tuple(compared),
        numbers=numbers,
        verdict=verdict(compared, own, places.where, numbers),
        caveats=caveats(contestants, train, data, seeds, missing, unjudged),
        missing=missing,
    )  # fmt: skip


def _fade(ends: np.ndarray) -> np.ndarray:
    """From one image to another by mixing their pixels."""
    times = np.linspace(0, 1, STEPS, dtype=np.float32)[:, None, None, None]
    return (1 - times) * ends[0] + times * ends[1]


def _spread(count: int, most: int) -> np.ndarray:
    """At most so many rows, spread evenly over all."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)


def _loss(scores: Mapping[str, Any]) -> str:
    """What is lost of images, in words."""
    nats = "nats of a pseudo-likelihood" if scores["nats_are"] == "pseudo" else "nats"
    return f"mean square error {scores['mean_square_error']:.3g}, {scores['reconstruction_nats']:.4g} {nats}"
