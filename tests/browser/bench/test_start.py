"""Where the bench begins, in a real browser: thumbnails, and what the map sends."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.report.page import Section

pytestmark = pytest.mark.browser


def test_starts_are_chosen_by_mouse_and_keys(bench, known) -> None:
    tab = bench()
    assert tab.locator(".bench-kinds button[aria-pressed=true]").inner_text() == "Images"
    assert tab.locator(".bench-strip label:visible").count() == 4
    tab.expect('.bench-strip label[title="@2"] canvas', known.latents[4])
    tab.drag(tab.slider("smile"), 0.6)
    tab.locator('.bench-strip label[title="@2"]').click()
    tab.expect(".bench-picture", known.latents[4] + np.float32(0.6) * known.vectors[0])
    tab.keyboard.press("ArrowRight")
    tab.expect(".bench-picture", known.latents[5] + np.float32(0.6) * known.vectors[0])
    assert tab.locator(".bench-recipe").inner_text() == "@3, smile +0.60"
    tab.locator(".bench-kinds button", has_text="Samples").click()
    tab.expect('.bench-strip label[title="sample 2"] canvas', known.latents[8])
    # A start that comes from elsewhere is shown among its kind.
    tab.evaluate("location.hash = '#bench?start=mean'")
    tab.expect(".bench-picture", known.latents[0])
    tab.frames()
    assert tab.locator(".bench-kinds button[aria-pressed=true]").inner_text() == "Means"
    assert tab.locator('.bench-strip label[title="mean"] input').is_checked()


def test_a_hidden_bench_starts_when_it_is_shown_and_from_what_the_map_sent(bench, known) -> None:
    tab = bench(known.page(before=[Section("other", "Other")]), started=False)
    tab.wait_for_timeout(200)
    assert tab.locator("[data-painted]").count() == 0
    place = known.draw(known.size)
    tab.evaluate("(z) => latentlab.view.set(Float32Array.from(z), 'map')", place.tolist())
    tab.get_by_role("tab", name="Bench").click()
    tab.wait_for_selector("[data-painted]")
    tab.expect(".bench-picture", place)
    tab.expect(".bench-grid button:nth-child(25) canvas", place)


def test_the_map_sends_a_latent_and_hears_of_every_move(bench, known) -> None:
    tab = bench()
    tab.evaluate("void latentlab.view.on((z, source) => (latentlab.heard = [[...z], source]))")
    tab.drag(tab.slider("smile"), 0.7)
    tab.frames()
    z, source = tab.evaluate("latentlab.heard")
    np.testing.assert_allclose(z, known.latents[2] + np.float32(1.2) * known.vectors[0], rtol=1e-5)
    assert source == "bench"
    place = known.draw(known.size)
    tab.evaluate("(z) => latentlab.view.set(Float32Array.from(z), 'map')", place.tolist())
    tab.expect(".bench-picture", place)
    assert tab.slider("smile").input_value() == "0"
    assert tab.locator(".bench-recipe").inner_text() == "a place of its own"
    tab.slider("smile").focus()
    tab.keyboard.press("ArrowRight")
    again = bench(known.page(), tab.link("smile=0.05"))
    again.expect(".bench-picture", place + np.float32(0.05) * known.vectors[0])
    # A latent that the page has a name for gets it back.
    again.evaluate("(z) => latentlab.view.set(Float32Array.from(z), 'map')", known.latents[4].tolist())
    again.expect(".bench-picture", known.latents[4])
    assert again.locator(".bench-recipe").inner_text() == "@2"
