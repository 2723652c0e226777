"""Figures hold what they were given."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from PIL import Image

from latentlab.errors import DataError
from latentlab.picture.encode import as_pixels
from latentlab.report.figures.curve import Line, curve, ticks
from latentlab.report.figures.picture import gallery, picture_uri
from latentlab.report.figures.picture_table import PictureRow, picture_table
from latentlab.report.figures.score import scores
from latentlab.report.figures.strip import strip_player
from latentlab.report.figures.table import table

TINY = np.random.default_rng(0).random((3, 1, 8, 8))
FACE = np.random.default_rng(1).random((3, 3, 32, 32))


def opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_cells_are_exact_and_larger_pictures_are_large_enough() -> None:
    assert np.array_equal(np.asarray(opened(picture_uri(TINY[0]))), as_pixels(TINY[0]))
    assert opened(picture_uri(FACE[0])).size == (128, 128)


def test_gallery_is_shown_at_least_112_pixels_wide() -> None:
    html = gallery(TINY, ["one", "two", "three"], ["a", "", "<b>"])
    assert html.count('width="112" height="112"') == 3 and html.count('class="cells"') == 3
    assert html.count("<figcaption>") == 2 and "<b>" not in html
    assert 'width="224" height="112"' in gallery(np.zeros((1, 1, 30, 60)), ["wide"])


def test_strip_has_a_frame_a_button_and_a_caption_each() -> None:
    html = strip_player(FACE, ["start", "middle", "end"], ends=["1", "7"], title="from 1 to 7")
    assert html.count("<li>") == 3 and 'max="2"' in html
    assert "from 1 to 7, frame 2 of 3: middle" in html
    assert "--wide: 3; --narrow: 3" in html
    with pytest.raises(DataError, match="a caption for each"):
        strip_player(FACE, ["one"])
    with pytest.raises(DataError, match="at least one frame"):
        strip_player(FACE[:0], [])


def test_long_strips_break_into_even_rows() -> None:
    assert "--wide: 10; --narrow: 7" in strip_player(np.zeros((20, 1, 8, 8)), [""] * 20)


@pytest.mark.parametrize("columns", [2, 5])
def test_picture_tables_leave_gaps_and_show_notes(columns: int) -> None:
    rows = [
        PictureRow("face <1>", [None, *[FACE[0]] * (columns - 1)], "beyond `what` it knows"),
        PictureRow("2", [FACE[1]] * columns),
    ]
    html = picture_table([f"α = {k}" for k in range(columns)], rows, "an edit")
    assert html.count("<img") == 2 * columns - 1 and "face &lt;1&gt;" in html and "<code>what</code>" in html
    assert ("<table" in html) == (columns > 3)
    with pytest.raises(DataError, match="rows of 9 pictures"):
        picture_table(["a"] * 9, rows, "an edit")


def test_table_sets_numbers_apart_and_keeps_markup() -> None:
    html = table(["name", "count", "bar"], [["<smile>", 12345, Markup("<i></i>")], ["hat", None, Markup("")]])
    assert '<td class="number">12,345</td>' in html and "&lt;smile&gt;" in html and "<i></i>" in html
    assert '<th scope="col" class="number">count</th>' in html


def test_scores_carry_their_units() -> None:
    html = scores({"test_elbo_nats": -90.8123, "kept": True, "path": "line"})
    assert "<dt>test elbo</dt><dd>−90.81 nats</dd>" in html and "<dd>yes</dd>" in html
    assert scores({}) == ""


def test_curve_draws_finite_points_and_names_them() -> None:
    lines = [Line("train", [(1, 3.0), (2, float("nan")), (3, 1.0)]), Line("<test>", [(1, 4.0), (3, 2.0)])]
    html = curve(lines, "loss", "epoch", "nats")
    assert html.count("<circle") == 4 and "train: 3 at epoch 1" in html and "loss, nats" in html
    assert "<test>" not in html and html.count('stroke-dasharray="5 3"') == 2
    places = [float(y) for y in re.findall(r'cy="([^"]+)"', html)]
    assert places[0] < places[1] and all(0 <= place <= 230 for place in places)
    with pytest.raises(DataError, match="finite value"):
        curve([Line("train", [(1, float("nan"))])], "loss")


def test_curve_of_one_constant_value_has_axes() -> None:
    assert "<circle" in curve([Line("a", [(1, 5.0)])], "flat")


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_ticks_cover_the_values_and_are_few(low: float, length: float) -> None:
    high = low + max(length, abs(low) * 1e-6)
    places = ticks(low, high)
    assert 2 <= len(places) <= 9
    slack = (high - low) * 1e-6
    assert places[0] <= low + slack and places[-1] >= high - slack
    assert places == sorted(set(places))
