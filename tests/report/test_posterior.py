"""The parts on the posterior, built from plain arrays: every picture at its place, every number as it was given."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from PIL import Image

from latentlab.report.figures.cloud import Cloud
from latentlab.report.page import ASSETS, joined, render_page
from latentlab.report.sections.posterior import Walk, clouds_part, costs_part, walk_part

HOSTILE = "</script><img src=x onerror=alert(1)>"


def grey(*levels: float) -> np.ndarray:
    """A picture a level, of one grey each."""
    return np.asarray(levels, np.float32).reshape(-1, 1, 1, 1) * np.ones((1, 1, 4, 4), np.float32)


def pictures(html: str) -> dict[str, float]:
    """The mean level of each picture, by its words."""
    found = re.findall(r'<img src="data:image/[a-z]+;base64,([^"]+)" alt="([^"]+)"', html)
    return {alt: np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))).mean() / 255 for data, alt in found}


def walk(name: str = "@3: 7", real: bool = True) -> Walk:
    return Walk(
        name=name, real=grey(0.9)[0] if real else None, picture=grey(0.5)[0], draws=grey(0.1, 0.2),
        dimensions=["dim 4", "dim 0"], mean=np.array([1.0, -2.0]), deviation=np.array([0.5, 0.25]),
        noise=np.array([[2.0, -1.0], [0.0, 1.0]]),
        steps=np.stack([grey(0.0, 0.3, 0.6, 1.0), grey(0.7, 0.4, 0.8, 0.05)]),
        draw_change=0.0123456, image_change=0.25, change_over="two images",
    )  # fmt: skip


def test_the_walk_has_every_picture_and_number_at_its_place() -> None:
    html = walk_part(walk(), ["a note"]).html
    wanted = {"image": 0.9, "μ": 0.5, "draw 1": 0.1, "draw 2": 0.2}
    seen = pictures(html)
    for column, level in wanted.items():
        assert abs(seen[f"@3: 7, {column}"] - level) < 0.01
    steps = {"dim 4": (0.0, 0.3, 0.5, 0.6, 1.0), "dim 0": (0.7, 0.4, 0.5, 0.8, 0.05)}
    for name, levels in steps.items():
        for column, level in zip(("prior − 2σ", "μ − 2σ", "μ", "μ + 2σ", "prior + 2σ"), levels, strict=True):
            assert abs(seen[f"{name}, {column}"] - level) < 0.01
    # z = 1 + 0.5 · 2 and −2 + 0.25 · (−1).
    assert "2.00 (ε = 2.00)" in html and "−2.25 (ε = −1.00)" in html and "−1.75 (ε = 1.00)" in html
    assert "0.0123" in html and "0.25" in html and "two images" in html and "a note" in html


def test_without_the_image_its_column_is_left_out() -> None:
    assert not any(alt.endswith(", image") for alt in pictures(walk_part(walk(real=False)).html))


def test_the_share_within_two_deviations_is_counted() -> None:
    # In units of σ at distances 0, 1.9, √2 · 1.5 and 2.1: two of four lie within 2.
    places = np.array([[0, 0], [1.9, 0], [1.5, 1.5], [0, 2.1]])
    drawn = Cloud("@1", np.array([3.0, 4.0]), np.array([0.5, 2.0]), np.array([3.0, 4.0]) + places * [0.5, 2.0])
    prior = Cloud("the prior", np.zeros(2), np.ones(2), np.zeros((2, 2)))
    section = clouds_part([drawn, drawn], grey(0.2, 0.7), ("dim 1", "dim 2"), prior, True, [("1", places[1])], ["why"])
    assert "50.0% of the 8 draws" in section.html and "86.5% lie within 2σ" in section.html and "why" in section.html
    assert section.summary.count("4 draws of z") == 1 and "{" not in section.summary
    assert [round(level, 1) for level in pictures(section.html).values()] == [0.2, 0.7]


def test_what_inactive_dimensions_take_is_told() -> None:
    kl, variance = np.array([0.5, 3.0, -1e-6, 0.5]), np.array([0.001, 1.0, 0.0, 0.5])
    html = costs_part(list("abcd"), kl, variance, variance > 0.01, 0.01, ["over these"]).html
    assert "2 of 4 dimensions are active" in html and "take 12.5% of 4 nats" in html and "over these" in html
    assert html.count('fill-opacity=".35"') == 2
    # Both charts have the same order.
    bars = re.findall(r'<rect class="bar".*?<title>(\w): ', html)
    assert bars == re.findall(r'<circle class="dot".*?<title>(\w): ', html) == ["b", "a", "d", "c"]
    everything = costs_part(list("ab"), np.ones(2), np.ones(2), np.ones(2, bool), 0.01).html
    assert "inactive" not in everything


def test_a_kl_without_parts_leaves_the_variance() -> None:
    html = costs_part(list("ab"), None, np.array([0.2, 0.5]), np.ones(2, bool), 0.01).html
    assert 'class="bar"' not in html and "largest variance first" in html
    assert re.findall(r'<circle class="dot".*?<title>(\w): ', html) == ["b", "a"]


def test_it_escapes_and_stands_on_a_page() -> None:
    cloud = Cloud(HOSTILE, np.zeros(2), np.ones(2), np.ones((2, 2)))
    parts = [
        clouds_part([cloud], grey(0.1), (HOSTILE, HOSTILE), cloud, False, [], [HOSTILE]),
        walk_part(walk(HOSTILE), [HOSTILE]),
        costs_part([HOSTILE], np.ones(1), np.ones(1), np.ones(1, bool), 0.01, [HOSTILE]),
    ]
    section = joined("posterior", "Posterior", parts)
    assert section.needs <= set(ASSETS) and "<img src=x" not in section.html and "onerror" in section.html
    assert "Posterior" in render_page("report", "all of it", [section])
