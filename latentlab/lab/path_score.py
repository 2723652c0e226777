"""Scores of paths: every kind of path between the same pairs of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from latentlab.editing.paths import PATHS
from latentlab.errors import CapabilityError, DataError, UsageError
from latentlab.evaluation.paths import MARGIN, pays
from latentlab.lab.embedding import embedded
from latentlab.lab.end import End
from latentlab.lab.morph import MEASURED, data_support, find_energy, score_frames, take_walk, whole_paths
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid
from latentlab.runtime import Progress, silent, tracked

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

# A geodesic takes seconds, and so few pairs already rank the kinds of path.
PAIRS = 8
STEPS = 16


@dataclass(frozen=True)
class PathScore:
    """Kinds of path, each between the same pairs of images.

    Args:
        scores: for each kind the mean over the pairs of each number; see `evaluation.paths.score_path`.
        images: for each kind the path between the first pair, of shape (steps, c, h, w).
        ends: the names of the first pair.
    """

    origin: Origin
    scores: Mapping[str, Mapping[str, float]]
    images: dict[str, np.ndarray]
    ends: list[str]
    notes: list[str] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("score-paths", self.origin.model)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"Paths of {self.origin.model}, scored"

    def strip(self) -> np.ndarray:
        """The straight path between the first pair."""
        return next(iter(self.images.values()))

    def pictures(self) -> dict[str, bytes]:
        """The paths between the first pair, one above the other."""
        return {"paths.png": png_bytes(labelled_grid(list(self.images.items())))}

    def sections(self) -> list[Section]:
        """The paths between the first pair, and the means over all."""
        from latentlab.report.sections.morph import paths_section

        return [paths_section(self.images, self.ends, self.scores, self.notes)]


def score_model_paths(
    lab: Lab,
    *,
    data: Dataset | None = None,
    pairs: int = PAIRS,
    steps: int = STEPS,
    seed: int = 0,
    progress: Progress = silent,
) -> PathScore:
    """Walk every kind of path between pairs of images, and average their scores.

    Args:
        lab: the model.
        data: images to walk between, which also say where data lie; None takes the gallery.
        pairs: how many pairs; of different classes, where classes are known.
        steps: frames of each path.
        seed: of the pairs.
        progress: told of each pair.

    Raises:
        LatentlabError: when there are no latents, or fewer than two that differ.
    """
    if pairs < 1:
        raise UsageError(f"expected at least one pair of images, got {pairs}")
    lab = embedded(lab)
    latents = lab.known(data, progress)
    chosen = _pairs(latents.mean, latents.labels, pairs, seed)
    frames: dict[str, np.ndarray] = {}
    found: dict[str, list[Mapping[str, float]]] = {}
    notes: dict[str, str] = {}
    worthwhile = 0
    support = data_support(lab, None if data is None else latents.mean)
    for first, last in tracked(chosen, "walking", progress):
        ends = [End(f"@{row}", latents.mean[row]) for row in (first, last)]
        for kind in PATHS:
            try:
                energy = find_energy(lab, kind)
                z, _ = take_walk(lab, ends, steps, kind, "latent", energy)
            except CapabilityError as error:
                notes[kind] = f"no {kind}: {error}"
                continue
            images = lab.decode(z)
            found.setdefault(kind, []).append(score_frames(lab, z, images, support))
            frames.setdefault(kind, images)
            worthwhile += kind == "geodesic" and pays(whole_paths(lab, ends, energy, support))
    scores = {
        kind: {name: float(np.mean([one[name] for one in rows])) for name in rows[0]} for kind, rows in found.items()
    }
    said = [f"means over {len(chosen)} pairs of images; the pictures are of the first"]
    if "geodesic" in scores:
        among = "" if support is None else ", and among the data"
        said.append(
            f"a geodesic pays for {worthwhile} of {len(chosen)} pairs: shorter than the line by more than "
            f"{MARGIN * 100:.0f} %{among}; {MEASURED}"
        )
    return PathScore(
        origin=lab.origin(
            "score", seed, what="paths", pairs=[[int(row) for row in pair] for pair in chosen], steps=steps
        ),
        scores=scores,
        images=frames,
        ends=[f"@{row}" for row in chosen[0]],
        notes=[*said, *notes.values()],
    )


def _pairs(z: np.ndarray, labels: np.ndarray | None, count: int, seed: int) -> list[tuple[int, int]]:
    """Rows to walk between: different ones, and of different classes where there are some."""
    generator = np.random.default_rng(seed)
    chosen: list[tuple[int, int]] = []
    for first in generator.permutation(len(z)):
        apart = np.abs(z - z[first]).max(axis=1) > 0
        if labels is not None and (labels[apart] != labels[first]).any():
            apart &= labels != labels[first]
        if apart.any():
            chosen.append((int(first), int(generator.choice(np.flatnonzero(apart)))))
        if len(chosen) == count:
            break
    if not chosen:
        raise DataError(f"expected at least two images that differ to walk between, got {len(z)}; take more")
    return chosen
