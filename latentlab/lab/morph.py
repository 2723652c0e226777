"""Morphs: a path through the latent space between two or more ends, decoded frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.editing.pace import dense
from latentlab.editing.paths import PATHS
from latentlab.editing.paths.space import Energy, Space
from latentlab.editing.walk import key_frames, walk, walk_evenly
from latentlab.errors import UsageError
from latentlab.evaluation.paths import recommend, score_path
from latentlab.lab.embedding import as_codes, embedded, rounded, walk_notes
from latentlab.lab.end import End, resolve
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.latents.energy import decoder_energy
from latentlab.picture.animation import animation_bytes
from latentlab.picture.encode import enlarge, png_bytes
from latentlab.picture.grid import grid

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section
    from latentlab.statistics.support import Support

MOST_STEPS = 1000
# Frames that a strip shows in one row.
STRIP = 16
# How frames are spread: evenly along the path in the latent space, or so that the picture changes evenly.
SPEEDS = ("latent", "even")
# Ends that differ by less, as a share of their length, are one image as far as float32 can tell.
SAME = 1e-6
# Bytes of gradients that are kept, so that a path which is walked twice is searched for once.
REMEMBERED = 1 << 27
# What a verdict on a geodesic rests on, where a table beside it shows the scores of frames.
MEASURED = "measured all along both paths, whatever the number of frames"


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
        return self.images[strip_rows(len(self.images))]

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


def strip_rows(count: int, most: int = STRIP) -> np.ndarray:
    """The frames that a strip shows, the first and the last among them."""
    return np.linspace(0, count - 1, min(most, count)).round().astype(int)


def morph(
    lab: Lab,
    ends: Sequence[str],
    *,
    steps: int = 16,
    path: str = "line",
    speed: str = "latent",
    exemplar: bool = False,
    seed: int = 0,
    data: Dataset | None = None,
    format: str = "gif",
) -> Morph:
    """Walk from end to end and decode every step; a model of codes walks through their embeddings.

    Args:
        lab: the model.
        ends: two or more; see `lab.end.resolve`.
        steps: frames in all, ends included.
        path: a name in PATHS; `slerp` and `preserving` go round the mean of the aggregate posterior, and `geodesic`,
            the shortest path in pictures, is searched for, which takes seconds.
        speed: `latent`, where frames are spread evenly along the path, or `even`, where the picture changes as much
            from each to the next. A geodesic is always even.
        exemplar: begin and end at single images instead of class means.
        seed: of what is drawn.
        data: images for exemplars and rows.
        format: of the animation: gif, webp or apng.

    Returns:
        The frames with their scores; see `evaluation.paths.score_path`.

    Raises:
        LatentlabError: for an unknown name, too few ends or steps, neighbouring ends that are one image, or a path
            that is not known.
    """
    check_request(ends, steps, speed, format)
    lab = embedded(lab)
    found = find_ends(lab, ends, exemplar=exemplar, seed=seed, data=data)
    energy = find_energy(lab, path)
    latents, captions = take_walk(lab, found, steps, path, speed, energy)
    images = lab.decode(latents)
    support = data_support(lab)
    scores = score_frames(lab, latents, images, support)
    notes = end_notes(lab, found, exemplar and data is None) + walk_notes(lab, latents)
    if path == "geodesic":
        notes.append(f"{recommend(whole_paths(lab, found, energy, support))}; {MEASURED}")
    return Morph(
        origin=lab.origin("morph", seed, ends=list(ends), steps=steps, path=path, speed=speed, exemplar=exemplar),
        images=images,
        latents=as_codes(lab, latents),
        captions=captions,
        ends=[end.name for end in found],
        scores=scores,
        notes=notes,
        format=format,
    )


def check_request(ends: Sequence[str], steps: int, speed: str, format: str) -> None:
    """Refuse what cannot be walked before anything is looked up.

    Raises:
        UsageError: for too few ends, too few or too many steps, an unknown speed or format.
    """
    from latentlab.picture.animation import FORMATS

    if format not in FORMATS:
        raise UsageError(f"expected a format of {', '.join(FORMATS)}, got {format!r}")
    if speed not in SPEEDS:
        raise UsageError(f"expected a speed of {', '.join(SPEEDS)}, got {speed!r}")
    if not 2 <= steps <= MOST_STEPS:
        raise UsageError(f"expected 2 to {MOST_STEPS} steps, got {steps}")
    if len(ends) < 2:
        raise UsageError(f"expected at least two ends, got {len(ends)}; for example morph 1 7")


def find_ends(
    lab: Lab, ends: Sequence[str], *, exemplar: bool = False, seed: int = 0, data: Dataset | None = None
) -> list[End]:
    """Turn the names of ends into latents.

    Raises:
        UsageError: when two neighbours are one image.
        LatentlabError: when a name stands for nothing here.
    """
    # A seed for each end, so that `morph random random` has somewhere to go.
    found = [resolve(lab, end, exemplar=exemplar, seed=seed + i, data=data) for i, end in enumerate(ends)]
    for one, other in pairwise(found):
        apart = float(np.linalg.norm(one.latent.astype(np.float64) - other.latent))
        if apart <= SAME * float(np.linalg.norm(one.latent)):
            raise UsageError(
                f"expected neighbouring ends that differ, got ends that are the same image: {one.name!r} and "
                f"{other.name!r}; name another one"
            )
    return found


def find_energy(lab: Lab, path: str) -> Energy | None:
    """What a path costs in pictures, where the path asks for it; what was asked once is remembered.

    Raises:
        CapabilityError: when there are no steps between the model's latents.
    """
    if path != "geodesic":
        return None
    energy = decoder_energy(lab.codec)
    known: dict[bytes, tuple[float, np.ndarray]] = {}

    def remembered(curve: np.ndarray) -> tuple[float, np.ndarray]:
        key = blake2b(np.ascontiguousarray(curve).tobytes(), digest_size=16).digest()
        if key in known:
            return known[key]
        answer = energy(curve)
        if (len(known) + 1) * answer[1].nbytes <= REMEMBERED:
            known[key] = answer
        return answer

    return remembered


def take_walk(
    lab: Lab, found: Sequence[End], steps: int, path: str, speed: str, energy: Energy | None
) -> tuple[np.ndarray, list[str]]:
    """The latents of a walk, of shape (steps, d), and their captions; for `energy` see `find_energy`.

    The path of an `embedded` model is found between codes, and its frames are put on the nearest ones.
    """
    ends = np.stack([end.latent for end in found])
    if speed == "even" or path == "geodesic":
        latents, keys = walk_evenly(ends, steps, path, lab.decode, lab.center, energy)
    else:
        latents, keys = walk(ends, steps, path, lab.center), key_frames(len(ends), steps)
    return rounded(lab, latents), _captions([end.name for end in found], keys)


def data_support(lab: Lab, latents: np.ndarray | None = None) -> Support | None:
    """Where the data lie, or None where that is not known: draws of a prior are no data.

    Args:
        lab: the model.
        latents: of data, of shape (n, d); None takes those of the images that the model carries.
    """
    if latents is None:
        return None if lab.gallery is None else lab.support
    from latentlab.directions.estimate import covariance_of
    from latentlab.statistics.support import Support

    known = lab.run.covariance is not None or lab.gallery is not None
    covariance = lab.covariance if known else covariance_of(latents)
    return None if covariance is None else Support(latents, covariance)


def score_frames(lab: Lab, latents: np.ndarray, images: np.ndarray, support: Support | None) -> dict[str, Any]:
    """The scores of a walk's frames; how far it is from the data only with a support (see `data_support`)."""
    return dict(score_path(latents, images, lab.encode(images), support))


