"""From A to B on the bench, in a real browser."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.editing.paths import PATHS
from latentlab.editing.paths.space import Space

pytestmark = pytest.mark.browser


def test_a_walk_from_a_to_b(bench, known) -> None:
    tab = bench()
    tab.drag(tab.slider("smile"), 0.6)
    a, b = known.latents[2], known.latents[4]
    tab.expect(".bench-way button:nth-child(5) canvas", (a + b) / 2)
    tab.drag(tab.locator(".bench-scrub"), 0.25)
    # The ends are what is walked between: moves of before end.
    tab.expect(".bench-picture", 0.75 * a + 0.25 * b)
    assert tab.slider("smile").input_value() == "0" and tab.locator(".bench-share").inner_text() == "25 %"
    tab.locator(".bench-path").select_option("slerp")
    arc = PATHS["slerp"](a.astype(float), b.astype(float), Space(known.center.astype(float)))
    tab.expect(".bench-picture", arc(np.array([0.25]))[0])
    tab.expect(".bench-way button:nth-child(8) canvas", arc(np.array([7 / 8]))[0])
    # Sliders go on from there, and B becomes what is shown.
    tab.slider("smile").focus()
    for _ in range(10):
        tab.keyboard.press("ArrowRight")
    here = (arc(np.array([0.25]))[0] + 0.5 * known.vectors[0]).astype(np.float32)
    tab.expect(".bench-picture", here)
    tab.get_by_role("button", name="Set B here").click()
    tab.expect(".bench-picture", here)
    assert tab.slider("smile").input_value() == "0" and tab.locator(".bench-scrub").input_value() == "1"
    tab.locator(".bench-end-a").select_option("mean")
    tab.locator(".bench-path").select_option("line")
    tab.locator(".bench-way button").nth(4).click()
    tab.expect(".bench-picture", (known.latents[0] + here) / 2)
    tab.expect(".bench-way button:nth-child(1) canvas", known.latents[0])


def test_an_end_keeps_the_moves_that_it_was_set_with(bench, known) -> None:
    tab = bench(fragment="#bench?start=row%3A1&smile=1")
    tab.get_by_role("button", name="Set A here").click()
    tab.expect(".bench-way button:nth-child(1) canvas", known.latents[3] + known.vectors[0])
    assert tab.locator(".bench-end-a").evaluate("(select) => select.selectedOptions[0].text") == "@1, smile +1.00"
    tab.slider("smile").focus()
    tab.keyboard.press("0")
    tab.expect(".bench-picture", known.latents[3])
    tab.expect(".bench-way button:nth-child(1) canvas", known.latents[3] + known.vectors[0])
