"""What the code kept and what the decoder fills in: several fills of one code, their mean, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from latentlab.errors import DataError
from latentlab.evaluation.kept import Kept
from latentlab.picture.grid import grid
from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.picture import sheet
from latentlab.report.figures.picture_table import PictureRow, picture_table
from latentlab.report.figures.score import number, scores
from latentlab.report.page import Section

MOST_FILLS = 6
# The standard deviation of a coin toss: bright where the code leaves a pixel open.
TOSS = 0.5
SUMMARY = (
    "The decoder draws pixel by pixel: each from the code and from the pixels drawn before it, as far as its window "
    "reaches. What all fills of one code share, the code kept; where they differ, the decoder filled in by itself."
)
# The brightness of the pixel that is drawn, of those that it sees, and of the lines between; the side of a pixel.
DRAWN, SEEN, LINE = 1.0, 0.55, 0.2
CELL, WIDTH = 20, 220


def kept_section(
    kept: Kept,
    names: Sequence[str],
    real: np.ndarray | None = None,
    pictures: np.ndarray | None = None,
    window: np.ndarray | None = None,
    notes: Sequence[str] = (),
) -> Section:
    """Show for each code the image that it came from, fills of it, their mean, and where they differ.

    Args:
        kept: fills of n codes.
        names: one a code.
        real: the images, of shape (n, c, h, w), or None where only latents are known.
        pictures: what the decoder draws without chance, of shape (n, c, h, w), or None.
        window: bool, which pixels before it a pixel sees, the pixel itself in the middle of the last row; or None.
        notes: what the reader should know.

    Raises:
        DataError: when there are not as many of each.
    """
    lengths = {len(part) for part in (kept.fills, names, real, pictures) if part is not None}
    if len(lengths) > 1:
        raise DataError(f"expected as many codes, names, images and pictures, got {sorted(lengths)}")
    before = {"image": real, "without chance": pictures}
    known = {name: images for name, images in before.items() if images is not None}
    open_places = np.clip(kept.spread / TOSS, 0, 1)
    fills = kept.fills[:, :MOST_FILLS]
    columns = [*known, "mean of fills", "where they differ", *(f"fill {i}" for i in range(1, fills.shape[1] + 1))]
    rows = [
        PictureRow(name, [*(images[row] for images in known.values()), kept.mean[row], open_places[row], *fills[row]])
        for row, name in enumerate(names)
    ]
    told = [
        f"Mean and differences are over {kept.fills.shape[1]} fills of each code; bright is where they differ, and "
        "white as much as tosses of a coin do.",
        *notes,
    ]
    html = [
        scores({"variance of pixels that the code decides": f"{number(round(100 * kept.share, 1))} %"}),
        picture_table(columns, rows, "Fills", apart=len(known)),
        *([] if window is None else [Markup("<h3>What a pixel sees</h3>"), _window(window)]),
        note_list(told),
    ]
    return Section("fills", "Fills", Markup().join(html), SUMMARY)


def _window(window: np.ndarray) -> Markup:
    """The receptive field: the pixel that is drawn, those that it sees, and some that it does not."""
    shades = np.where(window, SEEN, 0.0)
    shades[-1, window.shape[1] // 2] = DRAWN
    shades = np.pad(shades, ((0, 1), (0, 0)))
    cells = np.broadcast_to(shades.reshape(-1, 1, 1, 1), (shades.size, 1, CELL, CELL))
    picture = grid(cells, shades.shape[1], padding=1, background=LINE)
    words = f"window: a pixel (white) and the {int(window.sum())} before it that it sees (grey)"
    return sheet(picture, words, max(WIDTH, picture.shape[-1]), words)