def whole_paths(
    lab: Lab, found: Sequence[End], energy: Energy | None, support: Support | None
) -> dict[str, dict[str, float]]:
    """The length in pictures and the farthest point of the line and of the geodesic, walked densely.

    Frames that are shown are too few to judge by: two of them are as long on any path, and the farthest point may lie
    between them. These numbers do not depend on how many are shown, nor on their pace.

    Args:
        lab: the model.
        found: the ends.
        energy: of the decoder; see `find_energy`.
        support: where the data lie, or None.

    Returns:
        For each of the two `image_length` and, with a support, `farthest_percentile`; `recommend` and `pays` take it.
    """
    space = Space(np.asarray(lab.center, np.float64), energy)
    scores: dict[str, dict[str, float]] = {}
    for kind in ("line", "geodesic"):
        length, farthest = 0.0, 0.0
        for start, end in pairwise(found):
            curve = PATHS[kind](start.latent.astype(np.float64), end.latent.astype(np.float64), space)
            times, way = dense(curve, 1, lab.decode)
            length += float(way[-1])
            if support is not None:
                farthest = max(farthest, float(support.percentile(curve(times).astype(np.float32)).max()))
        scores[kind] = {"image_length": length}
        if support is not None:
            scores[kind]["farthest_percentile"] = farthest
    return scores


def end_notes(lab: Lab, found: Sequence[End], decoded: bool) -> list[str]:
    """What the user should know about the ends."""
    notes = [end.note for end in found if end.note]
    if decoded:
        notes.append(
            f"the ends are {lab.name}'s own test images as it decodes them: it carries their latents, not their "
            "pixels; --data shows the real ones' codes"
        )
    return notes


def _captions(names: list[str], frames: Sequence[int]) -> list[str]:
    """How far each frame is from one end to the next; the ends come at `frames`."""
    captions = []
    for step in range(frames[-1] + 1):
        part = max(i for i, frame in enumerate(frames[:-1]) if frame <= step)
        share = (step - frames[part]) / (frames[part + 1] - frames[part])
        if share in (0, 1):
            captions.append(names[part + int(share)])
        else:
            captions.append(f"{1 - share:.0%} {names[part]} · {share:.0%} {names[part + 1]}")
    return captions
