"""The map, in a real browser: looking, walking, searching, colouring, pinning, with the mouse and by keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
await until(() => root.dataset.ready);
"""
GREY = "const grey = (canvas) => canvas.getContext('2d').getImageData(2, 2, 1, 1).data[0];"


RGB = "getComputedStyle({}).backgroundColor.match(/\\d+/g).map(Number)"


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


def opened(open_page: Callable[..., Any], html: str, **context: Any) -> Any:
    """A tab whose map is ready, at the top of the window."""
    tab = open_page(html, **context)
    tab.wait_for_selector("[data-ready]", state="attached")
    tab.locator(".map-stage").scroll_into_view_if_needed()
    return tab


def spots(tab: Any) -> np.ndarray:
    """Where the nine points are in the window, from the places of the ring on two of them."""
    ends = []
    for name in ("a0", "a8"):
        tab.fill(".map-search", name)
        tab.press(".map-search", "Enter")
        box = tab.locator(".map-ring").bounding_box()
        ends.append((box["x"] + box["width"] / 2, box["y"] + box["height"] / 2))
    tab.fill(".map-search", "")
    tab.mouse.move(1, 1)
    low, high = np.array(ends)
    return low + (COORDS + 1) / 2 * (high - low)


def wait(tab: Any, met: str) -> None:
    """Wait until an expression is true in the page, whose policy forbids what Playwright's own waiting does."""
    tab.evaluate(
        f"""async () => {{
          const began = performance.now();
          while (!({met})) {{
            if (performance.now() - began > 5000) throw new Error("waited too long");
            await new Promise((done) => setTimeout(done, 20));
          }}
        }}"""
    )


def state(tab: Any, name: str) -> str:
    return tab.locator("[data-map]").get_attribute(f"data-{name}") or ""


