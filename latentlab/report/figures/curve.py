"""Line charts as inline SVG: axes, ticks, a legend, and the value of a point on hover."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from latentlab.errors import DataError
from latentlab.report.figures.score import number
from latentlab.report.template import fill

WIDTH, HEIGHT = 400, 230
LEFT, RIGHT, TOP, BOTTOM = 48, 8, 8, 34
TICKS = 5
# A line is told from another by its dashes as well as by its colour.
DASHES = ("", "5 3", "2 3", "8 3 2 3")


@dataclass(frozen=True)
class Line:
    """One line of a chart: its name, and its points (x, y); points that are not finite are left out."""

    name: str
    points: Sequence[tuple[float, float]]


def curve(lines: Sequence[Line], title: str, x_label: str = "", unit: str = "") -> Markup:
    """Draw lines over common axes.

    Args:
        lines: at least one with a finite point.
        title: heading of the chart.
        x_label: under the horizontal axis.
        unit: of the vertical axis, behind the title.

    Raises:
        DataError: when no line has a finite point.
    """
    finite = [
        Line(line.name, [(float(x), float(y)) for x, y in line.points if math.isfinite(x) and math.isfinite(y)])
        for line in lines
    ]
    points = [point for line in finite for point in line.points]
    if not points:
        raise DataError(f"expected at least one finite value to draw {title!r}, got none")
    x_low, x_high = _span([x for x, _ in points])
    y_ticks = ticks(*_span([y for _, y in points]))
    y_low, y_high = min(y_ticks[0], *(y for _, y in points)), max(y_ticks[-1], *(y for _, y in points))

    def across(x: float) -> float:
        return round(LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT), 1)

    def down(y: float) -> float:
        return round(TOP + (y_high - y) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM), 1)

    return fill(
        "curve.html.jinja",
        title=title,
        unit=unit,
        x_label=x_label,
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        bottom=HEIGHT - BOTTOM,
        x_ticks=[(across(x), number(x)) for x in ticks(x_low, x_high) if x_low <= x <= x_high],
        y_ticks=[(down(y), number(y)) for y in y_ticks],
        lines=[
            (
                line.name,
                f"var(--series-{index % 10})",
                DASHES[index % len(DASHES)],
                [(across(x), down(y), f"{line.name}: {number(y)} at {x_label} {number(x)}") for x, y in line.points],
            )
            for index, line in enumerate(finite)
        ],
    )


def ticks(low: float, high: float) -> list[float]:
    """Round numbers, about five, that reach from at most `low` to at least `high`.

    >>> ticks(0.3, 9.1)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    rough = (high - low) / TICKS
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if high - low > 1e-9 * max(abs(low), abs(high), 1e-300):
        return low, high
    margin = abs(low) * 0.1 or 1.0
    return low - margin, high + margin
