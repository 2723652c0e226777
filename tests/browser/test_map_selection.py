"""Selections of the map, in a real browser: lasso, box and buttons, the gallery, and what is downloaded."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial import KDTree

from latentlab.report.page import render_page
from latentlab.report.sections.map import map_section

pytestmark = pytest.mark.browser

SIDE = 6
COORDS = np.array([[x, y] for y in range(SIDE) for x in range(SIDE)], dtype=np.float32)
COUNT = len(COORDS)
LEVELS = np.linspace(0, 1, COUNT)
HAT = np.where(np.arange(COUNT) % 3 == 2, np.nan, np.arange(COUNT) % 3)
IDS = [f"p/{k}" for k in range(COUNT)]


def page(ids: list[str] = IDS, labels: list[str] | None = None) -> str:
    section = map_section(
        COORDS,
        "Map",
        ("x", "y"),
        {"label": np.array(labels or ["a", "b"] * (COUNT // 2)), "hat": HAT, "loss_nats": LEVELS - 0.5},
        LEVELS[:, None, None, None] * np.ones((COUNT, 1, 8, 8)),
        ids,
        split="test",
    )
    return render_page("Map", "", [section])


def opened(open_page: Callable[..., Any], html: str) -> tuple[Any, np.ndarray]:
    """A tab with its map, and where the points are in the window."""
    tab = open_page(html, accept_downloads=True)
    tab.wait_for_selector("[data-ready]", state="attached")
    tab.locator(".map-stage").scroll_into_view_if_needed()
    box = tab.locator(".map-points").bounding_box()
    # The whole map in the middle, with 22 pixels round it; one unit is as long on either axis.
    scale = (min(box["width"], box["height"]) - 44) / (SIDE - 1)
    middle = np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])
    return tab, middle + (COORDS - (SIDE - 1) / 2) * [scale, -scale]


def drag(tab: Any, corners: np.ndarray) -> None:
    tab.mouse.move(*corners[0])
    tab.mouse.down()
    for corner in corners[1:]:
        tab.mouse.move(*corner, steps=4)
    tab.mouse.up()


def state(tab: Any, name: str) -> str:
    return tab.locator("[data-map]").get_attribute(f"data-{name}") or ""


def saved(tab: Any, kind: str) -> str:
    with tab.expect_download() as waiting:
        tab.click(f'[data-save="{kind}"]')
    return Path(waiting.value.path()).read_bytes().decode("utf-8")


def ids_of(tab: Any) -> list[str]:
    return [row[0] for row in list(csv.reader(io.StringIO(saved(tab, "csv"))))[1:]]


def test_a_lasso_takes_just_the_points_inside_it(open_page) -> None:
    tab, places = opened(open_page, page())
    tab.click('button[data-mode="lasso"]')
    unit = places[1, 0] - places[0, 0]
    # Round the lower left triangle of three points a side; the middle of the hypotenuse is cut off by a bay.
    low = places[0]
    corners = np.array([[-0.5, -0.5], [2.5, -0.5], [2.4, 0.4], [1.2, 0.4], [0.4, 1.2], [0.4, 2.4], [-0.5, 2.5]])
    drag(tab, low + corners * [unit, -unit])
    assert state(tab, "selected") == "5" and ids_of(tab) == ["p/0", "p/1", "p/2", "p/6", "p/12"]
    assert tab.inner_text(".map-gallery-said") == "5 points selected:"
    greys = tab.evaluate(
        """async () => {
          const canvases = [...document.querySelectorAll(".map-pictures canvas")];
          const began = performance.now();
          while (!canvases.every((canvas) => canvas.width === 8) && performance.now() - began < 5000) {
            await new Promise((done) => setTimeout(done, 20));
          }
          return canvases.map((canvas) => {
            const copy = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
            copy.drawImage(canvas, 0, 0);
            return copy.getImageData(3, 3, 1, 1).data[0];
          });
        }"""
    )
    np.testing.assert_allclose(greys, 255 * LEVELS[[0, 1, 2, 6, 12]], atol=6)
    makeup = tab.locator(".map-makeup li").all_inner_texts()
    assert [" ".join(part.split()) for part in makeup] == ["a 80 % on the map 50 %", "b 20 % on the map 50 %"]
    # A selection lets go; the map is whole again.
    tab.click('[data-save="none"]')
    tab.wait_for_selector(".map-shape", state="detached")
    assert state(tab, "selected") == ""


def test_a_box_takes_its_points_from_any_corner_and_only_those_that_are_shown(open_page) -> None:
    tab, places = opened(open_page, page())
    tab.keyboard.press("Tab")
    tab.focus(".map-stage")
    tab.keyboard.press("b")
    unit = places[1, 0] - places[0, 0]
    drag(tab, np.array([places[14] + [unit * 0.4, -unit * 0.4], places[7] + [-unit * 0.4, unit * 0.4]])[::-1])
    assert ids_of(tab) == ["p/7", "p/8", "p/13", "p/14"]
    tab.click(".map-legend button:nth-child(2)")
    drag(tab, np.array([places[14] + [unit * 0.4, -unit * 0.4], places[7] + [-unit * 0.4, unit * 0.4]]))
    assert ids_of(tab) == ["p/7", "p/13"]
    # Escape drops a stroke that is not finished, and then the selection.
    tab.mouse.move(*places[0])
    tab.mouse.down()
    tab.mouse.move(*places[20])
    tab.keyboard.press("Escape")
    tab.mouse.up()
    assert state(tab, "selected") == "2"
    tab.mouse.move(1, 1)
    tab.keyboard.press("Escape")
    assert state(tab, "selected") == ""


def test_the_pointer_still_zooms_and_shows_while_the_lasso_is_chosen(open_page) -> None:
    tab, places = opened(open_page, page())
    tab.click('button[data-mode="lasso"]')
    tab.mouse.move(*places[9])
    tab.wait_for_selector(".map-card:not([hidden])")
    assert state(tab, "current") == "p/9"
    tab.mouse.click(*places[9])
    assert state(tab, "pinned") == "p/9" and state(tab, "selected") == ""


def test_buttons_take_what_is_found_in_view_and_pinned(open_page) -> None:
    tab, places = opened(open_page, page())
    assert tab.is_disabled('[data-take="found"]') and tab.is_disabled('[data-take="pinned"]')
    tab.fill(".map-search", "p/3")
    tab.click('[data-take="found"]')
    assert ids_of(tab) == ["p/3", *(f"p/3{k}" for k in range(6))]
    tab.fill(".map-search", "")
    tab.mouse.click(*places[20])
    tab.mouse.click(*places[4])
    tab.click('[data-take="pinned"]')
    assert ids_of(tab) == ["p/4", "p/20"]
    tab.click('[data-take="shown"]')
    assert state(tab, "selected") == str(COUNT)
    tab.mouse.move(*places[0])
    tab.mouse.wheel(0, -1500)
    tab.wait_for_timeout(100)
    tab.click('[data-take="shown"]')
    assert ids_of(tab) == ["p/0"]


def test_the_gallery_shows_two_hundred_and_then_more(open_page) -> None:
    coords = np.random.default_rng(0).normal(size=(450, 2))
    pictures = np.zeros((450, 1, 8, 8))
    section = map_section(coords, "Map", ("x", "y"), {}, pictures, range(450))
    tab = open_page(render_page("Map", "", [section]))
    tab.wait_for_selector("[data-ready]", state="attached")
    tab.click('[data-take="shown"]')
    assert tab.locator(".map-pictures li").count() == 200
    assert tab.inner_text(".map-more") == "and 250 more: show 200 of them"
    tab.click(".map-more")
    assert tab.locator(".map-pictures li").count() == 400
    # The keyboard goes on at the first of the new ones, and pins from there.
    assert tab.evaluate("document.activeElement.title") == "200"
    tab.keyboard.press("Enter")
    assert state(tab, "pinned") == "200"
    tab.click(".map-more")
    assert tab.locator(".map-pictures li").count() == 450 and tab.is_hidden(".map-more")


def test_csv_is_quoted_defused_and_complete(open_page) -> None:
    ids = ["=1+1", "+a", "-b", "@c", "\tt", 'quo"te', "com,ma", "line\nbreak", "Größe 数", "plain", *IDS[10:]]
    tab, _ = opened(open_page, page(ids))
    tab.click('[data-take="shown"]')
    text = saved(tab, "csv")
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    assert head == ["id", "x", "y", "label", "hat", "loss_nats", "split"]
    assert [row[0] for row in rows] == ["'=1+1", "'+a", "'-b", "'@c", "'\tt", *ids[5:]]
    np.testing.assert_array_equal(np.array([row[1:3] for row in rows], float), COORDS)
    assert [row[3] for row in rows[:3]] == ["a", "b", "a"] and {row[6] for row in rows} == {"test"}
    assert [row[4] for row in rows[:3]] == ["0", "1", ""]
    # Numbers stay numbers, however they begin, and come back as the very float32.
    loss = np.array([row[5] for row in rows], dtype=np.float32)
    assert loss[0] < 0 and np.array_equal(loss, (LEVELS - 0.5).astype(np.float32))
    assert text.count("\r\n") == COUNT + 1 and '"""' not in text.replace('quo""te', "")


