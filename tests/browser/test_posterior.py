"""The pictures that explain a posterior, a codebook and levels, on a real page: drawn, in colours, and not too wide."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.evaluation.code_usage import code_usage
from latentlab.report.figures.cloud import Cloud
from latentlab.report.page import joined, render_page
from latentlab.report.sections.codebook import codebook_section
from latentlab.report.sections.level import HeldLevel, levels_section
from latentlab.report.sections.posterior import Walk, clouds_part, costs_part, walk_part

pytestmark = pytest.mark.browser

RNG = np.random.default_rng(0)
IMAGES = RNG.random((8, 1, 8, 8)).astype(np.float32)
LONG = "@123: a_class_without_spaces_that_is_wider_than_a_telephone"


def page() -> str:
    clouds = [
        Cloud(LONG, mean, np.array([0.1, 0.3]), mean + np.array([0.1, 0.3]) * RNG.standard_normal((100, 2)))
        for mean in RNG.standard_normal((8, 2))
    ]
    prior = Cloud("the prior, 2σ", np.zeros(2), np.ones(2), RNG.standard_normal((300, 2)))
    variance = np.array([1.0, 0.5, 0.001, 0.0])
    walk = Walk(
        name=LONG, real=IMAGES[0], picture=IMAGES[1], draws=IMAGES[:6], dimensions=["dim 3 (z2)", "dim 0 (z1)"],
        mean=np.ones(2), deviation=np.ones(2), noise=np.ones((6, 2)), steps=np.stack([IMAGES[:4]] * 2),
        draw_change=0.1, image_change=0.2, change_over=LONG,
    )  # fmt: skip
    parts = [
        clouds_part(clouds, IMAGES, ("dim 3", "dim 0"), prior, True, [("1", clouds[0].draws[0])]),
        walk_part(walk),
        costs_part(list("abcd"), variance * 2, variance, variance > 0.01, 0.01),
    ]
    usage = code_usage(RNG.integers(0, 64, 400), 64)
    sections = [
        joined("posterior", "Posterior", parts),
        levels_section(
            [HeldLevel(f"z{n}", 8, np.stack([IMAGES[:7]] * 2), 0.5) for n in (1, 2)], [LONG, "@2"], IMAGES[:2]
        ),
        codebook_section(usage, np.arange(8), IMAGES),
    ]
    return render_page("Report", "all of it", sections)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_clouds_are_drawn_in_colours_that_are_seen(open_page, scheme: str) -> None:
    tab = open_page(page(), "#posterior", color_scheme=scheme)
    seen = tab.evaluate(
        """() => {
          const style = (node, name) => getComputedStyle(node)[name];
          const charts = [...document.querySelectorAll("#posterior .chart")];
          const box = charts[0].querySelector("svg[role]").getBoundingClientRect();
          const inside = [...charts[0].querySelectorAll("ellipse.cloud, ellipse.prior")].every((node) => {
            const own = node.getBoundingClientRect();
            return own.left >= box.left && own.right <= box.right && own.top >= box.top && own.bottom <= box.bottom;
          });
          return {
            colours: [...charts[0].querySelectorAll("ellipse.cloud")].map((node) => style(node, "stroke")),
            prior: style(charts[0].querySelector("ellipse.prior"), "stroke"),
            panel: style(charts[0], "backgroundColor"),
            hollow: [...document.querySelectorAll("circle.dot")].map((node) => style(node, "fill")),
            inside,
          };
        }"""
    )
    assert len(seen["colours"]) == 8 == len(set(seen["colours"])) and seen["inside"]
    assert not {"none", seen["panel"]} & {*seen["colours"], seen["prior"]}
    assert seen["hollow"][2:] == [seen["panel"]] * 2 and seen["panel"] not in seen["hollow"][:2]


@pytest.mark.parametrize("part", ["posterior", "levels", "codes"])
def test_nothing_is_wider_than_a_telephone(visit, part: str) -> None:
    wide = visit(
        page(), "return document.documentElement.scrollWidth;", "#" + part, viewport={"width": 390, "height": 800}
    )
    assert wide <= 390


def test_every_picture_has_words_and_is_there(visit) -> None:
    seen = visit(
        page(),
        """return [
          $$("#posterior img").map((image) => [image.complete && image.naturalWidth > 0, image.alt.length > 0]),
          $$("#posterior svg[role=img]").map((drawing) => drawing.getAttribute("aria-label").length)];""",
        "#posterior",
    )
    assert len(seen[0]) >= 20 and all(all(one) for one in seen[0])
    assert len(seen[1]) == 4 and min(seen[1]) > 20
