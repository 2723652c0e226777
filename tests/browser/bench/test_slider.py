"""Sliders of the bench, in a real browser: by mouse and keys, inside the safe range and outside."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentlab.directions.direction import Direction
from latentlab.editing.edits import sweep
from latentlab.report.figures.bench import BenchAttribute, Stills
from latentlab.report.page import render_page
from latentlab.report.sections.bench import bench_section

pytestmark = pytest.mark.browser


def test_a_dragged_slider_moves_the_picture_as_the_decoder_does(bench, known) -> None:
    tab = bench()
    start = known.latents[2]
    tab.expect(".bench-picture", start)
    tab.drag(tab.slider("smile"), 0.7)
    assert tab.locator('[data-axis="smile"] .bench-value').inner_text() == "+1.20"
    tab.expect(".bench-picture", sweep(start[None], {"smile": (known.vectors[0], [1.2])})[0, 0])
    tab.drag(tab.slider("attr:z3"), 0.4)
    z = sweep(start[None], {"smile": (known.vectors[0], [1.2]), "z3": (known.vectors[1], [-0.6])})[0, 0]
    tab.expect(".bench-picture", z)
    np.testing.assert_array_equal(tab.latent(), z)
    latencies = tab.evaluate("latentlab.latencies")
    assert len(latencies) >= 4 and min(latencies) > 0 and max(latencies) < 500
    assert int(tab.evaluate("document.querySelector('[data-bench]').dataset.painted")) >= len(latencies)
    assert tab.locator(".bench-recipe").inner_text() == "@0, smile +1.20, z3 −0.60"
    tab.get_by_role("button", name="Reset").click()
    tab.expect(".bench-picture", start)
    assert tab.slider("smile").input_value() == "0"


def test_keys_move_sliders_and_say_what_is_read(bench, known) -> None:
    tab = bench()
    tab.slider("smile").focus()
    for _ in range(3):
        tab.keyboard.press("ArrowRight")
    z = known.latents[2] + 0.15 * known.vectors[0]
    tab.expect(".bench-picture", z)
    probability = known.read(0, z)
    assert tab.locator('[data-axis="smile"] .bench-read').inner_text() == f"{round(100 * probability)} %"
    assert tab.locator('[data-axis="attr:z3"] .bench-read').inner_text() == ""
    # The readout of an attribute follows a slider that is not its own.
    other = known.read(2, z)
    assert tab.locator('[data-axis="a=b&c"] .bench-read').inner_text() == f"{round(100 * other)} %"
    said = tab.slider("smile").get_attribute("aria-valuetext")
    assert said == f"+0.15, read as smile: {round(100 * probability)} %"
    tab.keyboard.press("0")
    tab.expect(".bench-picture", known.latents[2])


@pytest.mark.parametrize(
    ("alpha", "outside"), [(1.5, ""), (1.55, "pictures no longer"), (-1.05, "further out"), (-1, "")]
)
def test_outside_the_safe_range_the_slider_says_so(bench, known, alpha: float, outside: str) -> None:
    tab = bench(fragment=f"#bench?start=row%3A0&smile={alpha}")
    tab.frames()
    note = tab.locator('[data-axis="smile"] .bench-note')
    assert note.inner_text() == ("outside the safe range" if outside else "")
    assert outside in (note.get_attribute("title") or "")
    assert ("outside the safe range" in tab.slider("smile").get_attribute("aria-valuetext")) == bool(outside)
    assert tab.locator('[data-axis="attr:z3"] .bench-note').inner_text() == "doubtful"
    assert tab.locator('[data-axis="attr:z3"] .bench-note').get_attribute("title") == "cannot be judged"
    # The band on the track is where the thumb stands at −1 and at 1.5.
    thumb = tab.slider("smile").bounding_box()
    band = tab.locator('[data-axis="smile"] .bench-safe').bounding_box()
    low, high = (thumb["x"] + 8 + (thumb["width"] - 16) * share for share in (2 / 6, 4.5 / 6))
    assert abs(band["x"] - low) < 1 and abs(band["x"] + band["width"] - high) < 1


def test_dimensions_are_folded_and_move_by_deviations(bench, known) -> None:
    tab = bench()
    assert tab.locator(".bench-dimensions [data-axis]").count() == 0
    assert tab.locator(".bench-dimensions summary").inner_text().endswith("all 5")
    tab.locator(".bench-dimensions summary").click()
    # A browser tells of what was unfolded when it has the time.
    tab.locator(".bench-dimensions [data-axis]").first.wait_for()
    assert tab.locator(".bench-dimensions [data-axis]").count() == 5
    first = int(np.argmax(known.deviations))
    tab.slider(f"z{first}").focus()
    for _ in range(4):
        tab.keyboard.press("ArrowLeft")
    tab.expect(".bench-picture", known.latents[2] - 0.2 * known.deviations[first] * np.eye(known.size)[first])
    assert tab.locator(f'[data-axis="z{first}"] .bench-value').inner_text() == "−0.20 σ"


def test_many_dimensions_are_unfolded_in_two_steps(bench, known) -> None:
    size = 80
    wide = known.bench(
        latents=known.draw(9, size),
        attributes=(BenchAttribute(Direction("smile", known.draw(size), "mean")),),
        deviations=np.ones(size, np.float32),
        dimensions=tuple(range(64)),
        center=known.draw(size),
        support=None,
        stills=Stills((2,), (), (-1, 0, 1), known.decode(known.latents[:1])),
    )
    tab = bench(known.page(wide, live=False))
    assert tab.locator(".bench-dimensions").is_hidden() and tab.locator(".bench-gauge").is_hidden()
    # The decoder that stands in is told only five of the values.
    tab = bench(known.page(wide), "#bench?z60=1")
    assert tab.locator(".bench-dimensions [data-axis]").count() == 64
    tab = bench(known.page(wide), "#bench?z3=1")
    assert tab.locator(".bench-dimensions [data-axis]").count() == 16
    tab.get_by_role("button", name="Show 48 more").click()
    assert tab.locator(".bench-dimensions [data-axis]").count() == 64
    assert tab.slider("z3").input_value() == "1"


@pytest.mark.parametrize("name", ["digits", "faces"])
def test_sliders_change_the_picture_as_torch_does(bench, known, name: str) -> None:
    from latentlab.lab import load
    from latentlab.lab.bench import gather_bench
    from latentlab.report.live import choose, trace_program

    lab = load(name, "cpu")
    carried = choose(trace_program(lab.codec), lab.codec, lab.known().mean[:16]).data()
    html = render_page(name, "", [bench_section(gather_bench(lab), carried)], live=carried)
    first, second = list(lab.directions)[:2]
    tab = bench(html)
    tab.wait_for_selector("[data-mode=live]")
    tab.drag(tab.slider(first), 0.7)
    tab.drag(tab.slider(second), 0.35)
    moves = {name: (lab.directions[name].vector, [float(tab.slider(name).input_value())]) for name in (first, second)}
    z = sweep(lab.known().mean[:1], moves)[0, 0]
    np.testing.assert_allclose(tab.latent(), z, atol=1e-6)
    assert np.abs(z - lab.known().mean[0]).max() > 0.1
    with tab.expect_download() as caught:
        tab.get_by_role("button", name="Save picture").click()
    picture = Image.open(io.BytesIO(Path(caught.value.path()).read_bytes())).convert("RGB")
    pixels = np.asarray(picture)[::8, ::8] / 255
    assert np.abs(pixels.transpose(2, 0, 1) - lab.decode(z[None])[0]).max() <= 0.02 + 0.5 / 255
    assert tab.locator(".bench-status").inner_text().startswith("WebAssembly")
