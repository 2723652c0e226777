"""A table of numbers whose cells are tinted by their size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from latentlab.report.template import fill

# The strongest tint: text has to stay readable on it, in light and in dark.
STRONGEST_PERCENT = 55


def matrix(
    values: np.ndarray,
    names: Sequence[str],
    caption: str,
    *,
    most: float = 1.0,
    decimals: int = 2,
    percent: bool = False,
) -> Markup:
    """Show a square matrix, rows against columns of the same names.

    Args:
        values: of shape (k, k); cells that are not finite are left empty.
        names: of the rows and the columns.
        caption: what the cells are.
        most: the absolute value that has the strongest tint.
        decimals: of the numbers shown.
        percent: whether the values are shares, shown in percent.
    """
    cells = [
        [_cell(float(value), most, decimals, percent, row == column) for column, value in enumerate(line)]
        for row, line in enumerate(values)
    ]
    return fill("matrix.html.jinja", names=names, rows=list(zip(names, cells, strict=True)), caption=caption)


def _cell(value: float, most: float, decimals: int, percent: bool, own: bool) -> tuple[str, int, str, bool]:
    """The text of a cell, its tint in percent, the tint's sign, and whether it stands on the diagonal."""
    if not math.isfinite(value):
        return "–", 0, "plus", own
    text = f"{value:.0%}" if percent else f"{value:+.{decimals}f}"
    tint = round(STRONGEST_PERCENT * min(abs(value) / most, 1.0))
    return text.replace("-", "−"), tint, "minus" if value < 0 else "plus", own
