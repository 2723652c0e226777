"""How well edits work: success over α, what else they change, and how far they may go."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from latentlab.evaluation.edits import EditScores
from latentlab.report.figures.curve import Line, curve
from latentlab.report.figures.matrix import matrix
from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.table import table
from latentlab.report.page import Section

HEADERS = [
    "attribute", "judge reads right", "α, latents", "α, pictures", "leak, latents", "leak, pictures", "leaks most into",
    "change", "outside its place", "cycle error", "cycle, unedited", "safe α",
]  # fmt: skip
# More rows and columns than these are no picture any more.
MOST_IN_MATRIX = 40


def quality_section(scores: EditScores, notes: Sequence[str] = ()) -> Section:
    """Show what edits do.

    Args:
        scores: as measured on held-out images.
        notes: what the reader should know.
    """
    rows = [
        [
            one.name, f"{one.accuracy:.1%}", _figure(one.alpha_latents), _figure(one.alpha_pictures),
            _figure(one.leak_latents), _figure(one.leak_pictures), one.leak_name or None,
            _figure(one.change, 3), None if one.outside is None else f"{one.outside:.0%}", _figure(one.cycle, 3),
            _figure(one.cycle_floor, 3), str(one.safe).replace(" ", "\N{NO-BREAK SPACE}"),
        ]
        for one in scores.attributes
    ]  # fmt: skip
    percent = f"{100 * scores.success:g} %"
    charts = [
        curve(
            [
                Line(one.name, list(zip(one.alphas, getattr(one, f"success_{kind}"), strict=True)))
                for one in scores.attributes
            ],
            f"read as edited, in {kind}",
            "α",
        )
        for kind in ("latents", "pictures")
    ]
    html = [
        note_list(notes),
        table(*_filled(HEADERS, rows), f"α that {percent} of the images without the attribute need, and what it costs"),
        Markup('<div class="charts">{}</div>').format(Markup().join(charts)),
        *_matrices(scores, percent),
    ]
    summary = (
        f"Each edit goes as far as {percent} of held-out images without the attribute need. Judges are linear readouts "
        "fitted on other images than the directions; pictures are read after decoding and encoding again, so that a "
        "decoder that fails is told from a direction that does. A leak is the change of another attribute in its own "
        "class gaps. Outside its place: the share of the squared change of a picture that lies where the attribute "
        "does not live."
    )
    return Section("quality", "Quality of edits", Markup().join(html), summary)


def _filled(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> tuple[list[str], list[list[object]]]:
    """The columns in which any row has something: where nothing can leak, nothing is said of leaks."""
    kept = [column for column in range(len(headers)) if any(row[column] is not None for row in rows)]
    return [headers[column] for column in kept], [[row[column] for column in kept] for row in rows]


def _figure(value: float | None, decimals: int = 2) -> float | None:
    return None if value is None else round(value, decimals)


def _matrices(scores: EditScores, percent: str) -> list[Markup]:
    if len(scores.names) > MOST_IN_MATRIX or len(scores.names) < 2:
        return []
    shown: list[tuple[np.ndarray, str, bool]] = [
        (
            scores.latents.gaps,
            f"Leakage in latents at {percent} success: the row is edited, the column read; class gaps",
            False,
        ),
        (scores.pictures.gaps, "The same in pictures: decoded and encoded again", False),
        (scores.floor.gaps, "The floor: what decoding and encoding alone changes, at α = 0", False),
        (scores.pictures.flips, "Images in which the reading of the column changes, in pictures", True),
    ]
    return [matrix(values, scores.names, caption, percent=share) for values, caption, share in shown]
