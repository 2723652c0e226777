"""Images whose latent stays while their condition becomes another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.picture_table import PictureRow, picture_table
from latentlab.report.figures.table import table
from latentlab.report.page import Section


def condition_section(
    title: str,
    before: Sequence[str],
    conditions: Sequence[str],
    rows: Sequence[tuple[str, np.ndarray]],
    summary: str = "",
    judged: Sequence[Mapping[str, object]] = (),
    notes: Sequence[str] = (),
) -> Section:
    """Show each image in a row: as it is, and with each condition.

    Args:
        title: of the section.
        before: headings of the columns without a swap.
        conditions: headings of the others.
        rows: the name of each image and its pictures, of shape (columns, c, h, w).
        summary: over what the table of judges is.
        judged: a line of named values for each kind of pictures; shares from 0 to 1.
        notes: what the reader should know.
    """
    shown = [PictureRow(name, list(pictures)) for name, pictures in rows]
    html = [note_list(notes), picture_table([*before, *conditions], shown, title, apart=len(before))]
    if judged:
        cells = [[_cell(value) for value in line.values()] for line in judged]
        html.append(table(list(judged[0]), cells, "the share of pictures that each judge reads as they should be"))
    return Section("condition", title, Markup().join(html), summary=summary)


def _cell(value: object) -> object:
    return f"{value:.0%}" if isinstance(value, float) else value
