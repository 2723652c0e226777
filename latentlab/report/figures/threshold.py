"""Dots on a logarithmic axis, with the threshold that parts them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from latentlab.errors import DataError
from latentlab.report.figures.curve import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from latentlab.report.figures.score import number
from latentlab.report.template import fill

# Powers of ten that are drawn: what is smaller stands at the bottom.
DECADES = 4


def threshold_dots(
    names: Sequence[str], values: Sequence[float], threshold: float, title: str, caption: str, x_label: str = ""
) -> Markup:
    """Draw a dot a value in the given order, full above the threshold and hollow below.

    Args:
        names: one a dot.
        values: finite and not negative, at least one; those too small for the axis stand at its bottom.
        threshold: above 0.
        title: heading of the chart.
        caption: of the line at the threshold.
        x_label: under the horizontal axis.

    Raises:
        DataError: when there is nothing to draw, or a value is negative or not finite.
    """
    if not values or len(names) != len(values) or not all(math.isfinite(value) and value >= 0 for value in values):
        raise DataError(f"expected a name for each of some finite values of at least 0 to draw {title!r}, got others")
    top = math.ceil(math.log10(max(*values, threshold)))
    # The threshold stands above the end of the axis, however small the values.
    positive = [value for value in values if value > 0] or [threshold]
    ends = math.floor(math.log10(min(*positive, threshold))), math.ceil(math.log10(threshold)) - 1
    bottom = min(max(top - DECADES, ends[0]), ends[1])
    room = (WIDTH - LEFT - RIGHT) / len(values)

    def down(value: float) -> float:
        power = max(math.log10(value), bottom) if value > 0 else bottom
        return round(TOP + (top - power) / (top - bottom) * (HEIGHT - TOP - BOTTOM), 1)

    return fill(
        "threshold.html.jinja",
        title=title,
        caption=caption,
        x_label=x_label,
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        bottom=HEIGHT - BOTTOM,
        y_ticks=[(down(10.0**power), number(10.0**power)) for power in range(bottom, top + 1)],
        line=down(threshold),
        above=sum(value > threshold for value in values),
        radius=round(min(4.0, max(room * 0.35, 1.0)), 2),
        dots=[
            (round(LEFT + (place + 0.5) * room, 2), down(value), value > threshold, f"{name}: {number(float(value))}")
            for place, (name, value) in enumerate(zip(names, values, strict=True))
        ],
    )
