"""The bench's data: every latent, direction and picture comes back from the page as it went in."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from latentlab.directions.direction import Direction
from latentlab.errors import DataError
from latentlab.evaluation.safe import SafeRange
from latentlab.picture.encode import as_pixels
from latentlab.report.figures import bench as module
from latentlab.report.figures.bench import Bench, BenchAttribute, BenchStart, Stills, bench_figure
from latentlab.report.sections.bench import bench_section
from latentlab.statistics.covariance import Covariance, fit_covariance
from latentlab.statistics.support import Support

HOSTILE = "</script><img src=x onerror=alert(1)>"
STEPS = (-1.0, -0.5, 0.0, 0.5, 1.0)
D, STARTS, ATTRIBUTES = 5, 3, 2


def small_bench(name: str = "smile", **parts: Any) -> Bench:
    """Three starts, two attributes (one without a readout), five dimensions; each picture has a grey of its own."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.normal(size=shape).astype(np.float32)  # noqa: E731
    count = STARTS * (1 + ATTRIBUTES * 4) + (STARTS - 1) * 3
    levels = np.arange(count) / 64
    attributes = (
        BenchAttribute(
            Direction(name, draw(D), "mean", readout=draw(D), intercept=0.25), SafeRange(-1, 2, "cycle", "")
        ),
        BenchAttribute(Direction("hat", draw(D), "mean"), None, "cannot be judged"),
    )
    latents = draw(80, D) * [1, 2, 3, 4, 0]
    values: dict[str, Any] = {
        "model": name,
        "checkpoint": "c" * 64,
        "starts": (
            BenchStart("mean", name, "mean"),
            BenchStart("row:4", "@4", "gallery"),
            BenchStart("sample:0", "sample 0", "sample"),
        ),
        "latents": draw(STARTS, D),
        "attributes": attributes,
        "deviations": np.array([1, 2, 3, 4, 0], np.float32),
        "dimensions": (3, 2, 1, 0),
        "center": draw(D),
        "support": Support(latents.astype(np.float32), fit_covariance(latents)),
        "known": "80 images",
        "stills": Stills((1, 0, 2), (name, "hat"), STEPS, levels[:, None, None, None] * np.ones((count, 1, 8, 8))),
    }
    return Bench(**{**values, **parts})


def data_of(html: str) -> dict[str, Any]:
    text = re.search(r'class="bench-data">(.*?)</script>', html, re.DOTALL)
    assert text
    return json.loads(text[1])


def unpacked(text: str, kind: str = "<f4") -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def sprite_of(html: str) -> np.ndarray:
    text = re.search(r'href="data:image/\w+;base64,([^"]+)"', html)
    assert text
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text[1]))))


def test_latents_and_directions_come_back() -> None:
    bench = small_bench()
    data = data_of(bench_figure(bench))
    assert np.array_equal(unpacked(data["starts"]["latents"]).reshape(STARTS, D), bench.latents)
    assert data["starts"]["keys"] == ["mean", "row:4", "sample:0"] and data["starts"]["kinds"][1] == "gallery"
    vectors = [one.direction.vector for one in bench.attributes]
    assert np.array_equal(unpacked(data["vectors"]).reshape(2, D), vectors)
    # One readout: the other attribute has none, and says so.
    assert np.array_equal(unpacked(data["readouts"]), bench.attributes[0].direction.readout)
    assert [one["read"] for one in data["attributes"]] == [True, False]
    assert data["attributes"][0] == {
        "name": "smile", "read": True, "intercept": 0.25, "safe": [-1, 2], "limits": ["cycle", ""], "doubt": ""
    }  # fmt: skip
    assert data["attributes"][1]["safe"] is None and data["attributes"][1]["doubt"] == "cannot be judged"
    assert np.array_equal(unpacked(data["deviations"]), bench.deviations) and data["dimensions"] == [3, 2, 1, 0]
    assert np.array_equal(unpacked(data["center"]), bench.center)
    assert (data["size"], data["image"], data["model"], data["checkpoint"]) == (D, [1, 8, 8], "smile", "c" * 64)


def test_the_gauge_has_what_the_percentile_takes() -> None:
    bench = small_bench()
    assert bench.support
    gauge = data_of(bench_figure(bench))["support"]
    assert gauge["alive"] == [0, 1, 2, 3] and gauge["known"] == "80 images"
    matrix = np.zeros((4, 4))
    matrix[np.tril_indices(4)] = unpacked(gauge["triangle"])
    assert np.array_equal(np.tril(bench.support.covariance.matrix[:4, :4]), matrix)
    assert np.array_equal(unpacked(gauge["distances"], "<f8"), bench.support.distances)
    assert np.array_equal(unpacked(gauge["center"]), bench.support.covariance.center)


def test_many_distances_are_thinned_and_large_covariances_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = small_bench()
    assert bench.support
    monkeypatch.setattr(module, "MOST_DISTANCES", 11)
    kept = unpacked(data_of(bench_figure(bench))["support"]["distances"], "<f8")
    assert len(kept) == 11 and kept[0] == bench.support.distances[0] and kept[-1] == bench.support.distances[-1]
    monkeypatch.setattr(module, "MOST_GAUGED", 3)
    assert data_of(bench_figure(bench))["support"] is None
    assert data_of(bench_figure(small_bench(support=None)))["support"] is None


