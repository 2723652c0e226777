"""Bars beside each other: one number an item, largest first, with the value of each on hover."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from markupsafe import Markup

from latentlab.errors import DataError
from latentlab.report.figures.curve import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, ticks
from latentlab.report.figures.score import number
from latentlab.report.template import fill


def bars(
    names: Sequence[str],
    values: Sequence[float],
    title: str,
    x_label: str = "",
    unit: str = "",
    faint: Collection[int] = (),
    line: tuple[str, float] | None = None,
) -> Markup:
    """Draw a bar a value, from zero upwards, in the order of their size.

    Args:
        names: one a bar.
        values: finite and not negative, at least one.
        title: heading of the chart.
        x_label: under the horizontal axis.
        unit: of the values, behind the title.
        faint: places of values whose bars are pale.
        line: a name and a value, at which a dashed line is drawn.

    Raises:
        DataError: when there is nothing to draw, or a value is negative or not finite.
    """
    if not values or len(names) != len(values) or not all(math.isfinite(value) and value >= 0 for value in values):
        raise DataError(f"expected a name for each of some finite values of at least 0 to draw {title!r}, got others")
    y_ticks = ticks(0.0, max(*values, line[1] if line else 0.0) or 1.0)
    top = max(y_ticks[-1], *values)
    room = (WIDTH - LEFT - RIGHT) / len(values)

    def down(value: float) -> float:
        return round(TOP + (top - value) / top * (HEIGHT - TOP - BOTTOM), 1)

    order = sorted(range(len(values)), key=lambda item: -values[item])
    return fill(
        "bars.html.jinja",
        title=title,
        unit=unit,
        x_label=x_label,
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        bottom=HEIGHT - BOTTOM,
        y_ticks=[(down(value), number(value)) for value in y_ticks],
        bars=[
            (round(LEFT + place * room, 2), down(values[item]), round(max(room * 0.8, 0.5), 2), names[item],
             number(float(values[item])), item in faint)
            for place, item in enumerate(order)
        ],
        line=None if line is None else (line[0], down(line[1])),
    )  # fmt: skip
