"""One dimension at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.picture_table import PictureRow, picture_table
from latentlab.report.page import Section


def traversals_section(
    images: np.ndarray, captions: Sequence[str], values: Sequence[str], notes: Sequence[str] = ()
) -> Section:
    """Show what each dimension or principal direction does.

    Args:
        images: of shape (k, steps, c, h, w).
        captions: one a dimension.
        values: one a step.
        notes: what the reader should know.
    """
    rows = [PictureRow(caption, list(frames)) for caption, frames in zip(captions, images, strict=True)]
    html = [picture_table(values, rows, "Traversals"), note_list(notes)]
    return Section("traversals", "Traversals", Markup().join(html))
