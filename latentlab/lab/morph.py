"""Morphs: a path through the latent space between two or more ends, decoded frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.editing.paths import key_frames, walk
from latentlab.errors import UsageError
from latentlab.evaluation.paths import cycle_error, frame_scores
from latentlab.lab.end import resolve
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.picture.animation import animation_bytes
from latentlab.picture.encode import enlarge, png_bytes
from latentlab.picture.grid import grid

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

MOST_STEPS = 1000
# Frames that a strip shows in one row.
STRIP = 16


@dataclass(frozen=True)
class Morph:
    """The frames of a path.

    Args:
        images: of shape (steps, c, h, w) in [0, 1].
        latents: of shape (steps, d).
        captions: one a frame.
        ends: the names of the ends.
    """

    origin: Origin
    images: np.ndarray
    latents: np.ndarray
    captions: list[str]
    ends: list[str]
    scores: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    format: str = "gif"

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("morph", *self.ends)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return "Morph " + " → ".join(self.ends)

    def strip(self) -> np.ndarray:
        """At most sixteen frames, evenly spread."""
        rows = np.linspace(0, len(self.images) - 1, min(STRIP, len(self.images))).round().astype(int)
        return self.images[rows]

    def pictures(self) -> dict[str, bytes]:
        """The strip and the animation."""
        large = enlarge(self.images)
        strip = enlarge(self.strip())
        return {
            "strip.png": png_bytes(grid(strip, columns=len(strip))),
            f"morph.{self.format}": animation_bytes(large, self.format),
        }

    def sections(self) -> list[Section]:
        """The player."""
        from latentlab.report.sections.morph import morph_section

        return [morph_section(self.images, self.captions, self.ends, self.scores, self.notes)]


def morph(
    lab: Lab,
    ends: Sequence[str],
    *,
    steps: int = 16,
    path: str = "line",
    exemplar: bool = False,
    seed: int = 0,
    data: Dataset | None = None,
    format: str = "gif",
) -> Morph:
    """Walk from end to end and decode every step.

    Args:
        lab: the model.
        ends: two or more; see `lab.end.resolve`.
        steps: frames in all, ends included.
        path: a name in PATHS; `slerp` turns about the mean of the aggregate posterior.
        exemplar: begin and end at single images instead of class means.
        seed: of what is drawn.
        data: images for exemplars and rows.
        format: of the animation: gif, webp or apng.

    Returns:
        The frames with their scores: length in image space, evenness of speed, cycle error.

    Raises:
        LatentlabError: for an unknown name, too few ends or steps, or a path that is not known.
    """
    from latentlab.picture.animation import FORMATS

    if format not in FORMATS:
        raise UsageError(f"expected a format of {', '.join(FORMATS)}, got {format!r}")
    if not 2 <= steps <= MOST_STEPS:
        raise UsageError(f"expected 2 to {MOST_STEPS} steps, got {steps}")
    if len(ends) < 2:
        raise UsageError(f"expected at least two ends, got {len(ends)}; for example morph 1 7")
    # A seed for each end, so that `morph random random` has somewhere to go.
    found = [resolve(lab, end, exemplar=exemplar, seed=seed + i, data=data) for i, end in enumerate(ends)]
    latents = walk(np.stack([end.latent for end in found]), steps, path, lab.center)
    images = lab.decode(latents)
    names = [end.name for end in found]
    scores: dict[str, Any] = {
        **frame_scores(images),
        "cycle_error": cycle_error(latents, lab.encode(images)),
    }
    notes = [end.note for end in found if end.note]
    if exemplar and data is None:
        notes.append(
            f"the ends are {lab.name}'s own test images as it decodes them: it carries their latents, not their "
            "pixels; --data shows the real ones' codes"
        )
    return Morph(
        origin=lab.origin("morph", seed, ends=list(ends), steps=steps, path=path, exemplar=exemplar),
        images=images,
        latents=latents,
        captions=_captions(names, steps),
        ends=names,
        scores=scores,
        notes=notes,
        format=format,
    )


def _captions(names: list[str], steps: int) -> list[str]:
    """How far each frame is from one end to the next."""
    frames = key_frames(len(names), steps)
    captions = []
    for step in range(steps):
        part = max(i for i, frame in enumerate(frames[:-1]) if frame <= step)
        share = (step - frames[part]) / (frames[part + 1] - frames[part])
        if share in (0, 1):
            captions.append(names[part + int(share)])
        else:
            captions.append(f"{1 - share:.0%} {names[part]} · {share:.0%} {names[part + 1]}")
    return captions
