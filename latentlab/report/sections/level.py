"""The levels of a hierarchy: what a picture keeps of one level while the others are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from latentlab.errors import DataError
from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.picture_table import PictureRow, picture_table
from latentlab.report.figures.score import scores
from latentlab.report.page import Section

SUMMARY = (
    "In each row one level of an image's latent is held, and the others are drawn from the prior. See what stays in a "
    "row: that is what the level decides; what changes is left to the others."
)
MIXED = (
    "Levels above a held one are drawn as if nothing were held, and may not suit it; those below are drawn to suit it. "
    "The shares need not add up to 100 %: a level carries some of what those above it decided."
)


@dataclass(frozen=True)
class HeldLevel:
    """One level that is held.

    Args:
        name: of its block.
        size: the number of its values.
        draws: pictures with this level of an image and all others drawn, of shape (n, k, c, h, w).
        share: of the variance of pixels, how much the level decides by itself, from 0 to 1; None where it was not
            measured.
    """

    name: str
    size: int
    draws: np.ndarray
    share: float | None


def levels_section(
    levels: Sequence[HeldLevel],
    names: Sequence[str],
    pictures: np.ndarray,
    real: np.ndarray | None = None,
    notes: Sequence[str] = (),
) -> Section:
    """Show for each level and image what is drawn around that level.

    Args:
        levels: the top first.
        names: of n images.
        pictures: what the decoder makes of all levels of each, of shape (n, c, h, w).
        real: the images, of shape (n, c, h, w), or None where only latents are known.
        notes: what the reader should know.

    Raises:
        DataError: when there is no level, or there are not as many images as names.
    """
    lengths = {len(part) for part in (names, pictures, real, *(level.draws for level in levels)) if part is not None}
    if not levels or len(lengths) > 1:
        raise DataError(f"expected levels, and as many names as pictures of each, got {len(levels)} and {lengths}")
    shares = {level.name: level.share for level in levels if level.share is not None}
    html = [
        scores({f"variance of pixels that {name} decides": f"{100 * share:.1f} %" for name, share in shares.items()})
    ]
    for level in levels:
        known = {name: images for name, images in (("image", real), ("all levels", pictures)) if images is not None}
        columns = [*known, *(f"draw {place}" for place in range(1, level.draws.shape[1] + 1))]
        rows = [
            PictureRow(name, [*(images[row] for images in known.values()), *level.draws[row]])
            for row, name in enumerate(names)
        ]
        others = " and ".join(other.name for other in levels if other is not level)
        title = f"{level.name} held ({level.size} values), {others} drawn"
        html += [Markup("<h3>{}</h3>").format(title), picture_table(columns, rows, title, apart=len(known))]
    html.append(note_list([*([MIXED] if len(levels) > 1 else []), *notes]))
    return Section("levels", "Levels", Markup().join(html), SUMMARY)
