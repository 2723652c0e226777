"""The bench without a decoder, without scripts and on paper, in a real browser."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentlab.picture.encode import as_pixels

pytestmark = pytest.mark.browser


def still(bench, known, fragment: str = "", html: str | None = None):
    """A bench that shows pictures made beforehand."""
    tab = bench(html or known.page(live=False, why="lstm cannot be exported"), fragment)
    assert tab.locator("[data-bench]").get_attribute("data-mode") == "still"
    return tab


def test_without_a_decoder_pictures_made_beforehand_are_shown_and_why(bench, known) -> None:
    tab = still(bench, known)
    why = tab.locator(".bench-why").inner_text()
    assert "lstm cannot be exported" in why and "3 starts" in why and "9 places" in why
    tab.expect(".bench-picture", known.latents[2])
    assert tab.locator(".bench-around").is_hidden() and tab.locator(".bench-strip label:visible").count() == 3
    tab.drag(tab.slider("smile"), 0.86)
    tab.expect(".bench-picture", known.latents[2] + 1.5 * known.vectors[0])
    # One attribute at a time: the other goes back.
    tab.drag(tab.slider("attr:z3"), 0.1)
    tab.expect(".bench-picture", known.latents[2] - 1.5 * known.vectors[1])
    assert tab.slider("smile").input_value() == "0"
    tab.locator('.bench-strip label[title="sample 1"]').click()
    tab.expect(".bench-picture", known.latents[7] - 1.5 * known.vectors[1])
    tab.expect('.bench-strip label[title="mean"] canvas', known.latents[0])


def test_without_a_decoder_walks_go_between_neighbours(bench, known) -> None:
    tab = still(bench, known)
    tab.drag(tab.locator(".bench-scrub"), 0.4)
    tab.expect(".bench-picture", known.latents[2] + 3 / 8 * (known.latents[0] - known.latents[2]))
    tab.expect(".bench-way button:nth-child(9) canvas", known.latents[0])
    offered = "(select) => [...select.options].filter((option) => !option.disabled && option.value).map((o) => o.value)"
    assert tab.locator(".bench-end-a").evaluate(offered) == ["mean", "row:0", "sample:1"]
    assert tab.locator(".bench-end-b").evaluate(offered) == ["mean"]
    tab.locator(".bench-end-a").select_option("sample:1")
    tab.locator(".bench-way button").nth(6).click()
    tab.expect(".bench-picture", known.latents[7] + 6 / 8 * (known.latents[0] - known.latents[7]))
    assert tab.get_by_role("button", name="Set A here").is_hidden()


def test_a_link_that_asks_for_more_shows_what_is_nearest(bench, known) -> None:
    tab = still(bench, known, "#bench?start=sample%3A1&smile=1.3&z2=2")
    tab.expect(".bench-picture", known.latents[7] + 1.5 * known.vectors[0])
    tab = still(bench, known, "#bench?start=row%3A3&smile=0.1")
    tab.expect(".bench-picture", known.latents[2])
    tab = still(bench, known, "#bench?start=ab&a=row%3A0&b=sample%3A1&t=0.45&path=slerp")
    tab.expect(".bench-picture", (known.latents[2] + known.latents[0]) / 2)
    with tab.expect_download() as caught:
        tab.get_by_role("button", name="Save z").click()
    record = json.loads(Path(caught.value.path()).read_text())
    assert "made beforehand" in record["picture"] and record["made_from"]["path"]["share"] == 0.5


def test_a_browser_that_cannot_decode_says_so(bench, known) -> None:
    tab = still(bench, known, html=known.page(ready="Promise.reject(new Error('no WebAssembly'))"))
    assert "no WebAssembly" in tab.locator(".bench-why").inner_text()
    tab.expect(".bench-picture", known.latents[2])


def test_a_decoder_that_stops_leaves_what_was_made_beforehand(bench, known) -> None:
    tab = bench()
    tab.wait_for_timeout(300)
    tab.evaluate("latentlab.broken = true")
    tab.slider("smile").focus()
    tab.keyboard.press("End")
    tab.wait_for_selector("[data-mode=still]")
    tab.expect(".bench-picture", known.latents[2] + 2 * known.vectors[0])
    assert "the worker has stopped" in tab.locator(".bench-why").inner_text()


def test_a_page_without_scripts_shows_the_pictures(bench, known) -> None:
    tab = bench(known.page(live=False), started=False, java_script_enabled=False)
    assert tab.locator(".bench-live").is_hidden()
    cells = tab.locator(".bench-stills tbody svg")
    assert cells.count() == 5 * 9 and cells.first.is_visible()
    assert tab.get_by_role("img", name="@0, smile +0.5", exact=True).count() == 1
    # The first picture is the one that its words name.
    shot = np.asarray(Image.open(io.BytesIO(cells.nth(8).screenshot())).convert("RGB")).astype(int)
    wanted = as_pixels(known.decode((known.latents[2] + 2 * known.vectors[0])[None]))[0]
    assert np.abs(shot[4::8, 4::8] - wanted).max() <= 2


def test_paper_gets_the_pictures(bench, known) -> None:
    tab = bench()
    stills = tab.locator(".bench-stills")
    assert stills.evaluate("(fold) => fold.open") is False
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert stills.evaluate("(fold) => fold.open") and tab.locator(".bench-moves").is_hidden()
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert stills.evaluate("(fold) => fold.open") is False
