"""All kinds of path between the same ends, one above the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.editing.paths import PATHS
from latentlab.errors import CapabilityError
from latentlab.evaluation.paths import recommend
from latentlab.lab.embedding import as_codes, embedded
from latentlab.lab.morph import (
    MEASURED,
    check_request,
    data_support,
    end_notes,
    find_ends,
    find_energy,
    score_frames,
    strip_rows,
    take_walk,
    whole_paths,
)
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.picture.animation import animation_bytes
from latentlab.picture.encode import enlarge, png_bytes
from latentlab.picture.grid import grid, labelled_grid
from latentlab.runtime import Progress, silent, tracked

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

# Pixels of paper between one path and the next, where they stand one above the other in a strip.
GAP = 1
# Frames in a row of the page: more are too small to see side by side.
ROW = 11


@dataclass(frozen=True)
class MorphComparison:
    """The frames of every kind of path between the same ends.

    Args:
        images: for each kind of path of shape (steps, c, h, w) in [0, 1].
        latents: for each kind of path of shape (steps, d).
        captions: for each kind of path one a frame.
        ends: the names of the ends.
        scores: for each kind of path its numbers; see `evaluation.paths.score_path`.
        notes: what the user should know; whether the geodesic pays comes first.
    """

    origin: Origin
    images: dict[str, np.ndarray]
    latents: dict[str, np.ndarray]
    captions: dict[str, list[str]]
    ends: list[str]
    scores: dict[str, Mapping[str, Any]]
    notes: list[str] = field(default_factory=list)
    format: str = "gif"

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("morph-compare", *self.ends)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return "Paths " + " → ".join(self.ends)

    def strip(self) -> np.ndarray:
        """At most sixteen frames of every path: each image has them one above the other, in the order of `images`."""
        rows = [images[strip_rows(len(images))] for images in self.images.values()]
        apart = [np.pad(row, ((0, 0), (0, 0), (0, GAP), (0, 0)), constant_values=1.0) for row in rows[:-1]]
        return np.concatenate([*apart, rows[-1]], axis=2)

    def pictures(self) -> dict[str, bytes]:
        """The paths one above the other, and all of them moving side by side."""
        rows = [(kind, images[strip_rows(len(images))]) for kind, images in self.images.items()]
        large = [enlarge(images) for images in self.images.values()]
        side_by_side = np.stack([grid(np.stack(frames), columns=len(frames)) for frames in zip(*large, strict=True)])
        return {
            "compare.png": png_bytes(labelled_grid(rows)),
            f"compare.{self.format}": animation_bytes(side_by_side, self.format),
        }

    def sections(self) -> list[Section]:
        """All paths with their scores, and a player each."""
        from latentlab.report.sections.morph import morph_section, paths_section

        chosen = {kind: images[strip_rows(len(images), ROW)] for kind, images in self.images.items()}
        players = [
            morph_section(images, self.captions[kind], self.ends, self.scores[kind], kind=kind)
            for kind, images in self.images.items()
        ]
        return [paths_section(chosen, self.ends, self.scores, self.notes), *players]


def compare_paths(
    lab: Lab,
    ends: Sequence[str],
    *,
    steps: int = 16,
    speed: str = "latent",
    exemplar: bool = False,
    seed: int = 0,
    data: Dataset | None = None,
    format: str = "gif",
    progress: Progress = silent,
) -> MorphComparison:
    """Walk from end to end on every kind of path.

    Args:
        lab: the model.
        ends: two or more; see `lab.end.resolve`.
        steps: frames of each path, ends included.
        speed: `latent` or `even`; see `lab.morph.morph`.
        exemplar: begin and end at single images instead of class means.
        seed: of what is drawn.
        data: images for exemplars and rows.
        format: of the animation: gif, webp or apng.
        progress: told of each path.

    Raises:
        LatentlabError: for an unknown name, too few ends or steps, or neighbouring ends that are one image.
    """
    check_request(ends, steps, speed, format)
    lab = embedded(lab)
    found = find_ends(lab, ends, exemplar=exemplar, seed=seed, data=data)
    images, latents, captions = {}, {}, {}
    scores: dict[str, Mapping[str, Any]] = {}
    notes = end_notes(lab, found, exemplar and data is None)
    support = data_support(lab)
    for kind in tracked(list(PATHS), "walking", progress):
        try:
            energy = find_energy(lab, kind)
            latents[kind], captions[kind] = take_walk(lab, found, steps, kind, speed, energy)
        except CapabilityError as error:
            notes.insert(0, f"no {kind}: {error}")
            continue
        images[kind] = lab.decode(latents[kind])
        scores[kind] = score_frames(lab, latents[kind], images[kind], support)
        if kind == "geodesic":
            notes.insert(0, f"{recommend(whole_paths(lab, found, energy, support))}; {MEASURED}")
    return MorphComparison(
        origin=lab.origin("morph", seed, ends=list(ends), steps=steps, compare=True, speed=speed, exemplar=exemplar),
        images=images,
        latents={kind: as_codes(lab, z) for kind, z in latents.items()},
        captions=captions,
        ends=[end.name for end in found],
        scores=scores,
        notes=notes,
        format=format,
    )
