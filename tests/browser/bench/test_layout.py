"""Names, windows and telephones, in a real browser."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.browser

HOSTILE = "</script><img src=x onerror=\"document.title='taken'\">"
# Where everything stands that hands work with.
PLACES = """() => [...document.querySelectorAll(".bench-live input, .bench-live button, .bench-live canvas")].map(
  (one) => [one.offsetLeft, one.offsetTop],
)"""


def test_hostile_names_do_nothing(bench, known) -> None:
    names = [HOSTILE, "__proto__", "<b>"]
    tab = bench(known.page(known.bench(names)), f"#bench?start=row%3A0&{HOSTILE.replace('=', '%3D')}=1")
    tab.expect(".bench-picture", known.latents[2] + known.vectors[0])
    tab.get_by_role("button", name="Set A here").click()
    tab.locator(".bench-kinds button", has_text="Means").click()
    tab.locator(".bench-grid button").nth(3).hover()
    tab.wait_for_timeout(900)
    assert tab.title() == "Bench" and tab.locator("img").count() == 0 and tab.locator(".bench b").count() == 0
    assert HOSTILE in tab.locator(".bench-recipe").inner_text() and HOSTILE in tab.locator(".bench-said").inner_text()
    with tab.expect_download() as caught:
        tab.get_by_role("button", name="Save picture").click()
    assert "/" not in caught.value.suggested_filename and caught.value.suggested_filename.endswith(".png")
    again = bench(known.page(known.bench(names)), tab.evaluate("location.hash"))
    np.testing.assert_array_equal(again.latent(), tab.latent())


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_nothing_is_wider_than_the_window_and_nothing_jumps(bench, known, width: int) -> None:
    tab = bench(known.page(known.bench(["smile" * 30, "z3", "b"])), viewport={"width": width, "height": 800})
    tab.locator(".bench-dimensions summary").click()
    # A browser tells of what was unfolded when it has the time.
    tab.locator(".bench-dimensions [data-axis]").first.wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    before = tab.evaluate(PLACES)
    tab.slider("smile" * 30).focus()
    for key in ("End", "Home"):
        tab.keyboard.press(key)
        tab.frames()
        assert tab.evaluate(PLACES) == before


def test_on_a_telephone_the_picture_stays_in_sight(bench, known) -> None:
    tab = bench(viewport={"width": 390, "height": 700})
    tab.slider("a=b&c").scroll_into_view_if_needed()
    tab.evaluate("scrollBy(0, 200)")
    tab.wait_for_timeout(100)
    box = tab.locator(".bench-picture").bounding_box()
    assert 0 <= box["y"] < 60 and box["height"] < 300
