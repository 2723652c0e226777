"""Conditions swapped: the latent stays, and what a conditional model was told of the image becomes another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import UsageError
from latentlab.evaluation.condition import condition_block
from latentlab.lab.condition_score import SwapScore, score_swap
from latentlab.lab.end import End, resolve
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.lab.stranger import stranger_notes
from latentlab.lab.wish import condition_of, put_condition, read_wishes
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

# In the name of a folder.
MOST_NAMED = 6


@dataclass(frozen=True)
class Swap:
    """Images with their latent as it was and another condition.

    Args:
        images: of shape (n, k, c, h, w): k conditions for each of n images.
        latents: of shape (n, k, d).
        originals: the real images, of shape (n, c, h, w); None for those of a gallery, which has latents alone.
        reconstructions: with the condition that was read from them, of shape (n, c, h, w).
        names: of the n images.
        read: the condition that was read from each.
        conditions: what was asked for.
        judged: how often it is read in the pictures, over more images than these.
    """

    origin: Origin
    images: np.ndarray
    latents: np.ndarray
    originals: np.ndarray | None
    reconstructions: np.ndarray
    names: list[str]
    read: list[str]
    conditions: list[str]
    judged: SwapScore
    notes: list[str] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def scores(self) -> dict[str, Any]:
        """How often each condition is read in the pictures."""
        return self.judged.scores

    @property
    def name(self) -> str:
        """The folder that suits it."""
        more = ["more"] if len(self.conditions) > MOST_NAMED else []
        return folder_name("edit", "condition", *self.conditions[:MOST_NAMED], *more)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return "Condition " + " · ".join(self.conditions)

    def strip(self) -> np.ndarray:
        """Each image beside its last condition; one image with all of them."""
        if len(self.images) == 1:
            return np.concatenate([self.reconstructions, self.images[0]])
        return np.stack([self.reconstructions, self.images[:, -1]], axis=1).reshape(-1, *self.images.shape[2:])

    def _columns(self) -> tuple[list[str], list[str], np.ndarray]:
        """Headings of what an image is without a swap, those of the conditions, and all pictures of each image."""
        before, headings = [self.reconstructions[:, None]], ["decoded" if self.originals is None else "reconstruction"]
        if self.originals is not None:
            before.insert(0, self.originals[:, None])
            headings.insert(0, "original")
        return headings, self.conditions, np.concatenate([*before, self.images], axis=1)

    def _captions(self) -> list[str]:
        return [f"{name}, read as {read}" for name, read in zip(self.names, self.read, strict=True)]

    def pictures(self) -> dict[str, bytes]:
        """One sheet: a row an image."""
        headings, conditions, pictures = self._columns()
        named = list(zip(self._captions(), pictures, strict=True))
        return {"condition.png": png_bytes(labelled_grid(named, [*headings, *conditions]))}

    def sections(self) -> list[Section]:
        """The sheet as a table, and how often each condition is read."""
        from latentlab.report.sections.condition import condition_section

        headings, conditions, pictures = self._columns()
        named = list(zip(self._captions(), pictures, strict=True))
        summary, judged = self.judged.summary, self.judged.rows
        return [condition_section(self.title, headings, conditions, named, summary, judged, self.notes)]


def swap_conditions(
    lab: Lab,
    images: Any,
    conditions: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    data: Dataset | None = None,
    count: int = 8,
    seed: int = 0,
) -> Swap:
    """Keep z and replace y: decode [z, y'] for each condition y' that is asked for.

    Args:
        lab: a conditional model.
        images: of shape (n, c, h, w) in [0, 1], or names as morphs take them: image files, `@3` (a row of the data, or
            of the gallery), classes; None takes gallery images, or those of `data`.
        conditions: classes such as `7`, attributes such as `smile`, `not smile` or `smile, not hat`, or `all`.
        names: of the images, where they are arrays.
        data: images to take where none are given; labelled ones are also what a judge on pixels is fitted on.
        count: how many images to take where none are given.
        seed: of which are taken.

    Raises:
        CapabilityError: for a model that is told no condition.
        UnknownNameError, UsageError: for conditions that it does not know, or that exclude each other.
        DataError: for images of another kind.
    """
    condition = condition_of(lab)
    wishes = read_wishes(condition, conditions)
    ends, notes = _ends(lab, images, names, data, count, seed)
    latents = np.stack([end.latent for end in ends])
    moved = np.stack([put_condition(lab, latents, wish) for wish in wishes], axis=1)
    pictures = lab.decode(moved.reshape(-1, moved.shape[-1]))
    real = [end.image for end in ends if end.image is not None]
    judged = score_swap(lab, wishes, data, seed)
    return Swap(
        origin=lab.origin(
            "edit", seed, conditions=[wish.name for wish in wishes], images=[end.name for end in ends],
            data=None if data is None else data.source,
        ),
        images=pictures.reshape(*moved.shape[:2], *lab.image.shape),
        latents=moved,
        originals=np.stack(real) if len(real) == len(ends) else None,
        reconstructions=lab.decode(latents),
        names=[end.name for end in ends],
        read=[_shown(condition.names, condition.kind, row) for row in condition_block(lab.codec, latents)],
        conditions=[wish.name for wish in wishes],
        judged=judged,
        notes=notes + [end.note for end in ends if end.note] + judged.notes,
    )  # fmt: skip


def _ends(
    lab: Lab, images: Any, names: Sequence[str] | None, data: Dataset | None, count: int, seed: int
) -> tuple[list[End], list[str]]:
    """The images that are asked for, with their latents, and what to know of where they come from."""
    named = isinstance(images, list | tuple) and len(images) and all(isinstance(one, str | Path) for one in images)
    if named:
        return [resolve(lab, str(one), seed=seed, data=data) for one in images], []
    if images is not None:
        given = lab.as_images(images)
        latents = lab.encode(given)
        shown = list(names or [f"image {i + 1}" for i in range(len(given))])
        warned = stranger_notes(lab, given, latents, shown)
        return [End(*one) for one in zip(shown, latents, given, warned, strict=True)], []
    if count < 1:
        raise UsageError(f"expected at least one image, got --count {count}")
    total = len(lab.known()) if data is None else len(data)
    rows = np.sort(np.random.default_rng(seed).permutation(total)[:count])
    found = [resolve(lab, f"@{row}", data=data) for row in rows]
    if data is not None:
        return found, []
    return found, [
        f"these are test images as {lab.name} decodes them: it carries their latents, not their pixels; "
        "give image files or --data to see originals beside them"
    ]


def _shown(names: Sequence[str], kind: str, read: np.ndarray) -> str:
    """A condition as it was read: the likeliest class, or the attributes that are there."""
    if kind == "class":
        return names[int(read.argmax())]
    return ", ".join(name for name, value in zip(names, read, strict=True) if value > 0.5) or "none of them"
