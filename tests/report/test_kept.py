"""The panel of what the code kept: built from plain arrays, escaped, with what is missing left out."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from latentlab.errors import DataError
from latentlab.evaluation.kept import Kept
from latentlab.report.page import ASSETS, render_page
from latentlab.report.sections.kept import CELL, DRAWN, MOST_FILLS, SEEN, kept_section

HOSTILE = "</script><img src=x onerror=alert(1)>"
WINDOW = np.array([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0]], bool)


def kept(count: int = 3, draws: int = 9, side: int = 5) -> Kept:
    fills = (np.random.default_rng(0).random((count, draws, 1, side, side)) < 0.5).astype(np.float32)
    spread = np.zeros((count, 1, side, side), np.float32)
    spread[:, 0, 0] = 0.5
    spread[:, 0, 1] = 0.25
    spread[:, 0, 2] = 0.6
    return Kept(fills, fills.mean(axis=1), spread, 0.12345)


def pictures(html: str) -> dict[str, np.ndarray]:
    """The pictures of a section by their words."""
    found = re.findall(r'<img src="data:image/[a-z]+;base64,([^"]+)" alt="([^"]+)"', html)
    return {alt: np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data, alt in found}


def test_each_row_has_the_image_its_fills_and_where_they_differ():
    given = kept()
    real, drawn = np.zeros((3, 1, 5, 5), np.float32), np.ones((3, 1, 5, 5), np.float32)
    section = kept_section(given, ["a", "b", "c"], real, drawn, WINDOW, ["a note"])
    shown = pictures(section.html)
    columns = ["image", "without chance", "mean of fills", "where they differ"]
    columns += [f"fill {number}" for number in range(1, MOST_FILLS + 1)]
    assert [alt for alt in shown if alt.startswith("b, ")] == [f"b, {column}" for column in columns]
    assert (shown["b, image"] == 0).all() and (shown["b, without chance"] == 255).all()
    for number in range(1, MOST_FILLS + 1):
        np.testing.assert_array_equal(shown[f"b, fill {number}"] > 127, given.fills[1, number - 1, 0] > 0.5)
    np.testing.assert_allclose(shown["b, mean of fills"] / 255, given.mean[1, 0], atol=0.01)
    # As open as the toss of a coin is white, and nothing is brighter.
    np.testing.assert_allclose(shown["b, where they differ"][:4, 0] / 255, [1, 0.5, 1, 0], atol=0.01)
    assert "12.3 %" in section.html and "over 9 fills" in section.html and "a note" in section.html


def test_the_window_shows_the_pixel_and_what_it_sees():
    shown = pictures(kept_section(kept(), "abc", window=WINDOW).html)
    (alt,) = [alt for alt in shown if alt.startswith("window")]
    assert "the 9 before it" in alt
    wanted = np.zeros((4, 5))
    wanted[:3][WINDOW] = SEEN
    wanted[2, 2] = DRAWN
    grey = np.asarray(Image.fromarray(shown[alt]).convert("L"))
    centres = np.arange(5) * (CELL + 1) + 1 + CELL // 2
    np.testing.assert_allclose(grey[np.ix_(centres[:4], centres)] / 255, wanted, atol=0.03)


def test_what_is_not_known_is_left_out():
    section = kept_section(kept(draws=2), "abc")
    assert not any("image" in alt or "without chance" in alt or "window" in alt for alt in pictures(section.html))
    assert ">fill 2<" in section.html and ">fill 3<" not in section.html


def test_it_escapes_and_stands_on_a_page():
    section = kept_section(kept(), [HOSTILE, "b", "c"], window=WINDOW, notes=[HOSTILE])
    assert section.id == "fills" and section.needs <= set(ASSETS)
    assert "<img src=x" not in section.html and "onerror" in section.html
    assert section.title in render_page("report", "all of it", [section])


def test_as_many_of_each():
    with pytest.raises(DataError, match="as many codes"):
        kept_section(kept(), ["a", "b"])
    with pytest.raises(DataError, match="as many codes"):
        kept_section(kept(), "abc", real=np.zeros((2, 1, 5, 5)))