def settle(tab: Any) -> None:
    tab.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_keys_walk_over_the_points_and_pin_their_pictures(visit) -> None:
    seen = visit(
        page(),
        READY
        + GREY
        + """
        const path = [];
        for (const key of ["Up", "Up", "Enter", "Right", "Enter", "Left", "Down", "Down", "Down"]) {
          press(stage, key === "Enter" ? key : `Arrow${key}`);
          path.push(root.dataset.current);
        }
        await until(() => [...$$(".map-tray canvas"), $(".map-card canvas")].every((canvas) => canvas.width === 8));
        await wait(100);
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
    assert said == "a1, label b"
    assert rest == ["a7 a8", "a7", "", True]


def test_keys_alone_reach_everything(open_page) -> None:
    tab = opened(open_page, page())
    names: list[str] = []
    for _ in range(30):
        tab.keyboard.press("Tab")
        names.append(
            tab.evaluate(
                """() => {
                  const { className, dataset } = document.activeElement;
                  return className || dataset.mode || dataset.zoom;
                }"""
            )
        )
        if names[-1] == "map-stage":
            break
    assert {"map-colour", "map-search", "move", "lasso", "box", "in", "out", "all"} <= set(names)
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("Enter")
    assert state(tab, "pinned") == "a4"
    tab.keyboard.press("l")
    assert state(tab, "mode") == "lasso" and tab.get_attribute('button[data-mode="lasso"]', "aria-pressed") == "true"
    tab.keyboard.press("b")
    assert state(tab, "mode") == "box"
    tab.keyboard.press("m")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "button map-clear"
    tab.keyboard.press("Enter")
    assert state(tab, "pinned") == "" and tab.evaluate("document.activeElement.className") == "map-stage"
    # The outline of what has the focus is seen.
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_mouse_shows_each_points_picture_beside_it(open_page, width: int) -> None:
    tab = opened(open_page, page(), viewport={"width": width, "height": 900})
    for point, (x, y) in enumerate(spots(tab)):
        tab.mouse.move(x + 5, y - 5)
        wait(tab, f"document.querySelector('[data-map]').dataset.current === 'a{point}'")
        wait(tab, "document.querySelector('.map-card canvas').width === 8")
        settle(tab)
        assert abs(grey_of(tab, ".map-card canvas") - 255 * LEVELS[point]) < 6
        card, ring = tab.locator(".map-card").bounding_box(), tab.locator(".map-ring").bounding_box()
        assert abs(ring["x"] + ring["width"] / 2 - x) < 1 and abs(ring["y"] + ring["height"] / 2 - y) < 1
        apart = (
            card["x"] > x + 9
            or card["x"] + card["width"] < x - 9
            or card["y"] > y + 9
            or card["y"] + card["height"] < y - 9
        )
        assert apart, f"the card lies on point {point}"
        assert card["x"] >= 0 and card["x"] + card["width"] <= width
    tab.mouse.move(1, 1)
    wait(tab, "document.querySelector('.map-card').hidden")


def test_a_click_pins_and_another_lets_go(open_page) -> None:
    tab = opened(open_page, page())
    places = spots(tab)
    tab.mouse.click(*places[2])
    tab.mouse.click(*places[6])
    assert state(tab, "pinned") == "a2 a6"
    assert tab.locator(".map-tray li p").all_text_contents() == ["a6", "a2"]
    tab.mouse.click(*places[2])
    assert state(tab, "pinned") == "a6"


def test_without_a_decoder_a_place_between_shows_the_nearest_point_and_says_so(open_page) -> None:
    tab = opened(open_page, page())
    places = spots(tab)
    tab.mouse.move(*(places[4] * 0.7 + places[5] * 0.3))
    wait(tab, "document.querySelector('[data-map]').dataset.current === 'a4'")
    assert "nearest point: this page carries no decoder" in tab.inner_text(".map-card-said")
    tab.mouse.move(*places[4])
    wait(tab, "!document.querySelector('.map-card-said').textContent")


def test_points_are_drawn_where_they_are_in_the_colours_of_the_legend(open_page) -> None:
    for scheme in ("light", "dark"):
        tab = opened(open_page, page(), color_scheme=scheme)
        colours = tab.evaluate(
            "[...document.querySelectorAll('.map-legend i')].map((dot) => " + RGB.format("dot") + ")"
        )
        ground = tab.evaluate(RGB.format("document.querySelector('.map-stage')"))
        places = spots(tab)
        for point, (x, y) in enumerate(places):
            pixel = drawn_at(tab, x, y)
            expected = 0.86 * np.array(colours[point % 3]) + 0.14 * np.array(ground)
            assert np.abs(pixel - expected).max() < 6
            assert np.abs(drawn_at(tab, x + 12, y - 12) - ground).max() < 3
        # Only one class: the others are no more than hinted at, and the mouse passes over them.
        tab.click(".map-legend button:nth-child(2)")
        settle(tab)
        assert np.abs(drawn_at(tab, *places[0]) - ground).max() < 60 < np.abs(drawn_at(tab, *places[1]) - ground).max()
        tab.mouse.move(*places[0])
        wait(tab, "document.querySelector('[data-map]').dataset.current === 'a1'")


def drawn_at(tab: Any, x: float, y: float) -> np.ndarray:
    """The colour of the points' canvas at a place of the window."""
    box = tab.locator(".map-points").bounding_box()
    return pixel_of(tab, ".map-points", int(x - box["x"]), int(y - box["y"]))


def grey_of(tab: Any, selector: str) -> float:
    return pixel_of(tab, selector, 3, 3)[0]


def pixel_of(tab: Any, selector: str, x: int, y: int) -> np.ndarray:
    """A pixel of a canvas, read from a copy: Chromium complains of canvases that are drawn and often read."""
    read = """([selector, x, y]) => {
      const copy = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
      copy.drawImage(document.querySelector(selector), -x, -y);
      return [...copy.getImageData(0, 0, 1, 1).data].slice(0, 3);
    }"""
    return np.array(tab.evaluate(read, [selector, x, y]), dtype=float)


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
          return [root.dataset.found, $(".map-found").textContent];
        };
        const found = [search("A3"), search("b"), search("none"), search("no odd"), search("")];
        const chips = $$(".map-legend button").map((chip) => chip.textContent);
        set(".map-colour", 1, "change");
        const scale = [root.dataset.colour, $(".map-scale").textContent];
        set(".map-colour", 2, "change");
        return [found, chips, scale, $$(".map-legend button span").map((name) => name.textContent)];
        """,
    )
    found, chips, scale, attribute = seen
    assert [hits for hits, _ in found] == ["1", "3", "0", "3", ""]
    assert [words for _, words in found] == ["1 found", "3 found", "0 found", "3 found", "9 points"]
    assert chips == ["a3", "b3", "c3"]
    assert scale == ["level", "01"] and attribute == ["odd", "no odd", "unknown"]


def test_scores_beyond_the_scale_are_said_and_missing_ones_counted(visit) -> None:
    scores = np.append(np.linspace(0, 1, 400), [1e6, np.nan, np.nan])
    coords = np.random.default_rng(0).normal(size=(403, 2))
    section = map_section(coords, "Map", ("x", "y"), {"level": scores}, np.zeros((0, 1, 8, 8)), range(403))
    text = visit(render_page("Map", "", [section]), READY + "return $('.map-scale').textContent;")
    assert text.startswith("≤ 0.01") and "≥ 0.99" in text and text.endswith("unknown 2")


def test_names_stand_only_where_their_class_is_and_never_on_one_another(open_page) -> None:
    generator = np.random.default_rng(0)
    # Two classes lie so near that their names would touch; the last one is drawn out, its middle among strangers.
    label = np.repeat(["here", "there", "close", "drawn out"], 100)
    middle = np.repeat([[0.0, 0], [12, 6], [13, 6.2], [0, 0]], 100, axis=0)
    middle[300:, 0] = np.linspace(-15, 15, 100)
    coords = middle + generator.normal(size=(400, 2)) * 0.5
    section = map_section(coords, "Map", ("x", "y"), {"label": label}, np.zeros((0, 1, 8, 8)), range(400))
    tab = opened(open_page, render_page("Map", "", [section]))
    names = tab.locator(".map-name")
    assert sorted(names.all_text_contents()) == ["close", "here", "there"]
    boxes = [names.nth(place).bounding_box() for place in range(3)]
    for place, one in enumerate(boxes):
        for other in boxes[:place]:
            beside = one["x"] + one["width"] < other["x"] or other["x"] + other["width"] < one["x"]
            assert beside or abs(one["y"] - other["y"]) > 14


def test_dragging_moves_wheel_and_keys_zoom_and_all_comes_back(open_page) -> None:
    tab = opened(open_page, page(), reduced_motion="reduce")
    for _ in range(2):
        tab.click('[data-zoom="out"]')
        settle(tab)
    before = spots(tab)
    x, y = before[4]
    tab.mouse.move(x + 40, y + 40)
    tab.mouse.down()
    tab.mouse.move(x + 60, y + 50)
    tab.mouse.move(x + 100, y + 70)
    tab.mouse.up()
    assert state(tab, "pinned") == ""
    moved = spots(tab)
    np.testing.assert_allclose(moved - before, np.broadcast_to([60, 30], (9, 2)), atol=1)
    tab.mouse.move(*moved[4])
    tab.mouse.wheel(0, -300)
    settle(tab)
    zoomed = spots(tab)
    factor = (zoomed[8, 0] - zoomed[0, 0]) / (moved[8, 0] - moved[0, 0])
    assert factor == pytest.approx(np.exp(300 * 0.0016), rel=0.01)
    # Nothing on the page is in motion.
    assert tab.evaluate("document.getAnimations().length") == 0
    tab.click('[data-zoom="all"]')
    settle(tab)
    np.testing.assert_allclose(spots(tab).mean(axis=0), before.mean(axis=0), atol=1)
    tab.focus(".map-stage")
    whole = unit(tab)
    for key, expected in (("+", 1.5), ("-", 1.0), ("=", 1.5), ("0", 1.0)):
        tab.keyboard.press(key)
        settle(tab)
        assert unit(tab) == pytest.approx(expected * whole, rel=0.01)


def unit(tab: Any) -> float:
    """The pixels between 0 and 1 on the x axis, by its ticks."""
    (low, left), (high, right) = tab.evaluate(
        """() => {
          const ticks = [...document.querySelectorAll(".map-tick:not(.map-tick-y)")];
          const read = (tick) => [Number(tick.textContent.replace("−", "-")), Number(tick.getAttribute("x"))];
          return [read(ticks[0]), read(ticks.at(-1))];
        }"""
    )
    return (right - left) / (high - low)


def test_labels_stay_text(visit) -> None:
    hostile = "</script><img src=x onerror=\"document.title='taken'\">"
    seen = visit(
        page(hostile),
        READY
        + """
        press(stage, "ArrowUp");
        press(stage, "Enter");
        $('[data-take="pinned"]').click();
        await wait(300);
        return [document.title, $$("img").length, $(".map-card-id").textContent, $(".map-legend span").textContent,
          $$(".map-axes text").map((each) => each.textContent).filter((text) => text.includes("onerror")).length,
          $(".map-pictures button").title, $(".map-tray li p").textContent];
        """,
    )
    title, images, caption, chip, drawn, *rest = seen
    assert (title, images) == ("Map", 0)
    # The axis is drawn whole; the caption of the outline is cut.
    assert caption == f"{hostile}4" and chip == hostile and drawn == 1
    assert rest == [f"{hostile}4", f"{hostile}4"]


@pytest.mark.parametrize("coords", [np.zeros((1, 2)), np.ones((3, 2)) * 7, np.array([[0, 1], [0, 2], [0, 9]])])
def test_maps_without_extent_are_drawn(visit, coords: np.ndarray) -> None:
    section = map_section(coords, "Map", ("x", "y"), {}, np.zeros((0, 1, 8, 8)), range(len(coords)))
    seen = visit(
        render_page("Map", "", [section]),
        READY
        + """
        press(stage, "ArrowUp");
        return [root.dataset.current !== "", !$(".map-ring").hidden, $$(".map-tick").length > 2];
        """,
    )
    assert seen == [True, True, True]


def test_nothing_is_wider_than_a_telephone(visit) -> None:
    seen = visit(
        page("a_name_without_spaces_that_goes_on_and_on_and_is_wider_than_a_telephone"),
        READY + "press(stage, 'ArrowUp'); press(stage, 'Enter'); return document.documentElement.scrollWidth;",
        viewport={"width": 390, "height": 800},
    )
    assert seen <= 390
