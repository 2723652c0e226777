"""Attribute vectors from averaged latents: v = mean(z with) − mean(z without), with counts and held-out AUC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.directions import AXES, Metric
from latentlab.directions.direction import Direction
from latentlab.directions.discover import discover_directions
from latentlab.directions.estimate import Estimate, estimate_directions, left_out_notes
from latentlab.directions.file import directions_bytes
from latentlab.errors import CapabilityError, DataError, FileFormatError, UsageError
from latentlab.evaluation.edits import EditScores
from latentlab.lab.embedding import require_continuous
from latentlab.lab.result import Origin, folder_name, html_strip, one_line
from latentlab.lab.result import save as save_result
from latentlab.lab.score import hold_out, measure
from latentlab.latents.fingerprint import fingerprint
from latentlab.latents.metric import decoder_metric
from latentlab.latents.name import find_name, match_name
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid
from latentlab.runtime import Progress, silent, tracked
from latentlab.statistics.bootstrap import LARGEST_ANGLE_DEGREES, images_needed
from latentlab.statistics.probe import auc

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.latents.table import Latents
    from latentlab.report.page import Section
    from latentlab.statistics.covariance import Covariance

DIRECTIONS = "directions.safetensors"
# Images that each edit is tried on: enough for shares to a few percent.
TRIED = 64
# Latents at which the decoder is differentiated between two looks at the clock.
METRIC_BLOCK = 4
# Beyond this probability a direction is no better than shuffled labels.
CHANCE = 0.05
# A direction that other images would turn further is not known well.
DOUBTFUL_DEGREES = 30.0


@dataclass(frozen=True)
class Attributes:
    """Directions with their average pictures.

    Args:
        directions: one an attribute or class.
        with_images: the mean latent of the images with each, decoded, of shape (k, c, h, w).
        without_images: that of the images without.
        data: what they were found from.
        covariance: of the latents that they were found from.
        quality: what edits along them do on held-out images; None where no image can judge.
    """

    origin: Origin
    directions: list[Direction]
    with_images: np.ndarray
    without_images: np.ndarray
    data: dict[str, Any]
    left_out: dict[str, str]
    scores: dict[str, Any]
    covariance: Covariance | None = None
    quality: EditScores | None = None
    notes: list[str] = field(default_factory=list)

    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("attrs", self.origin.subject)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"Attributes of {self.origin.subject}"

    @property
    def images(self) -> np.ndarray:
        """The average pictures with each attribute, of shape (k, c, h, w)."""
        return self.with_images

    @property
    def latents(self) -> np.ndarray:
        """The vectors, of shape (k, d)."""
        return np.stack([direction.vector for direction in self.directions])

    def strip(self) -> np.ndarray:
        """The average pictures with each attribute."""
        return self.with_images

    def pictures(self) -> dict[str, bytes]:
        """A row an attribute: average without, average with."""
        if not len(self.with_images):
            return {}
        rows = [
            (direction.name, np.stack([self.without_images[i], self.with_images[i]]))
            for i, direction in enumerate(self.directions)
        ]
        return {"averages.png": png_bytes(labelled_grid(rows, ["without", "with"]))}

    def sections(self) -> list[Section]:
        """The table."""
        from latentlab.report.sections.attributes import AttributeRow, attributes_section
        from latentlab.report.sections.quality import quality_section

        rows = [
            AttributeRow(
                name=direction.name,
                positives=direction.positives,
                negatives=direction.negatives,
                auc=direction.auc,
                auc_interval=direction.auc_interval,
                gap=direction.gap,
                accuracy=direction.accuracy,
                angle_degrees=direction.angle_degrees,
                p_value=direction.p_value,
                average_with=with_,
                average_without=without,
            )
            for direction, with_, without in zip_longest(self.directions, self.with_images, self.without_images)
        ]
        parts = [attributes_section(rows, self.notes)]
        return parts if self.quality is None else [*parts, quality_section(self.quality)]

    def save(self, folder: Path, invocation: str | None = None) -> list[Path]:
        """Write page, pictures, record, and the directions file that `edit --directions` takes."""
        content = directions_bytes(
            self.directions, checkpoint=self.origin.checkpoint, data=self.data, covariance=self.covariance
        )
        return save_result(self, folder, invocation, {DIRECTIONS: content})


def attribute_directions(
    lab: Lab,
    data: Dataset | None = None,
    names: Sequence[str] | None = None,
    *,
    method: str = "mean",
    quality: bool = True,
    seed: int = 0,
    progress: Progress = silent,
) -> Attributes:
    """Find the direction of each attribute and class in labelled images, or show those that the run carries.

    Three quarters of the images find directions and fit readouts, a quarter judges both.

    Args:
        lab: the model.
        data: labelled images; None for the run's own directions, or its gallery where another method is asked for.
        names: attributes or classes; None for all.
        method: a name in ESTIMATORS, or in AXES for directions that nobody named.
        quality: whether edits are tried on the images that judge.
        seed: of the splits.
        progress: told of the work.

    Raises:
        CapabilityError: when there are neither data nor directions, or the latent holds codes.
        UnknownNameError, DataError: for a name that is not known, or has too few images with or without it.
    """
    require_continuous(lab, "attribute vectors")
    if data is None and method == "mean":
        found, judges = _carried(lab, names), lab.gallery
        estimate = Estimate(tuple(found), covariance=lab.run.covariance)
        described: dict[str, Any] = {"source": "the run's own"}
        notes = [f"these directions came with {lab.name}; --data finds new ones from labelled images"]
    else:
        latents = lab.known(data, progress)
        known, judges = (latents, None) if method in AXES else hold_out(latents, seed)
        described = describe_latents(lab, known, data, seed)
        notes = [] if data is not None else [f"found in the gallery of {lab.name}: {len(latents)} test images"]
        if method in AXES:
            if names:
                raise UsageError(
                    f"expected no names with {method}, which finds directions that nobody named; leave them out"
                )
            metric = _tracked_metric(decoder_metric(lab.codec), progress)
            estimate = discover_directions(latents, method, metric, seed=seed)
            notes += _tracks(estimate.directions, latents)
        else:
            asked = None if names is None else [match_name(name, latents.property_names()) or name for name in names]
            estimate = estimate_directions(known, judges, names=asked, method=method, seed=seed)
        if not estimate.directions:
            raise DataError("; ".join(estimate.left_out.values()))
        notes += left_out_notes(estimate.left_out)
    directions = list(estimate.directions)
    measured = None
    if quality and data is None and method == "mean" and names is None:
        measured = _kept(lab)
    if quality and measured is None and judges is not None:
        try:
            measured = measure(lab, judges, directions, estimate.covariance, count=TRIED, seed=seed, progress=progress)
        except DataError as error:
            notes.append(f"edits were not tried: {error}")
    origin = lab.origin("attrs", seed, data=described, names=[d.name for d in directions], method=method)
    return build_attributes(origin, lab, estimate, described, notes, measured)


def build_attributes(
    origin: Origin,
    lab: Lab | None,
    estimate: Estimate,
    described: dict[str, Any],
    notes: Sequence[str],
    measured: EditScores | None,
) -> Attributes:
    """Directions with their average pictures, their scores and what to doubt of them.

    Args:
        origin: where they come from.
        lab: the model that draws the averages; None draws none.
        estimate: the directions.
        described: what they were found from.
        notes: what the reader should know first.
        measured: what edits along them do, or None.
    """
    directions = list(estimate.directions)
    without, with_ = _averages(lab, directions)
    return Attributes(
        origin=origin,
        directions=directions,
        with_images=with_,
        without_images=without,
        data=described,
        left_out=dict(estimate.left_out),
        scores={
            d.name: {
                "with": d.positives,
                "without": d.negatives,
                "auc": d.auc,
                "auc_interval": d.auc_interval,
                "accuracy": d.accuracy,
                "angle_degrees": d.angle_degrees,
                "p_value": d.p_value,
                "gap": d.gap,
                "held_out": d.probe_images,
            }
            for d in directions
        }
        | ({} if measured is None else {"edits": measured.record()}),
        notes=[
            *notes,
            *(note for d in directions for note in doubts(d)),
            *([] if measured is None else measured.doubts()),
        ],
        covariance=estimate.covariance,
        quality=measured,
    )


def describe_latents(lab: Lab, known: Latents, data: Dataset | None, seed: int) -> dict[str, Any]:
    """Which images directions and readouts were found from, and the seed by which others were held out."""
    source = f"gallery of {lab.name}" if data is None else data.source
    return {
        "source": source,
        "split": known.split,
        "images": len(known),
        "fingerprint": fingerprint(known),
        "seed": seed,
    }


def doubts(direction: Direction) -> list[str]:
    """In words, why a direction should not be trusted."""
    said = []
    if direction.estimator not in AXES and direction.readout is None:
        said.append(
            f"{direction.name}: too few images to judge it by (found from {direction.positives:,} with, "
            f"{direction.negatives:,} without): nothing says how good the direction is"
        )
    if direction.p_value is not None and direction.p_value > CHANCE:
        said.append(f"{direction.name}: no better than shuffled labels (p = {direction.p_value:.2f})")
    images = min(direction.positives, direction.negatives)
    angle = direction.angle_degrees
    if angle is not None and angle > DOUBTFUL_DEGREES:
        needed = images_needed(images, angle, DOUBTFUL_DEGREES)
        enough = (
            ""
            if angle >= LARGEST_ANGLE_DEGREES
            else f"; about {needed:,} of the rarer kind would bring it to {DOUBTFUL_DEGREES:.0f}°"
        )
        said.append(
            f"{direction.name}: other images would turn the direction by up to {angle:.0f}° (95 %), "
            f"found from {direction.positives:,} with and {direction.negatives:,} without{enough}"
        )
    return said


def _carried(lab: Lab, names: Sequence[str] | None) -> list[Direction]:
    if not lab.directions:
        raise CapabilityError(f"{lab.name} carries no directions; give labelled images with --data")
    return [_own(lab, name) for name in names] if names else list(lab.directions.values())


def _kept(lab: Lab) -> EditScores | None:
    """What edits do along the run's own directions, as it was measured when the run was described."""
    record = lab.metrics.get("edits")
    try:
        return None if record is None else EditScores.from_record(record)
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"the scores of edits in {lab.name} are not whole ({error}); they were edited") from error


