"""Seventy thousand points, in a real browser: here a slip to quadratic work is noticed; the benchmark measures."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.maps.inverse import Inverse
from latentlab.report.page import render_page
from latentlab.report.sections.map import map_section

pytestmark = pytest.mark.browser

COUNT = 70_000
# Several times what a quiet machine takes: .7 s, 20 ms, 1 ms. What is quadratic takes minutes.
USABLE_SECONDS, LASSO_MILLISECONDS, STEP_MILLISECONDS = 6, 700, 100


def test_seventy_thousand_points_are_usable_soon_and_a_lasso_answers_at_once(open_page) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, COUNT)
    # Most in ten dense clouds and a few far away: the index must not lean on an even spread.
    coords = generator.normal(size=(COUNT, 2)) + labels[:, None]
    coords[:20] *= 100
    section = map_section(
        coords,
        "Map",
        ("x", "y"),
        {"label": labels.astype(str), "score": coords[:, 0]},
        np.zeros((0, 1, 8, 8)),
        range(COUNT),
        inverse=Inverse("neighbours", generator.normal(size=(COUNT, 8)).astype(np.float32)),
    )
    tab = open_page(render_page("Map", "", [section]))
    tab.wait_for_selector("[data-ready]", state="attached")
    assert tab.evaluate("performance.getEntriesByName('map-ready')[0].startTime") < 1000 * USABLE_SECONDS
    tab.focus(".map-stage")
    box = tab.locator(".map-points").bounding_box()
    tab.mouse.move(box["x"] + 2, box["y"] + 2)
    tab.keyboard.press("l")
    tab.mouse.down()
    for x, y in ((0.3, 0), (0.6, 0.01), (1, 0), (1, 0.6), (0.99, 1), (0.5, 1), (0, 1), (0.01, 0.5)):
        tab.mouse.move(box["x"] + 2 + x * (box["width"] - 4), box["y"] + 2 + y * (box["height"] - 4), steps=8)
    tab.mouse.up()
    assert int(tab.get_attribute("[data-map]", "data-selected")) > 0.99 * COUNT
    (took,) = tab.evaluate("performance.getEntriesByName('map-lasso').map((entry) => entry.duration)")
    assert took < LASSO_MILLISECONDS
    steps = tab.evaluate(
        """() => {
          const stage = document.querySelector(".map-stage");
          const times = [];
          for (const key of ["Right", "Up", "Left", "Down"].flatMap((way) => Array(8).fill(`Arrow${way}`))) {
            const began = performance.now();
            stage.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
            times.push(performance.now() - began);
          }
          return times.sort((a, b) => a - b)[16];
        }"""
    )
    assert steps < STEP_MILLISECONDS
