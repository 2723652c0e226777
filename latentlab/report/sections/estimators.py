"""Estimators of directions, ranked, with their edits one above the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.picture_table import PictureRow, picture_table
from latentlab.report.figures.table import table
from latentlab.report.page import Section


def estimators_section(
    headers: Sequence[str],
    ranking: Sequence[Sequence[object]],
    attributes: Sequence[str],
    rows: Sequence[tuple[str, Sequence[np.ndarray]]],
    notes: Sequence[str] = (),
) -> Section:
    """Show a ranking and what each estimator's edits look like.

    Args:
        headers: of the ranking.
        ranking: a line an estimator, the best first.
        attributes: the headings of the pictures.
        rows: a caption and a picture an attribute: first the images before, then each estimator's edits of them.
        notes: what the reader should know.
    """
    pictures = picture_table(attributes, [PictureRow(caption, images) for caption, images in rows], "edits")
    summary = (
        "The same images find the directions, the same judges read them, and every edit goes as far as 90 % of "
        "held-out images need. A leak is the mean absolute change of the other attributes, in their class gaps."
    )
    html = Markup().join([note_list(notes), table(headers, ranking), Markup("<br>"), pictures])
    return Section("estimators", "Estimators", html, summary)