def _tracked_metric(metric: Metric, progress: Progress) -> Metric:
    """The same metric of a decoder, a few latents at a time."""

    def tracked_metric(z: np.ndarray) -> np.ndarray:
        parts = np.array_split(z, max(1, len(z) // METRIC_BLOCK))
        return np.concatenate([metric(part) for part in tracked(parts, "differentiating the decoder", progress)])

    return tracked_metric


def _tracks(directions: Sequence[Direction], latents: Latents) -> list[str]:
    """For each direction that nobody named, the attribute that goes with it most."""
    said = []
    for direction in directions:
        along = latents.mean @ direction.vector
        best, name = 0.0, ""
        for candidate in latents.property_names():
            truth = latents.truth(candidate)
            known = ~np.isnan(truth)
            if 0 < (truth[known] == 1).sum() < known.sum():
                value = auc(along[known], truth[known])
                if abs(value - 0.5) > abs(best - 0.5) or not name:
                    best, name = value, candidate
        if name:
            way = "goes most with" if best >= 0.5 else "goes most against"
            said.append(f"{direction.name} {way} {name} (AUC {max(best, 1 - best):.2f})")
    return said


def _own(lab: Lab, name: str) -> Direction:
    return lab.directions[find_name("attribute or class", name, lab.directions, "give labelled images with --data")]


def _averages(lab: Lab | None, directions: Sequence[Direction]) -> tuple[np.ndarray, np.ndarray]:
    """Average pictures without and with each: mean latents decoded, not the mean of pixels; none without a model."""
    if not directions or lab is None:
        empty = np.zeros((0, *((1, 1, 1) if lab is None else lab.image.shape)), np.float32)
        return empty, empty
    without = [lab.center if d.mean_without is None else d.mean_without for d in directions]
    with_ = [lab.center + d.vector if d.mean_with is None else d.mean_with for d in directions]
    return lab.decode(np.stack(without)), lab.decode(np.stack(with_))
