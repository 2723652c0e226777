"""Places between the points of a map, and the bench's place on it, in a real browser with a decoder that is linear."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import latentlab as ll
from latentlab.lab.result import page as document
from latentlab.maps.inverse import Inverse, neighbour_mean
from latentlab.report.page import Section, render_page
from latentlab.report.sections.map import map_section

pytestmark = pytest.mark.browser

SIZE, COUNT = 5, 60
generator = np.random.default_rng(0)
LATENTS = generator.normal(size=(COUNT, SIZE)).astype(np.float32)
COORDS = generator.uniform(-1, 1, size=(COUNT, 2)).astype(np.float32)
# Pictures of 32×32 that are grey all over: ½ + w·z.
WEIGHTS = np.array([0.11, -0.07, 0.05, 0.04, -0.06])
STUB = """<script>
globalThis.latentlab ??= {};
{
  const weights = %s;
  const asked = [];
  latentlab.asked = asked;
  latentlab.live = {
    size: weights.length,
    shape: [1, 32, 32],
    ready: Promise.resolve({ mode: "stub" }),
    draw: async (z, options) => {
      asked.push([[...z], options.key]);
      if (latentlab.broken) throw new Error("broken");
      const level = 255 * weights.reduce((sum, weight, i) => sum + weight * z[i], 0.5);
      const pixels = new ImageData(32, 32);
      for (let i = 0; i < pixels.data.length; i += 1) pixels.data[i] = i %% 4 === 3 ? 255 : level;
      return pixels;
    },
  };
}
</script>"""


def page(inverse: Inverse | None, coords: np.ndarray = COORDS, live: bool = True, bench: bool = False) -> str:
    section = map_section(
        coords,
        "Map",
        ("x", "y"),
        {"label": np.array(["a", "b"] * (len(coords) // 2))},
        np.zeros((len(coords), 1, 32, 32)),
        range(len(coords)),
        inverse=inverse,
    )
    # A stand-in for the bench: its tab, and what tells that it is there.
    other = Section("bench", "Bench", html=section.html.__class__("<div data-bench></div>"))
    html = render_page("Map", "", [section, other] if bench else [section])
    weights = WEIGHTS[: 2 if inverse is not None and inverse.kind == "latent" else SIZE]
    return html.replace("<body>", f"<body>{STUB % json.dumps(weights.tolist())}" if live else "<body>", 1)


def opened(open_page: Callable[..., Any], html: str) -> Any:
    tab = open_page(html)
    tab.wait_for_selector("[data-ready]", state="attached")
    tab.locator(".map-stage").scroll_into_view_if_needed()
    return tab


def state(tab: Any, name: str) -> str:
    return tab.locator("[data-map]").get_attribute(f"data-{name}") or ""


def to_window(tab: Any, place: np.ndarray, coords: np.ndarray = COORDS) -> np.ndarray:
    """A place of the map in the window, while the whole map is seen."""
    box = tab.locator(".map-points").bounding_box()
    low, high = coords.min(axis=0), coords.max(axis=0)
    scale = ((np.array([box["width"], box["height"]]) - 44) / (high - low)).min()
    middle = np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])
    return middle + (np.asarray(place) - (low + high) / 2) * [scale, -scale]


def free_place(coords: np.ndarray) -> np.ndarray:
    """A place within the map that is far from every point."""
    places = np.random.default_rng(1).uniform(coords.min(axis=0) * 0.8, coords.max(axis=0) * 0.8, size=(2000, 2))
    far = np.linalg.norm(places[:, None] - coords, axis=2).min(axis=1)
    return places[far.argmax()]


def shows(tab: Any, selector: str, level: float) -> bool:
    """Whether a canvas comes to show a grey level."""
    return tab.evaluate(
        """async ([selector, level]) => {
          const began = performance.now();
          const copy = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
          for (;;) {
            copy.drawImage(document.querySelector(selector), 0, 0);
            if (Math.abs(copy.getImageData(9, 9, 1, 1).data[0] - level) < 2) return true;
            if (performance.now() - began > 5000) return false;
            await new Promise((done) => setTimeout(done, 50));
          }
        }""",
        [selector, float(level)],
    )


def expected_level(z: np.ndarray) -> float:
    return 255 * (0.5 + WEIGHTS[: len(z)] @ z)


CENTER = LATENTS.mean(axis=0)
AXES = np.linalg.qr(generator.normal(size=(SIZE, 2)))[0].T
PLANE = (LATENTS - CENTER) @ AXES.T
CASES = {
    "latent": (Inverse("latent", COORDS), COORDS, lambda place: place, "exactly this latent"),
    "plane": (
        Inverse("plane", LATENTS, CENTER, AXES),
        PLANE,
        lambda place: CENTER + place @ AXES,
        "on the plane of two principal components",
    ),
    "neighbours": (
        Inverse("neighbours", LATENTS),
        COORDS,
        lambda place: neighbour_mean(place[None], COORDS, LATENTS)[0],
        "mean of the 8 nearest points",
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_between_points_the_decoder_draws_the_latent_of_the_place_and_the_card_says_which(open_page, kind: str) -> None:
    inverse, coords, latent_of, said = CASES[kind]
    tab = opened(open_page, page(inverse, coords))
    place = free_place(coords)
    tab.mouse.move(*to_window(tab, place, coords))
    tab.wait_for_selector(".map-card:not([hidden])")
    place = np.array(state(tab, "place").split(), float)
    assert np.linalg.norm(to_window(tab, place, coords) - to_window(tab, free_place(coords), coords)) < 1
    z, key = tab.evaluate("latentlab.asked.at(-1)")
    np.testing.assert_allclose(z, latent_of(place), atol=2e-3)
    assert key == "map" and said in tab.inner_text(".map-card-said")
    assert shows(tab, ".map-card canvas", expected_level(latent_of(place)))
    # A point shows its own picture again.
    tab.mouse.move(*to_window(tab, coords[7], coords))
    tab.wait_for_selector(".map-ring:not([hidden])")
    assert state(tab, "current") == "7" and shows(tab, ".map-card canvas", 0) and not tab.inner_text(".map-card-said")


def test_far_from_every_image_the_card_says_that_too(open_page) -> None:
    coords = np.concatenate([COORDS, np.add(COORDS, [60, 0])]).astype(np.float32)
    latents = np.concatenate([LATENTS, LATENTS])
    tab = opened(open_page, page(Inverse("neighbours", latents), coords))
    tab.mouse.move(*to_window(tab, np.array([30.0, 0.0]), coords))
    tab.wait_for_selector(".map-card:not([hidden])")
    assert "no image lies near" in tab.inner_text(".map-card-said")


def test_keys_step_between_the_points_and_pin_what_is_there(open_page) -> None:
    tab = opened(open_page, page(CASES["latent"][0]))
    tab.focus(".map-stage")
    tab.keyboard.press("Shift+ArrowRight")
    first = np.array(state(tab, "place").split(), float)
    tab.keyboard.press("Shift+ArrowUp")
    second = np.array(state(tab, "place").split(), float)
    assert second[0] == pytest.approx(first[0]) and second[1] > first[1]
    assert "exactly this latent" in tab.inner_text(".map-said")
    tab.keyboard.press("Enter")
    assert state(tab, "pinned").startswith("at ")
    assert shows(tab, ".map-tray canvas", expected_level(second))
    # From a place the arrows lead to the points again.
    tab.keyboard.press("ArrowLeft")
    assert state(tab, "place") == "" and state(tab, "current") != ""


def test_a_decoder_that_fails_leaves_the_nearest_points(open_page) -> None:
    tab = opened(open_page, page(CASES["neighbours"][0]))
    tab.evaluate("latentlab.broken = true")
    place = to_window(tab, free_place(COORDS))
    tab.mouse.move(*place)
    tab.wait_for_selector(".map-card[hidden]", state="attached")
    tab.evaluate("() => new Promise((done) => setTimeout(done, 150))")
    tab.mouse.move(*(place + 1))
    tab.wait_for_selector(".map-card:not([hidden])")
    assert "the nearest point" in tab.inner_text(".map-card-said")


def test_latents_that_are_sampled_average_those_that_are_there(open_page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentlab.report.figures.scatter_map.LATENT_BUDGET_BYTES", 2 * SIZE * 20)
    kept = np.linspace(0, COUNT - 1, 20).round().astype(int)
    tab = opened(open_page, page(CASES["neighbours"][0]))
    tab.mouse.move(*to_window(tab, free_place(COORDS)))
    tab.wait_for_selector(".map-card:not([hidden])")
    place = np.array(state(tab, "place").split(), float)
    z = tab.evaluate("latentlab.asked.at(-1)[0]")
    np.testing.assert_allclose(z, neighbour_mean(place[None], COORDS[kept], LATENTS[kept])[0], atol=2e-3)


@pytest.mark.parametrize("kind", CASES)
def test_the_bench_is_marked_where_its_latent_lies(open_page, kind: str) -> None:
    inverse, coords, _, _ = CASES[kind]
    tab = opened(open_page, page(inverse, coords))
    assert tab.is_hidden(".map-bench")
    z = (inverse.latents[3] + inverse.latents[11]) / 2
    tab.evaluate("(z) => latentlab.view.set(Float32Array.from(z), 'bench')", z.tolist())
    expected = {
        "latent": z,
        "plane": (z - CENTER) @ AXES.T if kind == "plane" else None,
        "neighbours": neighbour_mean(z[None], inverse.latents, coords)[0],
    }[kind]
    found = np.array(state(tab, "bench").split(), float)
    np.testing.assert_allclose(found, expected, atol=3e-3)
    mark = tab.locator(".map-bench").bounding_box()
    assert np.abs([mark["x"], mark["y"]] - to_window(tab, found, coords)).max() < 2
    assert tab.inner_text(".map-bench") == "bench"
    # It follows the map, and waits at the edge when its place is out of sight.
    tab.mouse.move(*to_window(tab, coords.max(axis=0), coords))
    tab.mouse.wheel(0, -2500)
    tab.wait_for_selector(".map-bench.outside", state="attached")
    mark, stage = tab.locator(".map-bench").bounding_box(), tab.locator(".map-stage").bounding_box()
    assert stage["x"] <= mark["x"] <= stage["x"] + stage["width"]


def test_a_pinned_picture_starts_the_bench(open_page) -> None:
    tab = opened(open_page, page(CASES["neighbours"][0], bench=True))
    tab.evaluate("latentlab.told = []; void latentlab.view.on((z, source) => latentlab.told.push([[...z], source]))")
    tab.mouse.click(*to_window(tab, COORDS[9]))
    assert state(tab, "pinned") == "9"
    tab.click("text=Start the bench here")
    z, source = tab.evaluate("latentlab.told.at(-1)")
    np.testing.assert_allclose(z, LATENTS[9], rtol=1e-3, atol=1e-3)
    assert source == "map" and tab.get_attribute("#tab-bench", "aria-selected") == "true"
    # Without a bench there is nothing to start.
    tab = opened(open_page, page(CASES["neighbours"][0]))
    tab.mouse.click(*to_window(tab, COORDS[9]))
    assert tab.locator(".map-start").count() == 0


def test_a_real_decoder_draws_between_the_points_what_torch_does(open_page) -> None:
    lab = ll.load("mnist-2d")
    result = lab.map()
    assert result.live is not None
    tab = opened(open_page, document(result))
    tab.wait_for_selector('[data-live="true"]', state="attached")
    coords = result.projection.coords
    tab.mouse.move(*to_window(tab, free_place(coords), coords))
    tab.wait_for_selector(".map-card:not([hidden])")
    place = np.array(state(tab, "place").split(), np.float32)
    tab.evaluate("() => new Promise((done) => setTimeout(done, 400))")
    drawn = tab.evaluate(
        """() => {
          const canvas = document.querySelector(".map-card canvas");
          const copy = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
          copy.drawImage(canvas, 0, 0, 28, 28);
          return [...copy.getImageData(0, 0, 28, 28).data].filter((_, place) => place % 4 === 0);
        }"""
    )
    expected = lab.decode(place[None])[0, 0]
    # Enlarged smoothly for the card and made small again: compared where neighbours do not matter, on average.
    assert np.abs(np.array(drawn).reshape(28, 28) / 255 - expected).mean() < 0.02
    assert "exactly this latent" in tab.inner_text(".map-card-said")


def test_half_precision_is_read_bit_for_bit(visit) -> None:
    values = np.concatenate(
        [generator.normal(size=200) * 10.0 ** generator.integers(-8, 5, 200), [0, -0.0, 65504, 6e-8]]
    )
    read = visit(
        page(None, live=False),
        f"""
        const bytes = Uint16Array.from({values.astype("<f2").view("<u2").tolist()});
        const data = btoa(String.fromCharCode(...new Uint8Array(bytes.buffer)));
        return [...latentlab.map.unpack({{ type: "f2", data }})];
        """,
    )
    np.testing.assert_array_equal(np.array(read, np.float32), values.astype(np.float16).astype(np.float32))
