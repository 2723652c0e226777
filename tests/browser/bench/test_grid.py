"""The neighbourhood on the bench, in a real browser."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.browser


def test_the_neighbourhood_is_what_lies_around(bench, known) -> None:
    tab = bench(fragment="#bench?start=row%3A0&smile=0.5")
    # Rows from the top, seven tiles each: the middle is the present picture.
    axes = [tab.locator(f".bench-{name}").input_value() for name in ("across", "up")]
    assert axes == ["smile", "a=b&c"]
    z = lambda across, up: known.moved(2, 0.5 + across, up)  # noqa: E731
    for tile, offsets in ((25, (0, 0)), (26, (0.5, 0)), (18, (0, 0.5)), (1, (-1.5, 1.5)), (49, (1.5, -1.5))):
        tab.expect(f".bench-grid button:nth-child({tile}) canvas", z(*offsets))
    button = tab.locator(".bench-grid button").nth(4)
    assert button.get_attribute("aria-label") == "smile +0.5, a=b&c +1.5"
    far = known.support.percentile(np.stack([z(x / 2, y / 2) for y in range(3, -4, -1) for x in range(-3, 4)])) > 99
    marked = tab.locator(".bench-grid button").evaluate_all("(all) => all.map((one) => one.classList.contains('far'))")
    assert marked == far.tolist() and 0 < sum(marked) < 49
    button.click()
    tab.expect(".bench-picture", z(0.5, 1.5))
    tab.expect(".bench-grid button:nth-child(25) canvas", z(0.5, 1.5))
    assert tab.slider("smile").input_value() == "1" and tab.slider("a=b&c").input_value() == "1.5"
    # What a slider does not reach has no tile.
    tab.drag(tab.slider("smile"), 1.0)
    tab.expect(".bench-grid button:nth-child(25) canvas", known.moved(2, 3, 1.5))
    tab.rest()
    assert tab.locator(".bench-grid button").nth(25).is_disabled()
    tab.locator(".bench-across").select_option("z1")
    tab.expect(".bench-grid button:nth-child(26) canvas", known.moved(2, 3, 1.5, z1=0.5))


def test_keys_walk_over_the_neighbourhood(bench, known) -> None:
    tab = bench()
    tab.locator(".bench-grid button.middle").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "ArrowLeft"):
        tab.keyboard.press(key)
    assert tab.evaluate("document.activeElement.ariaLabel") == "smile +0.5, a=b&c +0.5"
    assert tab.locator('.bench-grid button[tabindex="0"]').count() == 1
    assert tab.locator(".bench-here").inner_text().startswith("smile +0.50, a=b&c +0.50")
    tab.keyboard.press("Enter")
    tab.expect(".bench-picture", known.latents[2] + 0.5 * known.vectors[0] + 0.5 * known.vectors[2])


def test_the_picture_comes_before_its_neighbours(bench, known) -> None:
    tab = bench()
    tab.rest()
    tab.evaluate("latentlab.drawn.length = 0")
    tab.slider("smile").focus()
    tab.keyboard.press("ArrowRight")
    tab.rest()
    keys = tab.evaluate("latentlab.drawn")
    assert keys[0] == "bench" and len(keys) == 50 and len(set(keys)) == 50
    # The middle of 7 × 7 first, its four neighbours next, a corner last.
    tiles = [int(key.removeprefix("bench-tile-")) for key in keys[1:]]
    assert tiles[0] == 24 and set(tiles[1:5]) == {17, 23, 25, 31} and tiles[-1] in (0, 6, 42, 48)
