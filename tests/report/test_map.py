"""The map's data: every point with its picture, its id and its colours, and what is left out said."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from latentlab.errors import DataError
from latentlab.maps.inverse import Inverse
from latentlab.picture.atlas import Atlas
from latentlab.report.figures import map_picture, scatter_map
from latentlab.report.figures.map_layer import build_layers
from latentlab.report.figures.map_picture import build_pictures, morton
from latentlab.report.figures.map_quality import map_quality_figure
from latentlab.report.figures.packed import packed, packed_codes
from latentlab.report.figures.scatter_map import Ellipse
from latentlab.report.page import render_page
from latentlab.report.sections.map import CAUTION, map_section

COUNT = 30
COORDS = np.random.default_rng(0).normal(size=(COUNT, 2)).astype(np.float32)
PICTURES = np.random.default_rng(1).random((COUNT, 1, 8, 8)).astype(np.float32)
LATENTS = np.random.default_rng(2).normal(size=(COUNT, 5)).astype(np.float32)
TYPES = {"f4": "<f4", "f2": "<f2", "u1": "<u1", "u2": "<u2", "u4": "<u4"}


def parts(**changes: object) -> dict:
    values = {"coords": COORDS, "title": "t", "axes": ("x", "y"), "colours": {}, "thumbnails": PICTURES}
    return values | {"ids": range(COUNT)} | changes


def data_of(html: str) -> dict:
    text = re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)
    assert text
    return json.loads(text[1])


def drawn(**changes: object) -> dict:
    return data_of(scatter_map.scatter_map(**parts(**changes)).html)


def unpacked(part: dict[str, str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(part["data"]), TYPES[part["type"]])


def test_points_come_back() -> None:
    data = drawn()
    assert np.array_equal(np.stack([unpacked(data["x"]), unpacked(data["y"])], 1), COORDS)
    assert data["ids"] == [str(index) for index in range(COUNT)]
    assert sum(atlas["count"] for atlas in data["atlases"]) == COUNT and data["slots"] is None and data["cells"]
    assert data["inverse"] is None and data["split"] == "" and drawn(split="test")["split"] == "test"


def test_arrays_are_packed_in_the_smallest_type_that_holds_them() -> None:
    for most, kind in ((255, "u1"), (256, "u2"), (65_535, "u2"), (65_536, "u4")):
        part = packed_codes(np.array([0, most]), most)
        assert part["type"] == kind and unpacked(part).tolist() == [0, most]
    half = unpacked(packed(np.array([[0.1, -3.0], [1e9, -1e9]]), "f2"))
    assert half[:2] == pytest.approx([0.1, -3], rel=1e-3) and half[2:].tolist() == [65504, -65504]


def test_classes_scores_and_attributes_become_layers() -> None:
    colours = {
        "label": np.array(["10", "9", "b", "unknown", "B"] * 6),
        "hat": np.array([1.0, 0.0, np.nan] * 10),
        "tilt": np.where(np.arange(COUNT) == 2, np.inf, np.linspace(-1, 1, COUNT)),
        "loss_nats": np.arange(COUNT),
    }
    label, hat, tilt, loss = drawn(colours=colours)["layers"]
    assert label["categories"] == ["9", "10", "B", "b", "unknown"] and label["kind"] == "class"
    assert unpacked(label["codes"])[:5].tolist() == [1, 0, 3, 4, 2]
    # To have an attribute comes first, whatever it is called.
    assert hat["categories"] == ["hat", "no hat", "unknown"] and unpacked(hat["codes"])[:3].tolist() == [0, 1, 2]
    assert hat["kind"] == "attribute" and build_layers({"a": np.array([1, 0])})[0].categories == ("a", "no a")
    scores = unpacked(tilt["scores"])
    assert np.isnan(scores[2]) and np.allclose(np.delete(scores, 2), np.delete(colours["tilt"], 2))
    assert (loss["name"], loss["title"], loss["kind"]) == ("loss_nats", "loss (nats)", "score")


def test_neighbours_on_the_map_share_an_atlas() -> None:
    side = 64
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    coords = np.random.default_rng(0).permutation(np.stack([x.ravel(), y.ravel()], 1).astype(np.float32))
    thumbnails = np.broadcast_to((coords[:, 0] / side)[:, None, None, None], (side**2, 1, 4, 4))
    pictures = build_pictures(thumbnails, coords)
    slots = pictures.slots(side**2)
    assert sorted(slots) == list(range(side**2)) and len(pictures.atlases) == 4
    for atlas in pictures.atlases:
        inside = coords[pictures.points[atlas.first : atlas.first + atlas.count]]
        assert (np.ptp(inside, axis=0) < side / 2).all()
    # Each slot shows its own point.
    for point in (0, 1000, 4095):
        atlas = next(a for a in pictures.atlases if a.first <= slots[point] < a.first + a.count)
        assert _grey(atlas, slots[point]) == pytest.approx(coords[point, 0] / side, abs=0.04)
    assert morton(np.zeros((3, 2))).tolist() == [0, 0, 0]


def _grey(atlas: Atlas, slot: int) -> float:
    picture = Image.open(io.BytesIO(atlas.content)).convert("L").crop(atlas.box(slot))
    return float(np.asarray(picture).mean() / 255)


def test_pictures_beyond_the_budget_are_sampled_and_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_picture, "PICTURE_BUDGET_BYTES", 1500)
    data = drawn()
    slots = unpacked(data["slots"])
    kept = sum(atlas["count"] for atlas in data["atlases"])
    assert (
        0 < kept < COUNT and sorted(slots[slots < kept]) == list(range(kept)) and (slots == kept).sum() == COUNT - kept
    )
    assert f"{kept} of {COUNT} points carry a picture" in map_section(**parts()).html


def test_the_way_back_travels_with_the_page() -> None:
    assert drawn(inverse=Inverse("latent", COORDS))["inverse"] == {"kind": "latent", "size": 2, "neighbours": 8}
    near = drawn(inverse=Inverse("neighbours", LATENTS))["inverse"]
    assert (near["kind"], near["size"], near["neighbours"]) == ("neighbours", 5, 8) and "points" not in near
    np.testing.assert_allclose(unpacked(near["latents"]).reshape(COUNT, 5), LATENTS, rtol=1e-3, atol=1e-6)
    center, axes = np.arange(5.0), np.eye(2, 5)
    plane = drawn(inverse=Inverse("plane", LATENTS, center, axes))["inverse"]
    assert unpacked(plane["center"]).tolist() == center.tolist()
    assert np.array_equal(unpacked(plane["axes"]).reshape(2, 5), axes)


def test_latents_beyond_the_budget_are_sampled_and_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scatter_map, "LATENT_BUDGET_BYTES", 100)
    inverse = Inverse("neighbours", LATENTS)
    back = drawn(inverse=inverse)["inverse"]
    points = unpacked(back["points"])
    assert len(points) == 10 and (points[0], points[-1]) == (0, COUNT - 1)
    np.testing.assert_allclose(unpacked(back["latents"]).reshape(10, 5), LATENTS[points], rtol=1e-3, atol=1e-6)
    assert "10 of 30 points carry their latent" in map_section(**parts(inverse=inverse)).html
    latent = map_section(**parts(inverse=Inverse("latent", COORDS))).html
    assert "carry their latent" not in latent


def test_of_too_many_points_a_sample_of_every_class_is_drawn_and_the_page_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scatter_map, "MOST_POINTS", 10)
    label = np.array(["a"] * 28 + ["b"] * 2)
    changes = {"colours": {"level": np.linspace(0, 1, COUNT), "kind": label}, "inverse": Inverse("neighbours", LATENTS)}
    data = drawn(**changes)
    rows = np.array([int(name) for name in data["ids"]])
    assert len(rows) == 10 and (label[rows] == "b").sum() == 1
    np.testing.assert_array_equal(unpacked(data["x"]), COORDS[rows, 0])
    np.testing.assert_allclose(unpacked(data["layers"][0]["scores"]), np.linspace(0, 1, COUNT)[rows], rtol=1e-6)
    np.testing.assert_allclose(unpacked(data["inverse"]["latents"]).reshape(10, 5), LATENTS[rows], rtol=1e-3)
    assert sum(atlas["count"] for atlas in data["atlases"]) == 10
    said = map_section(**parts(**changes)).html
    assert "10 of 30 points are drawn" in said and "each value of “kind”" in said and "seed 0" in said
    plain = map_section(**parts(seed=3)).html
    assert "10 of 30 points are drawn: a random sample (seed 3)." in plain
    assert drawn(seed=3)["ids"] != drawn()["ids"]


def test_ellipses_are_closed_outlines() -> None:
    (outline,) = drawn(ellipses=[Ellipse(np.array([1.0, 2.0]), np.array([[3.0, 0.0], [0.0, 0.5]]), "@1")])["ellipses"]
    x, y = np.array(outline["x"]), np.array(outline["y"])
    assert np.allclose(((x - 1) / 3) ** 2 + ((y - 2) / 0.5) ** 2, 1, atol=1e-4)
    assert (x[0], y[0]) == (x[-1], y[-1]) and outline["caption"] == "@1"


def test_caution_stands_where_distances_cannot_be_trusted() -> None:
    assert CAUTION in map_section(**parts()).html and CAUTION not in map_section(**parts(), faithful=True).html


def test_quality_is_told_in_words_with_chance_and_ceiling() -> None:
    quality = {
        "trustworthiness": 0.98, "knn_recall": 0.3, "distance_spearman": -0.2, "neighbours": 15.0, "images": 1001.0,
        "label_hit": 0.9, "label_hit_latent": 0.95, "label_share": 0.125, "recovered": 0.5, "mine": 7.0,
    }  # fmt: skip
    html = str(map_quality_figure(quality, 70_000))
    assert "0.980" in html and "−0.200" in html and "chance gives 0.015" in html
    assert "Among the nearest latents: 0.950; always the largest class: 0.125." in html
    assert "A seeded sample of the 70,000 on the map; k = 15 neighbours." in html and "<dd>7</dd>" in html
    assert html.count("<dt>") == 7 and html.index("images scored") > html.index("mine")
    assert "All of the map" in str(map_quality_figure(quality, 1001))
    assert str(map_quality_figure(quality, 1001, faithful=True)).count("1 by construction") == 3
    assert "lies in the plane" in str(map_quality_figure(quality, 5, plane=True))
    assert map_quality_figure({}, 5) == ""


def test_table_holds_the_first_points_and_escapes() -> None:
    ids = ["</script><b>", *range(299)]
    changes = {"coords": np.zeros((300, 2)), "thumbnails": np.zeros((0, 1, 8, 8)), "ids": ids}
    html = scatter_map.scatter_map(**parts(**changes, colours={"hat": np.zeros(300)})).html
    assert html.count('<th scope="row">') == 200 and "first 200 of 300" in html and "<b>" not in html
    assert html.count("<td>no hat</td>") == 200


def test_a_page_with_a_map_compiles_nothing_and_carries_no_library() -> None:
    page = render_page("t", "s", [map_section(**parts())])
    assert "unsafe-eval" not in page and len(page) < 150_000


def test_what_does_not_fit_together_is_refused() -> None:
    short = {"inverse": Inverse("neighbours", LATENTS[:4])}
    for wrong in ({"ids": range(3)}, {"thumbnails": PICTURES[:3]}, {"coords": COORDS[:0]}, {"coords": COORDS.T}, short):
        with pytest.raises(DataError, match="one picture, id and colour a point"):
            drawn(**wrong)
    with pytest.raises(DataError, match="3 colour label"):
        drawn(colours={"label": np.arange(3)})
    with pytest.raises(DataError, match="finite coordinates"):
        drawn(coords=np.where(np.isclose(COORDS, COORDS[0, 0]), np.nan, COORDS))