def test_json_holds_the_same_and_takes_any_name(open_page) -> None:
    tab, _ = opened(open_page, page(labels=["=x", "</script>"] * (COUNT // 2)))
    tab.fill(".map-search", "p/7")
    tab.click('[data-take="found"]')
    data = json.loads(saved(tab, "json"))
    assert data["map"] == "Map" and data["axes"] == ["x", "y"]
    assert data["points"] == [
        {
            "id": "p/7",
            "x": 1,
            "y": 1,
            "values": {"label": "</script>", "hat": 1, "loss_nats": pytest.approx(LEVELS[7] - 0.5, abs=1e-7)},
            "split": "test",
        }
    ]
    section = map_section(COORDS, "M", ("x", "y"), {"__proto__": LEVELS + np.nan}, np.zeros((0, 1, 8, 8)), IDS)
    tab = open_page(render_page("M", "", [section]), accept_downloads=True)
    tab.wait_for_selector("[data-ready]", state="attached")
    tab.click('[data-take="shown"]')
    first = json.loads(saved(tab, "json"))["points"][0]
    assert first["values"] == {"__proto__": None} and "split" not in first


def test_an_empty_selection_is_said_and_gives_nothing_away(open_page) -> None:
    tab, places = opened(open_page, page())
    tab.keyboard.press("Tab")
    tab.focus(".map-stage")
    tab.keyboard.press("l")
    middle = places[:2].mean(axis=0)
    drag(tab, middle + np.array([[-9, -9], [9, -9], [9, 9], [-9, 9]]))
    assert tab.inner_text(".map-gallery-said") == "0 points selected." and tab.is_disabled('[data-save="csv"]')


def test_outlines_and_neighbours_are_found_as_by_brute_force(visit) -> None:
    generator = np.random.default_rng(0)
    points = np.concatenate([generator.normal(size=(600, 2)), generator.normal(size=(3, 2)) * 40]).astype(np.float32)
    # Self-crossing strokes on purpose: what is gone round twice is inside.
    outlines = [generator.normal(size=(count, 2)) for count in (2, 3, 4, 9, 40, 300)]
    places = generator.normal(size=(40, 2)) * 3
    taken, near, few, none = visit(
        page(),
        f"""
        const {{ buildIndex, pointsInside }} = latentlab.map;
        const points = {points.tolist()};
        const [xs, ys] = [0, 1].map((axis) => Float32Array.from(points, (point) => point[axis]));
        const index = buildIndex(xs, ys);
        const odd = (point) => point % 2 === 1;
        return [
          {[outline.tolist() for outline in outlines]}.map((outline) => [...pointsInside(xs, ys, outline)]),
          {places.tolist()}.map(([x, y]) => index.several(x, y, 8).map(([point]) => point)),
          {places.tolist()}.map(([x, y]) => index.nearest(x, y, odd)),
          [index.nearest(9, 9, undefined, 1e-3), index.nearest(0, 0, () => false)],
        ];
        """,
    )
    for rows, outline in zip(taken, outlines, strict=True):
        assert rows == [row for row, point in enumerate(points) if winds(point.astype(float), outline)]
    expected = KDTree(points).query(places, k=8)[1]
    assert near == expected.tolist()
    odd = np.arange(1, len(points), 2)
    assert few == odd[KDTree(points[odd]).query(places)[1]].tolist()
    assert none == [-1, -1]


def winds(point: np.ndarray, outline: np.ndarray) -> bool:
    """Whether an outline goes round a point: the sum of the angles of its edges, seen from there, is not 0."""
    to = outline - point
    turn = np.roll(to, -1, axis=0)
    angles = np.arctan2(to[:, 0] * turn[:, 1] - to[:, 1] * turn[:, 0], (to * turn).sum(axis=1))
    return round(angles.sum() / (2 * np.pi)) != 0


def test_points_without_pictures_stand_there_by_their_id(open_page) -> None:
    some = np.arange(0, COUNT, 2)
    for pictured, pictures in ((None, np.zeros((0, 1, 8, 8))), (some, np.ones((len(some), 1, 8, 8)))):
        section = map_section(COORDS, "M", ("x", "y"), {"level": LEVELS}, pictures, IDS, pictured=pictured)
        tab = open_page(render_page("M", "", [section]))
        tab.wait_for_selector("[data-ready]", state="attached")
        tab.click('[data-take="shown"]')
        tab.wait_for_selector(".map-pictures canvas[hidden]", state="attached")
        shown = tab.locator(".map-pictures button")
        texts = [shown.nth(place).inner_text() for place in range(4)]
        assert texts == (["p/0", "p/1", "p/2", "p/3"] if pictured is None else ["", "p/1", "", "p/3"])
        assert ("its picture" in tab.inner_text(".map-tray")) == (pictured is not None)
