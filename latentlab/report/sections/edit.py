"""Images before and after an edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.picture_table import PictureRow, picture_table
from latentlab.report.figures.score import scores as score_list
from latentlab.report.figures.table import table
from latentlab.report.page import Section


@dataclass(frozen=True)
class EditRow:
    """One image and what became of it.

    Args:
        caption: which image it is.
        original: of shape (c, h, w), or None where only a latent is known.
        reconstruction: what the model makes of it without an edit, or None.
        frames: of shape (k, c, h, w), one an edit.
        note: a warning about this image.
    """

    caption: str
    original: np.ndarray | None
    reconstruction: np.ndarray | None
    frames: np.ndarray
    note: str = ""


def edit_section(
    rows: Sequence[EditRow],
    alphas: Sequence[str],
    title: str = "Edit",
    scores: Mapping[str, object] | None = None,
    notes: Sequence[str] = (),
    reach: Sequence[Mapping[str, object]] = (),
) -> Section:
    """Show each image in a row: the original, its plain reconstruction, and the edits.

    Args:
        rows: at least one, with as many frames as there are alphas.
        alphas: headings of the edited columns.
        title: of the section.
        scores: numbers about the edit.
        notes: what the reader should know.
        reach: a line of named values for each step: what is read from it, and how far it is from the data.
    """
    before = {
        name: [getattr(row, name) for row in rows]
        for name in ("original", "reconstruction")
        if any(getattr(row, name) is not None for row in rows)
    }
    shown = [
        PictureRow(row.caption, [*(column[index] for column in before.values()), *row.frames], row.note)
        for index, row in enumerate(rows)
    ]
    pictures = picture_table([*before, *alphas], shown, title, apart=len(before))
    html = [note_list(notes), pictures, score_list(scores or {})]
    if reach:
        html.append(table(list(reach[0]), [list(line.values()) for line in reach], "step by step"))
    return Section("edit", title, Markup().join(html))