@pytest.mark.parametrize(
    ("low", "high", "limits", "span"),
    [
        (-1, 2.9, ("cycle", "cycle"), 3),
        (-1, 3.1, ("", "cycle"), 4),
        (-3.2, 1, ("distance", ""), 4),
        (-4, 4, ("", ""), 3),
    ],
)
def test_sliders_go_as_far_as_shows_where_safety_ends(low: float, high: float, limits: Any, span: float) -> None:
    one = replace(small_bench().attributes[0], safe=SafeRange(low, high, *limits))
    assert data_of(bench_figure(small_bench(attributes=(one,))))["span"] == span


def test_every_still_stands_where_its_name_says() -> None:
    """The picture of a start, axis and step is what was put there, in the sprite and in the table."""
    bench = small_bench()
    html = bench_figure(bench)
    sheet = sprite_of(html)
    expected = as_pixels(bench.stills.images)
    columns = data_of(html)["stills"]["columns"]
    for index, pixels in enumerate(expected):
        top, left = 8 * (index // columns), 8 * (index % columns)
        assert np.array_equal(sheet[top : top + 8, left : left + 8], pixels)
    stills = bench.stills
    assert stills.row(0, 0) == [1, 2, 0, 3, 4] and stills.row(0, 1) == [5, 6, 0, 7, 8]
    assert stills.row(2, 1) == [23, 24, 18, 25, 26]
    assert stills.between(0) == [0, 27, 28, 29, 9] and stills.between(1) == [9, 30, 31, 32, 18]
    boxes = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', html, re.DOTALL)
    assert [caption for caption, _ in boxes] == ["smile", "hat", "@4 → smile", "smile → sample 0"]
    rows = [stills.row(0, 0), stills.row(0, 1), stills.between(0), stills.between(1)]
    for (_, cells), tiles in zip(boxes, rows, strict=True):
        found = re.findall(r'viewBox="(\d+) (\d+) 8 8"', cells)
        assert found == [(str(8 * (tile % columns)), str(8 * (tile // columns))) for tile in tiles]
    assert 'aria-label="@4, hat −0.5"' in html and 'aria-label="1/4 of the way from @4 to smile"' in html


def test_stills_shrink_until_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).random((33, 3, 96, 48)).astype(np.float32)
    bench = small_bench()
    bench = replace(bench, stills=replace(bench.stills, images=noise))
    data = data_of(bench_figure(bench))
    assert (data["stills"]["width"], data["stills"]["height"]) == (32, 64) and data["image"] == [3, 96, 48]
    assert sprite_of(bench_figure(bench)).shape == (2 * 64, 32 * 32, 3)
    large = len(bench_figure(bench))
    monkeypatch.setattr(module, "STILL_BUDGET", 9_000)
    assert data_of(bench_figure(bench))["stills"]["height"] == 32 and len(bench_figure(bench)) < large / 2


def test_names_are_words_and_nothing_else() -> None:
    html = bench_section(small_bench(HOSTILE)).html
    assert "<img" not in html and html.count("</script>") == 1
    assert data_of(html)["attributes"][0]["name"] == HOSTILE


def test_the_section_says_what_is_missing_and_doubtful() -> None:
    bench = small_bench(left_out=("7 of 12 starts are left out",))
    section = bench_section(bench)
    assert (section.id, section.title, section.needs) == ("bench", "Bench", {"bench"})
    assert "hat: cannot be judged" in section.html and "7 of 12 starts are left out" in section.html
    assert "no decoder" in data_of(section.html)["why"] and data_of(section.html)["error"] is None
    assert data_of(bench_section(bench, why="lstm is not known").html)["why"] == "lstm is not known"
    carried = data_of(bench_section(bench, {"error": 0.013}, "not said").html)
    assert carried["why"] == "" and carried["error"] == 0.013


def test_without_attributes_dimensions_are_pictured() -> None:
    bench = small_bench(attributes=())
    html = bench_figure(replace(bench, stills=replace(bench.stills, axes=("z3", "z0"))))
    assert "<h3>Attributes</h3>" not in html and 'aria-label="@4, dim 3 +0.5 σ"' in html
    assert data_of(html)["vectors"] == "" and data_of(html)["span"] == 3


def test_what_does_not_belong_together_is_refused() -> None:
    for wrong in ({"latents": np.zeros((2, D))}, {"center": np.zeros(4)}, {"deviations": np.zeros(6)}, {"starts": ()}):
        with pytest.raises(DataError, match="one latent space"):
            bench_figure(small_bench(**wrong))


def test_a_dead_latent_space_has_no_room_in_the_gauge() -> None:
    matrix = np.diag(np.array([1, 0, 0, 0, 2], np.float32))
    support = Support(np.ones((3, D), np.float32), Covariance(np.zeros(D, np.float32), matrix, 3))
    gauge = data_of(bench_figure(small_bench(support=support)))["support"]
    assert gauge["alive"] == [0, 4] and unpacked(gauge["triangle"]).tolist() == [1, 0, 2]
