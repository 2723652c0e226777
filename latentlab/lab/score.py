"""Scores of edits: how well each direction works on held-out images, and what else it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import CapabilityError, DataError
from latentlab.evaluation.edits import COUNT, SUCCESS, EditScores, score_edits
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.latents.fingerprint import fingerprint
from latentlab.latents.name import find_name
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid
from latentlab.runtime import Progress, silent
from latentlab.statistics.split import draw_order, split_rows

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.directions.direction import Direction
    from latentlab.directions.record import DirectionsFile
    from latentlab.lab.lab import Lab
    from latentlab.latents.table import Latents
    from latentlab.report.page import Section
    from latentlab.statistics.covariance import Covariance

# The share of labelled images that judge directions and readouts found in the others.
JUDGES = 0.25


@dataclass(frozen=True)
class EditScore:
    """How well the edits of a model work.

    Args:
        quality: the measurements.
        examples: for each attribute one image before and after, of shape (k, 2, c, h, w).
    """

    origin: Origin
    quality: EditScores
    examples: np.ndarray
    notes: list[str] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("score-edits", self.origin.model)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"Edits of {self.origin.model}, scored"

    @property
    def scores(self) -> Mapping[str, Any]:
        """Everything that was measured."""
        return self.quality.record()

    @property
    def images(self) -> np.ndarray:
        """The examples in a row, of shape (2k, c, h, w)."""
        return self.examples.reshape(-1, *self.examples.shape[2:])

    def strip(self) -> np.ndarray:
        """The examples in a row."""
        return self.images

    def pictures(self) -> dict[str, bytes]:
        """A row an attribute: one image before and after."""
        rows = list(zip(self.quality.names, self.examples, strict=True))
        return {"examples.png": png_bytes(labelled_grid(rows, ["before", "after"]))}

    def sections(self) -> list[Section]:
        """The measurements."""
        from latentlab.report.sections.quality import quality_section

        return [quality_section(self.quality, self.notes)]


def score_model_edits(
    lab: Lab,
    names: Sequence[str] | None = None,
    *,
    data: Dataset | None = None,
    directions: DirectionsFile | None = None,
    success: float = SUCCESS,
    count: int = COUNT,
    seed: int = 0,
    progress: Progress = silent,
) -> EditScore:
    """Measure the edits of a model on images that neither its directions nor their judges have seen.

    Args:
        lab: the model.
        names: attributes or classes; None for all that have a direction.
        data: labelled held-out images; None takes the gallery.
        directions: a directions file, instead of the run's own; of the images that it was made from only the quarter
            that judged is looked at.
        success: the share of images that an edit has to change.
        count: images that each edit is tried on.
        seed: of which.
        progress: told of the work.

    Raises:
        LatentlabError: when there are no directions, or no held-out images to judge them with.
    """
    known = lab.directions if directions is None else directions.by_name
    if not known:
        raise CapabilityError(
            f"{lab.name} carries no directions; make some with `latentlab attrs --data SOURCE` and give the file with "
            "--directions"
        )
    asked = [known[find_name("attribute or class", name, known)] for name in (known if names is None else names)]
    latents = lab.known(data, progress)
    notes = []
    if directions is not None:
        judges = _unseen(latents, directions)
        if len(judges) < len(latents):
            notes.append(f"scored on the {len(judges)} of these {len(latents)} images that found no direction")
        latents = judges
    quality = measure(
        lab,
        latents,
        asked,
        covariance=None if directions is None else directions.covariance,
        success=success,
        count=count,
        seed=seed,
        progress=progress,
    )
    described = {"source": "the run's own gallery"} if data is None else {"source": data.source, "split": data.split}
    return EditScore(
        origin=lab.origin(
            "score", seed, what="edits", names=[one.name for one in asked], data=described, success=success, count=count
        ),
        quality=quality,
        examples=_examples(lab, latents, {one.name: one for one in asked}, quality),
        notes=notes + quality.doubts(),
    )


def measure(
    lab: Lab, latents: Latents, directions: Sequence[Direction], covariance: Covariance | None = None, **options: Any
) -> EditScores:
    """`score_edits` with the model's own encoder and decoder.

    Args:
        lab: the model.
        latents: held-out images.
        directions: with their readouts.
        covariance: of the latents that they were found from; None for that of the model.
        options: those of `score_edits`.
    """
    known = lab.covariance if covariance is None else covariance
    return score_edits(latents, directions, decode=lab.decode, encode=lab.encode, covariance=known, **options)


def hold_out(latents: Latents, seed: int) -> tuple[Latents, Latents]:
    """Three quarters of labelled latents, and the quarter that judges what is found in them.

    Every row belongs to the stratum of the rarest property that it has, so that rare ones are in both parts.
    """
    truths = [latents.truth(name) for name in latents.property_names()]
    strata = np.full(len(latents), -1)
    for number in sorted(range(len(truths)), key=lambda i: -np.nansum(truths[i] == 1)):
        strata[truths[number] == 1] = number
    parts = split_rows(draw_order(latents.ids, seed), (1 - JUDGES, JUDGES), strata)
    return latents.take(parts[0]), latents.take(parts[1])


def _unseen(latents: Latents, file: DirectionsFile) -> Latents:
    """The latents, or of those that a file of directions was made from the quarter that it was judged on.

    Raises:
        DataError: when all of them found the directions.
    """
    seed = file.data.get("seed")
    if isinstance(seed, int) and latents.property_names():
        known, judges = hold_out(latents, seed)
        if fingerprint(known) == file.data.get("fingerprint"):
            return judges
    if fingerprint(latents) == file.data.get("fingerprint"):
        raise DataError(
            "expected images that the directions were not found from, got the very same; give others with --data"
        )
    return latents


def _examples(lab: Lab, latents: Latents, directions: Mapping[str, Direction], quality: EditScores) -> np.ndarray:
    """For each attribute an image without it, before and after the edit of success (or of one gap without such)."""
    pairs = []
    for one in quality.attributes:
        z = latents.mean[np.flatnonzero(latents.truth(one.name) == 0)[0]]
        alpha = one.alpha_pictures or one.alpha_latents or 1.0
        pairs += [z, z + np.float32(alpha) * directions[one.name].vector]
    return lab.decode(np.stack(pairs)).reshape(-1, 2, *lab.image.shape)
