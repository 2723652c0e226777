"""Rows and columns of text, numbers and what other figures made."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from latentlab.report.figures.score import number
from latentlab.report.template import fill


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> Markup:
    """Show rows under headers: numbers to the right, text to the left, Markup as it is.

    The first cell of a row is its heading.
    """
    cells = [[(_shown(value), _numeric(value)) for value in row] for row in rows]
    numeric = [any(row[column][1] for row in cells) for column in range(len(headers))]
    return fill("table.html.jinja", headers=list(zip(headers, numeric, strict=True)), rows=cells, caption=caption)


def _numeric(value: object) -> bool:
    return hasattr(value, "__float__") and not isinstance(value, str)


def _shown(value: object) -> str:
    return value if isinstance(value, Markup) else number(value)
