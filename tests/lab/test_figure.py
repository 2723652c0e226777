"""A map as a plotly figure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from latentlab.errors import UnknownNameError
from latentlab.lab import load


def test_every_class_is_a_trace_and_every_point_tells_its_id() -> None:
    shown = load("digits").map(method="pca", live=False)
    figure = shown.figure("label")
    assert [trace.name for trace in figure.data] == [str(digit) for digit in range(10)]
    assert sum(len(trace.x) for trace in figure.data) == len(shown.table)
    row = int(np.flatnonzero(shown.table.labels == 3)[0])
    trace = figure.data[3]
    place = list(trace.text).index(str(shown.table.ids[row]))
    np.testing.assert_allclose([trace.x[place], trace.y[place]], shown.projection.coords[row], rtol=1e-6)


def test_a_score_is_a_colour_scale_and_words_are_no_html() -> None:
    shown = load("digits").map(method="pca", live=False)
    hostile = "<a href=x>"
    figure = replace(shown, colours={hostile: np.linspace(0, 1, len(shown.table))}).figure()
    assert len(figure.data) == 1 and figure.data[0].marker.showscale
    assert figure.data[0].name == "&lt;a href=x&gt;" == figure.layout.legend.title.text
    with pytest.raises(UnknownNameError, match="colour"):
        shown.figure("nobody")
