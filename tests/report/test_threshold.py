"""Dots on a logarithmic axis stand where their values are, and bars can be parted too."""

from __future__ import annotations

import math
import re

import pytest

from latentlab.errors import DataError
from latentlab.report.figures.bars import bars
from latentlab.report.figures.threshold import threshold_dots


def shown(html: str) -> tuple[list[float], list[bool], float, dict[float, float]]:
    found = re.findall(r'<circle class="dot" cx="\S+" cy="(\S+)" .*? fill="var\(--(\S+)\)"', html)
    line = re.search(r'<path d="M\S+ (\S+)H\S+" stroke="var\(--ink\)"', html[html.index("role=") :])
    ticks = re.findall(r'<text x="\S+" y="(\S+)" text-anchor="end">([\d.,]+)</text>', html)
    by_value = {float(text.replace(",", "")): float(y) - 4 for y, text in ticks}
    return [float(y) for y, _ in found], [fill == "series-0" for _, fill in found], float(line[1]), by_value


def test_dots_are_full_above_the_threshold_and_stand_at_their_logarithm() -> None:
    values = [1.0, 0.1, 0.0101, 0.01, 0.003, 0.0]
    html = threshold_dots(list("abcdef"), values, 0.01, "Variance", "active above 0.01")
    heights, full, line, ticks = shown(html)
    assert full == [True, True, True, False, False, False]
    assert line == ticks[0.01] and heights[0] == ticks[1.0] and heights[1] == ticks[0.1]
    step = ticks[0.1] - ticks[1.0]
    assert heights[4] == pytest.approx(ticks[1.0] - step * math.log10(0.003), abs=0.2)
    # Nothing has no logarithm: it stands at the end of the axis.
    assert heights[5] == max(ticks.values()) and "3 of 6 above the line" in html


@pytest.mark.parametrize("values", [[5.0], [0.0], [1e-12, 3.0], [0.01]])
def test_the_threshold_stands_inside_the_chart(values: list[float]) -> None:
    heights, _, line, ticks = shown(threshold_dots(["a"] * len(values), values, 0.01, "Variance", "line"))
    assert min(ticks.values()) <= line < max(ticks.values())
    assert all(min(ticks.values()) <= height <= max(ticks.values()) for height in heights)


def test_nothing_else_is_drawn() -> None:
    for wrong in ([], [-1.0], [math.nan]):
        with pytest.raises(DataError, match="finite values"):
            threshold_dots(["a"] * len(wrong), wrong, 0.01, "Variance", "line")


def test_bars_are_pale_where_told_and_have_a_line() -> None:
    html = bars(["a", "b", "c"], [1.0, 3.0, 2.0], "Bars", faint={0}, line=("alike", 4.0))
    found = re.findall(r'<rect class="bar"( fill-opacity="\S+")? .*?y="(\S+)".*?<title>(\w)', html)
    assert [(name, bool(pale)) for pale, _, name in found] == [("b", False), ("c", False), ("a", True)]
    line = float(re.search(r'<path d="M\S+ (\S+)H\S+" stroke="var\(--ink\)"', html)[1])
    # The line is higher than every bar, and on the chart.
    assert 0 < line < min(float(y) for _, y, _ in found) and ">alike</figcaption>" not in html and "alike" in html
    assert "stroke-dasharray" not in bars(["a"], [1.0], "Bars")
