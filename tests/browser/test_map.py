"""The map, in a real browser."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.report.figures.scatter_map import Ellipse
from latentlab.report.page import render_page
from latentlab.report.sections.map import map_section

pytestmark = pytest.mark.browser

# Nine points on a cross and at its corners, each with a picture of its own grey level.
COORDS = np.array([[x, y] for y in (-1, 0, 1) for x in (-1, 0, 1)], dtype=np.float32)
LEVELS = np.linspace(0, 1, 9)
READY = """
const root = $("[data-map]");
const stage = $(".map-stage");
await until(() => root.dataset.ready && !$(".map-wait"));
"""


def page(text: str = "a") -> str:
    section = map_section(
        COORDS,
        "Map",
        ("x", text),
        {"label": np.array([text, "b", "c"] * 3), "level": LEVELS, "odd": np.array([1.0, 0.0, np.nan] * 3)},
        LEVELS[:, None, None, None] * np.ones((9, 1, 8, 8)),
        [f"{text}{index}" for index in range(9)],
        {"trustworthiness": 0.98},
        ellipses=[Ellipse(np.zeros(2), np.eye(2) * 0.3, text)],
    )
    return render_page("Map", "nine points", [section])


def test_keys_walk_over_the_points_and_pin_their_pictures(visit) -> None:
    seen = visit(
        page(),
        READY
        + """
        const grey = (canvas) => canvas.getContext("2d").getImageData(2, 2, 1, 1).data[0];
        const path = [];
        for (const key of ["Up", "Up", "Enter", "Right", "Enter", "Left", "Down", "Down", "Down"]) {
          press(stage, key === "Enter" ? key : `Arrow${key}`);
          path.push(root.dataset.current);
        }
        await wait(300);
        const greys = $$(".map-tray canvas").map(grey);
        const shown = grey($(".map-card canvas"));
        const said = $(".map-said").textContent;
        const pinned = root.dataset.pinned;
        $(".map-tray li button").click();
        const left = root.dataset.pinned;
        press(stage, "Escape");
        return [path, greys, shown, said, pinned, left, root.dataset.current, $(".map-card").hidden];
        """,
    )
    path, greys, shown, said, *rest = seen
    assert path == ["a4", "a7", "a7", "a8", "a8", "a7", "a4", "a1", "a1"]
    assert np.allclose(greys, [255 * LEVELS[8], 255 * LEVELS[7]], atol=6) and abs(shown - 255 * LEVELS[1]) < 6
    assert said == "a1, label b, level 0.125, odd no odd"
    assert rest == ["a7 a8", "a7", "", True]


def test_search_colours_and_legend(visit) -> None:
    seen = visit(
        page(),
        READY
        + """
        const set = (selector, value, event) => {
          $(selector).value = value;
          $(selector).dispatchEvent(new Event(event));
        };
        const search = (text) => {
          set(".map-search", text, "input");
          return root.dataset.found;
        };
        const found = [search("A3"), search("b"), search("none"), search("")];
        const chips = $$(".map-legend button").map((chip) => chip.textContent);
        $$(".map-legend button")[1].click();
        await wait(300);
        const faint = $(".map-plot").data.slice(0, 3).map((trace) => trace.opacity < .1);
        set(".map-colour", 1, "change");
        await wait(300);
        const scale = [root.dataset.colour, $(".map-scale").textContent, $(".map-plot").data.length];
        set(".map-colour", 2, "change");
        await wait(300);
        return [found, chips, faint, scale, $$(".map-legend button span").map((name) => name.textContent)];
        """,
    )
    found, chips, faint, scale, attribute = seen
    assert found == ["1", "3", "0", ""]
    assert chips == ["a3", "b3", "c3"] and faint == [True, False, True]
    # One trace of points, one of the ellipse.
    assert scale == ["level", "0.001.00", 2] and attribute == ["no odd", "odd", "unknown"]


def test_thousands_of_points_are_drawn_with_and_without_webgl(visit) -> None:
    coords = np.random.default_rng(0).normal(size=(6000, 2))
    section = map_section(coords, "Map", ("x", "y"), {"level": coords[:, 0]}, np.zeros((0, 1, 8, 8)), range(6000))
    seen = visit(
        render_page("Map", "six thousand points", [section]),
        READY + "return [$('.map-plot').data[0].x.length, stage.clientHeight - $('.map-plot .main-svg').clientHeight];",
    )
    assert seen == [6000, 0]


def test_labels_stay_text(visit) -> None:
    hostile = "</script><img src=x onerror=\"document.title='taken'\">"
    seen = visit(
        page(hostile),
        READY
        + """
        press(stage, "ArrowUp");
        press(stage, "Enter");
        await wait(300);
        return [document.title, $$("img").length, $(".map-card-id").textContent, $(".map-legend span").textContent,
          $$(".map-plot text").map((each) => each.textContent).filter((text) => text.includes("onerror")).length];
        """,
    )
    title, images, caption, chip, drawn = seen
    assert (title, images) == ("Map", 0)
    assert caption == f"{hostile}4" and chip == hostile and drawn == 3
