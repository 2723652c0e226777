"""Pictures in rows and columns with headings that stay in sight: edits, traversals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from latentlab.errors import DataError
from latentlab.report.figures.picture import Frame, cells, picture_uri
from latentlab.report.template import fill

# A table of so few columns would leave most of the window empty: its rows become cards, side by side.
MOST_IN_CARD = 3


@dataclass(frozen=True)
class PictureRow:
    """One row of the table.

    Args:
        caption: its heading.
        images: one of shape (c, h, w) a column; None leaves the place empty.
        note: a warning that stands under the row.
    """

    caption: str
    images: Sequence[np.ndarray | None]
    note: str = ""


def picture_table(columns: Sequence[str], rows: Sequence[PictureRow], title: str, apart: int = 0) -> Markup:
    """Show pictures under column headings and behind row headings, or as cards where columns are few.

    Args:
        columns: the headings.
        rows: at least one, each with a picture (or None) a column.
        title: what the table shows, for those who hear the page.
        apart: how many of the first columns are set off from the others.

    Raises:
        DataError: when there are no rows, or a row has another number of pictures than there are columns.
    """
    if not rows or any(len(row.images) != len(columns) for row in rows):
        lengths = sorted({len(row.images) for row in rows})
        raise DataError(f"expected rows of {len(columns)} pictures, got {lengths}")
    shown = []
    for row in rows:
        frames = [
            None if image is None else Frame(picture_uri(image), f"{row.caption}, {column}", column)
            for column, image in zip(columns, row.images, strict=True)
        ]
        shown.append((row, frames))
    tiny = any(cells(image) for row in rows for image in row.images if image is not None)
    template = "picture_cards.html.jinja" if len(columns) <= MOST_IN_CARD else "picture_table.html.jinja"
    return fill(template, columns=columns, rows=shown, title=title, apart=apart, cells=tiny)
