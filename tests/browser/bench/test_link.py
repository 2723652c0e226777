"""What the reader takes from the bench, in a real browser: the link, the picture, the latent."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentlab.picture.encode import as_pixels

pytestmark = pytest.mark.browser


def test_a_link_shows_the_same_picture(bench, known) -> None:
    tab = bench()
    tab.wait_for_timeout(600)
    assert tab.evaluate("location.hash") == ""
    tab.drag(tab.slider("a=b&c"), 0.8)
    tab.get_by_role("button", name="Set A here").click()
    tab.locator('.bench-strip label[title="@2"]').click()
    tab.drag(tab.slider("attr:z3"), 0.3)
    tab.get_by_role("button", name="Set B here").click()
    tab.locator(".bench-path").select_option("slerp")
    tab.locator(".bench-up").select_option("z0")
    tab.drag(tab.locator(".bench-scrub"), 0.37)
    tab.drag(tab.slider("smile"), 0.55)
    tab.locator(".bench-dimensions summary").click()
    tab.slider("z1").focus()
    tab.keyboard.press("ArrowRight")
    z = tab.latent()
    tab.expect(".bench-picture", z)
    link = tab.link("z1=0.05")
    assert link.startswith("#bench?start=ab&smile=0.3&z1=0.05&a=") and "&path=slerp" in link
    again = bench(known.page(), link)
    np.testing.assert_array_equal(again.latent(), z)
    again.expect(".bench-picture", z)
    assert again.locator(".bench-recipe").inner_text() == tab.locator(".bench-recipe").inner_text()
    assert again.locator(".bench-up").input_value() == "z0" and again.locator(".bench-scrub").input_value() == "0.37"
    again.wait_for_timeout(600)
    assert again.evaluate("location.hash") == link
    # The same page takes another link, and no nonsense.
    again.evaluate("location.hash = '#bench?start=row%3A3&smile=0.5&t=x&a=%E0%A4%A&nobody=2&__proto__=1&grid=q'")
    again.expect(".bench-picture", known.latents[5] + 0.5 * known.vectors[0])
    assert again.locator(".bench-recipe").inner_text() == "@3, smile +0.50"


@pytest.mark.parametrize(
    "link",
    ["start=nowhere", "smile=NaN", "smile=", "z99=1", "start=z%3A!", "start=z%3AAACAPw", "%", "=", "b=%2C%2C",
     "start=z%3AAADAfwAAAAAAAAAAAAAAAAAAAAA"],
)  # fmt: skip
def test_what_a_link_says_amiss_is_passed_over(bench, known, link: str) -> None:
    tab = bench(fragment=f"#bench?{link}")
    tab.expect(".bench-picture", known.latents[2])


def test_a_link_beyond_the_sliders_ends_where_they_do(bench, known) -> None:
    tab = bench(fragment="#bench?start=row%3A0&smile=99&z1=0.523")
    tab.expect(".bench-picture", known.moved(2, 3, z1=0.5))
    tab.evaluate("location.hash = '#bench?start=row%3A0&a%3Db%26c=-99'")
    tab.expect(".bench-picture", known.moved(2, 0, -3))


def test_picture_and_latent_are_saved_as_they_are(bench, known) -> None:
    tab = bench(fragment="#bench?start=row%3A1&smile=1.2&z2=-0.4")
    z = known.moved(3, 1.2, z2=-0.4)
    tab.expect(".bench-picture", z)
    with tab.expect_download() as caught:
        tab.get_by_role("button", name="Save picture").click()
    assert caught.value.suggested_filename == "smile.png"
    picture = np.asarray(Image.open(io.BytesIO(Path(caught.value.path()).read_bytes())).convert("RGB"))
    cells = as_pixels(known.decode(z[None]))[0].repeat(8, axis=0).repeat(8, axis=1)
    assert picture.shape == (64, 64, 3) and np.abs(picture.astype(int) - cells).max() <= 1
    with tab.expect_download() as caught:
        tab.get_by_role("button", name="Save z").click()
    assert caught.value.suggested_filename == "smile.json"
    record = json.loads(Path(caught.value.path()).read_text())
    np.testing.assert_array_equal(np.array(record["z"], np.float32), tab.latent())
    np.testing.assert_allclose(record["z"], z, rtol=1e-5)
    assert (record["model"], record["checkpoint"]) == ("smile", "c" * 64)
    assert record["made_from"] == {
        "start": "row:1", "attributes_gaps": {"smile": 1.2}, "dimensions_deviations": {"2": -0.4}
    }  # fmt: skip
    assert record["further_out_than_percent"] == known.support.percentile(z[None])[0]
    assert record["readouts"]["smile"] == pytest.approx(known.read(0, z), rel=1e-4)
    again = bench(known.page(), record["link"])
    np.testing.assert_array_equal(again.latent(), tab.latent())


def test_a_saved_walk_names_its_ends(bench, known) -> None:
    tab = bench(fragment="#bench?start=ab&a=row%253A1%2Csmile%3D0.5&b=mean&t=0.5&path=slerp")
    with tab.expect_download() as caught:
        tab.get_by_role("button", name="Save z").click()
    path = json.loads(Path(caught.value.path()).read_text())["made_from"]["path"]
    assert path["kind"] == "slerp" and path["share"] == 0.5 and path["to"]["start"] == "mean"
    assert path["from"]["attributes_gaps"] == {"smile": 0.5} and path["from"]["start"] == "row:1"


def test_the_link_is_copied(bench, known) -> None:
    tab = bench(permissions=["clipboard-read", "clipboard-write"])
    tab.drag(tab.slider("smile"), 0.7)
    tab.get_by_role("button", name="Copy link").click()
    tab.wait_for_function("document.querySelector('.bench-done').textContent")
    assert tab.evaluate("navigator.clipboard.readText()").endswith("#bench?start=row%3A0&smile=1.2")
