"""The clouds stand where they are, in one scale, and say what they are."""

from __future__ import annotations

import re

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.report.figures.cloud import Cloud, cloud_chart

HOSTILE = "</script><img src=x onerror=alert(1)>"


def cloud(name: str = "a", mean: tuple = (1.0, -2.0), deviation: tuple = (0.5, 0.1), count: int = 40) -> Cloud:
    noise = np.random.default_rng(0).standard_normal((count, 2))
    return Cloud(name, np.array(mean), np.array(deviation), np.array(mean) + np.array(deviation) * noise)


PRIOR = cloud("the prior", (0.0, 0.0), (1.0, 1.0), 30)


def ellipses(html: str, kind: str) -> list[dict[str, float]]:
    found = re.findall(rf'<ellipse class="{kind}" cx="(\S+)" cy="(\S+)" rx="(\S+)" ry="(\S+)"', html)
    return [dict(zip(("cx", "cy", "rx", "ry"), map(float, values), strict=True)) for values in found]


def dots(html: str) -> list[np.ndarray]:
    paths = re.findall(r'<path class="dots[^"]*" d="([^"]*)"', html)
    return [np.array([[*map(float, place.split())] for place in re.findall(r"M(\S+ \S+?)h0", path)]) for path in paths]


def test_ellipses_reach_two_deviations_in_one_scale() -> None:
    given = [cloud(), cloud("b", (-1.0, 1.0), (0.2, 0.4))]
    html = cloud_chart(given, "Clouds", ("dim 3", "dim 0"), PRIOR)
    (behind,), shown = ellipses(html, "prior"), ellipses(html, "cloud")
    scale = behind["rx"] / 2
    assert behind["ry"] == behind["rx"] and scale > 20
    for one, drawn in zip(given, shown, strict=True):
        # y points down on a page.
        place = behind["cx"] + scale * one.mean[0], behind["cy"] - scale * one.mean[1]
        np.testing.assert_allclose((drawn["cx"], drawn["cy"]), place, atol=0.3)
        np.testing.assert_allclose((drawn["rx"], drawn["ry"]), 2 * scale * one.deviation, atol=0.2)
    for one, places in zip([PRIOR, *given], dots(html), strict=True):
        wanted = np.array([behind["cx"], behind["cy"]]) + scale * one.draws * [1, -1]
        np.testing.assert_allclose(places, wanted, atol=0.3)
        assert (places > 0).all() and (places < 400).all()
    assert "dim 3 →" in html and "↑ dim 0" in html and "σ = (0.2, 0.4)" in html


def test_ticks_stand_where_their_numbers_are() -> None:
    html = cloud_chart([cloud()], "Clouds", ("x", "y"), PRIOR)
    (behind,) = ellipses(html, "prior")
    scale = behind["rx"] / 2
    across = re.findall(r'<text x="(\S+)" y="\S+" text-anchor="middle">([−\d.]+)</text>', html)
    up = re.findall(r'<text x="\S+" y="(\S+)" text-anchor="end">([−\d.]+)</text>', html)
    assert len(across) >= 3 and len(up) >= 3
    for place, text in across:
        assert float(place) == pytest.approx(behind["cx"] + scale * float(text.replace("−", "-")), abs=0.3)
    for place, text in up:
        assert float(place) - 4 == pytest.approx(behind["cy"] - scale * float(text.replace("−", "-")), abs=0.3)


def test_a_cloud_alone_fills_its_chart_and_has_its_marks() -> None:
    tiny = cloud(deviation=(1e-3, 2e-3))
    html = cloud_chart([tiny], "Close by", ("x", "y"), marks=[("7", tiny.draws[6])])
    (shown,), (places,) = ellipses(html, "cloud"), dots(html)
    assert shown["ry"] > 80 and not ellipses(html, "prior")
    (mark,) = re.findall(r'<circle class="mark-place" cx="(\S+)" cy="(\S+)"', html)
    np.testing.assert_allclose([float(value) for value in mark], places[6], atol=0.1)


def test_a_prior_that_is_not_normal_has_no_outline() -> None:
    html = cloud_chart([cloud()], "Clouds", ("x", "y"), PRIOR, outlined=False)
    assert not ellipses(html, "prior") and len(dots(html)) == 2


def test_it_escapes_and_refuses_what_cannot_be_drawn() -> None:
    html = cloud_chart([cloud(HOSTILE)], HOSTILE, (HOSTILE, HOSTILE), cloud(HOSTILE), marks=[(HOSTILE, np.zeros(2))])
    assert "<img" not in html and "onerror" in html
    with pytest.raises(DataError, match="at least one cloud"):
        cloud_chart([], "Clouds", ("x", "y"))
    with pytest.raises(DataError, match="finite places"):
        cloud_chart([cloud(mean=(np.nan, 0.0))], "Clouds", ("x", "y"))


def test_one_place_is_drawn_too() -> None:
    point = Cloud("a", np.zeros(2), np.zeros(2), np.zeros((3, 2)))
    assert "nan" not in cloud_chart([point], "Clouds", ("x", "y")).lower()
