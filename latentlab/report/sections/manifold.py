"""A 2-D latent space, decoded on a grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from latentlab.picture.encode import enlarge
from latentlab.picture.grid import grid
from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.picture import sheet
from latentlab.report.figures.score import number
from latentlab.report.page import Section

SIDE = 960


def manifold_section(images: np.ndarray, span: float, notes: Sequence[str] = ()) -> Section:
    """Show what every place of a 2-D latent space decodes to.

    Args:
        images: of shape (rows, columns, c, h, w); the first row is the top of the picture.
        span: the outermost value of each latent, either way.
        notes: what the reader should know.
    """
    rows, columns = images.shape[:2]
    tile = min(images.shape[-2:])
    flat = enlarge(images.reshape(rows * columns, *images.shape[2:]), max(1, round(SIDE / (columns * tile))))
    edge = number(float(span))
    caption = f"z₁ from −{edge} (left) to {edge} (right), z₂ from −{edge} (bottom) to {edge} (top)"
    alt = f"{rows} by {columns} decoded images of the latent plane: {caption}"
    html = [sheet(grid(flat, columns, padding=0), alt, SIDE, caption), note_list(notes)]
    return Section("manifold", "Manifold", Markup().join(html))
