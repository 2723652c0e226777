"""Scores of edits: how well each direction works on held-out images, and what else it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.evaluation.edits import COUNT, SUCCESS, EditScores, score_edits
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.latents.name import match_name
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid
from latentlab.runtime import Progress, silent

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.directions.direction import Direction
    from latentlab.lab.lab import Lab
    from latentlab.latents.table import Latents
    from latentlab.report.page import Section


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
    directions: Mapping[str, Direction] | None = None,
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
        directions: those of a directions file, instead of the run's own.
        success: the share of images that an edit has to change.
        count: images that each edit is tried on.
        seed: of which.
        progress: told of the work.

    Raises:
        LatentlabError: when there are no directions, or no held-out images to judge them with.
    """
    from latentlab.errors import CapabilityError, unknown_name

    known = lab.directions if directions is None else directions
    if not known:
        raise CapabilityError(
            f"{lab.name} carries no directions; make some with `latentlab attrs --data SOURCE` and give the file with "
            "--directions"
        )
    asked = []
    for name in known if names is None else names:
        found = match_name(name, known)
        if found is None:
            raise unknown_name("attribute or class", name, known)
        asked.append(known[found])
    latents = lab.known() if data is None else lab.encode_data(data, progress)
    quality = measure(lab, latents, asked, success=success, count=count, seed=seed, progress=progress)
    described = {"source": "the run's own gallery"} if data is None else {"source": data.source, "split": data.split}
    return EditScore(
        origin=lab.origin(
            "score", seed, what="edits", names=[one.name for one in asked], data=described, success=success, count=count
        ),
        quality=quality,
        examples=_examples(lab, latents, {one.name: one for one in asked}, quality),
        notes=quality.doubts(),
    )


def measure(lab: Lab, latents: Latents, directions: Sequence[Direction], **options: Any) -> EditScores:
    """`score_edits` with the model's own encoder and decoder."""
    return score_edits(latents, directions, decode=lab.decode, encode=lab.encode, covariance=lab.covariance, **options)


def _examples(lab: Lab, latents: Latents, directions: Mapping[str, Direction], quality: EditScores) -> np.ndarray:
    """For each attribute an image without it, before and after the edit of success (or of one gap without such)."""
    pairs = []
    for one in quality.attributes:
        z = latents.mean[np.flatnonzero(latents.truth(one.name) == 0)[0]]
        alpha = one.alpha_pictures or one.alpha_latents or 1.0
        pairs += [z, z + np.float32(alpha) * directions[one.name].vector]
    return lab.decode(np.stack(pairs)).reshape(-1, 2, *lab.image.shape)
