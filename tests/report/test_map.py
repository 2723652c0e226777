"""The map's data: every point with its picture, its id and its colours."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.report.figures import scatter_map as module
from latentlab.report.figures.scatter_map import Ellipse, scatter_map
from latentlab.report.sections.map import CAUTION, map_section

COUNT = 30
COORDS = np.random.default_rng(0).normal(size=(COUNT, 2)).astype(np.float32)
PICTURES = np.random.default_rng(1).random((COUNT, 1, 8, 8)).astype(np.float32)


def drawn(colours: dict[str, np.ndarray] | None = None, **parts: object) -> dict:
    values = {"coords": COORDS, "title": "t", "axes": ("x", "y"), "thumbnails": PICTURES, "ids": range(COUNT)} | parts
    figure = scatter_map(colours=colours or {}, **values)
    text = re.search(r'<script type="application/json">(.*?)</script>', figure.html, re.DOTALL)
    assert text
    return json.loads(text[1])


def unpacked(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_points_come_back() -> None:
    data = drawn()
    assert np.array_equal(np.stack([unpacked(data["x"]), unpacked(data["y"])], 1), COORDS)
    assert data["ids"] == [str(index) for index in range(COUNT)]
    assert sum(atlas["count"] for atlas in data["atlases"]) == COUNT and data["slots"] is None and data["cells"]


def test_classes_scores_and_attributes_become_layers() -> None:
    label = np.array(["10", "9", "b"] * 10)
    has = np.array([1.0, 0.0, np.nan] * 10)
    score = np.linspace(-1, 1, COUNT)
    label_layer, has_layer, score_layer = drawn({"label": label, "hat": has, "tilt": score})["layers"]
    assert label_layer["categories"] == ["9", "10", "b"] and label_layer["codes"][:3] == [1, 0, 2]
    assert has_layer["categories"] == ["hat", "no hat", "unknown"] and has_layer["codes"][:3] == [0, 1, 2]
    assert np.allclose(unpacked(score_layer["scores"]), score) and score_layer["shown"][0] == "−1"


def test_many_points_need_webgl_and_the_policy_that_it_needs() -> None:
    few = scatter_map(COORDS, "t", ("x", "y"), {}, PICTURES, range(COUNT))
    many = np.zeros((module.MOST_SVG_POINTS + 1, 2))
    large = scatter_map(many, "t", ("x", "y"), {}, np.zeros((0, 1, 8, 8)), range(len(many)))
    assert few.needs == {"map", "plotly"} and large.needs == {"map", "plotly-gl"} and large.pictures == 0


def test_pictures_beyond_the_budget_are_sampled_and_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PICTURE_BUDGET_BYTES", 1500)
    data = drawn()
    slots = unpacked(data["slots"])
    kept = int((slots >= 0).sum())
    assert 0 < kept < COUNT and sum(atlas["count"] for atlas in data["atlases"]) == kept
    assert sorted(slots[slots >= 0]) == list(range(kept))
    section = map_section(COORDS, "Map", ("x", "y"), {}, PICTURES, range(COUNT))
    assert f"{kept} of {COUNT} points carry a picture" in section.html


def test_ellipses_are_closed_outlines() -> None:
    (outline,) = drawn(ellipses=[Ellipse(np.array([1.0, 2.0]), np.array([[3.0, 0.0], [0.0, 0.5]]), "@1")])["ellipses"]
    x, y = np.array(outline["x"]), np.array(outline["y"])
    assert np.allclose(((x - 1) / 3) ** 2 + ((y - 2) / 0.5) ** 2, 1, atol=1e-4)
    assert (x[0], y[0]) == (x[-1], y[-1]) and outline["caption"] == "@1"


def test_caution_stands_where_distances_cannot_be_trusted() -> None:
    parts = (COORDS, "Map", ("x", "y"), {}, PICTURES, range(COUNT), {"trustworthiness": 0.98})
    assert CAUTION in map_section(*parts).html and "<dd>0.98</dd>" in map_section(*parts).html
    assert CAUTION not in map_section(*parts, faithful=True).html


def test_table_holds_the_first_points_and_escapes() -> None:
    ids = ["</script><b>", *range(299)]
    html = scatter_map(np.zeros((300, 2)), "t", ("x", "y"), {}, np.zeros((0, 1, 8, 8)), ids).html
    assert html.count('<th scope="row">') == 200 and "first 200 of 300" in html and "<b>" not in html


def test_lengths_must_agree() -> None:
    for wrong in ({"ids": range(3)}, {"thumbnails": PICTURES[:3]}, {"coords": COORDS[:0]}, {"coords": COORDS.T}):
        with pytest.raises(DataError, match="one picture, id and colour a point"):
            drawn(**wrong)
    with pytest.raises(DataError, match="3 colour label"):
        drawn({"label": np.arange(3)})
