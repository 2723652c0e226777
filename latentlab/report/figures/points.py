"""Points with their names over two axes: one item against another, as rate against distortion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from latentlab.errors import DataError
from latentlab.report.figures.curve import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, ticks
from latentlab.report.figures.score import number
from latentlab.report.template import fill

# What is told apart by its shape as well as by its colour.
SHAPES = ("circle", "square", "diamond")
# About the width of a letter of a name, and the height of a line, in the units of the chart.
LETTER, LINE = 6.5, 14
COLOURS = 10


@dataclass(frozen=True)
class Point:
    """One item of a chart.

    Args:
        name: stands beside it.
        x: along the horizontal axis.
        y: along the vertical axis.
        series: which colour and shape it has, so that it keeps them from chart to chart; None for its place.
        hollow: sets it off, as what others are measured against.
    """

    name: str
    x: float
    y: float
    series: int | None = None
    hollow: bool = False


def points(items: Sequence[Point], title: str, x_label: str, y_label: str) -> Markup:
    """Draw named points; both axes begin at 0 where nothing is negative.

    Args:
        items: at least one, with finite coordinates.
        title: heading of the chart.
        x_label: under the horizontal axis, with its unit.
        y_label: of the vertical axis, with its unit.

    Raises:
        DataError: when there is nothing to draw, or a coordinate is not finite.
    """
    if not items or not all(math.isfinite(value) for item in items for value in (item.x, item.y)):
        raise DataError(f"expected at least one point, with finite coordinates, to draw {title!r}, got others")
    x_ticks, y_ticks = (_axis([getattr(item, axis) for item in items]) for axis in "xy")

    def across(x: float) -> float:
        return round(LEFT + (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0]) * (WIDTH - LEFT - RIGHT), 1)

    def down(y: float) -> float:
        return round(TOP + (y_ticks[-1] - y) / (y_ticks[-1] - y_ticks[0]) * (HEIGHT - TOP - BOTTOM), 1)

    places = [(across(item.x), down(item.y)) for item in items]
    series = [place if item.series is None else item.series for place, item in enumerate(items)]
    labels = _labels([item.name for item in items], places)
    return fill(
        "points.html.jinja",
        title=title,
        x_label=x_label,
        y_label=y_label,
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        top=TOP,
        bottom=HEIGHT - BOTTOM,
        x_ticks=[(across(x), number(x)) for x in x_ticks],
        y_ticks=[(down(y), number(y)) for y in y_ticks],
        points=[
            (item.name, x, y, f"var(--series-{kind % COLOURS})", SHAPES[kind % len(SHAPES)], item.hollow, label,
             f"{item.name}: {number(item.x)} {x_label}, {number(item.y)} {y_label}")
            for item, kind, (x, y), label in zip(items, series, places, labels, strict=True)
        ],
    )  # fmt: skip


def _axis(values: Sequence[float]) -> list[float]:
    """Ticks that hold all values, and 0 where they are all on one side of it and not far from it."""
    low, high = min(values), max(values)
    if low >= 0:
        low = 0.0
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        low, high = low - (abs(low) * 0.1 or 1.0), high + (abs(high) * 0.1 or 1.0)
    return ticks(low, high)


def _labels(names: Sequence[str], places: Sequence[tuple[float, float]]) -> list[tuple[float, float, str]]:
    """Where each name stands, and how it is anchored: beside its point, moved down until it covers no other name."""
    taken: list[tuple[float, float, float]] = []
    found = []
    for name, (x, y) in sorted(zip(names, places, strict=True), key=lambda item: item[1][1]):
        width = LETTER * len(name)
        to_left = x + 9 + width > WIDTH
        start = x - 9 - width if to_left else x + 9
        line = max(y + 4, LINE)
        for other_start, other_end, other_line in sorted(taken, key=lambda box: box[2]):
            if start < other_end and other_start < start + width and abs(line - other_line) < LINE:
                line = other_line + LINE
        taken.append((start, start + width, line))
        found.append((name, (x - 9 if to_left else x + 9, round(line, 1), "end" if to_left else "start")))
    by_name = dict(found)
    return [by_name[name] for name in names]
