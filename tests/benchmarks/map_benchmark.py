"""How soon a map is usable, and how soon a lasso answers: `python -m tests.benchmarks.map_benchmark [points]`.

The page holds 70,000 points in ten classes with pictures, ids, a score and latents, and is opened from a file in
Chromium. Usable: from navigation until points are drawn and hover, keys, search and lasso answer. Lasso: from letting
go of the button until the frame with the selection and its gallery has been drawn.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from latentlab.data import load_data
from latentlab.maps.inverse import Inverse
from latentlab.report.page import render_page
from latentlab.report.sections.map import map_section
from tests.benchmarks.figure import say

RUNS = 5
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
USABLE_SECONDS, LASSO_MILLISECONDS = 1.5, 100
# Milliseconds from the event to the frame after the one in which it was answered.
WATCH = """() => {
  globalThis.answered = [];
  addEventListener("pointerup", () => {
    const began = performance.now();
    requestAnimationFrame(() => setTimeout(() => globalThis.answered.push(performance.now() - began)));
  }, { capture: true });
}"""


def map_page(count: int) -> str:
    """A page with a map of ten clouds of points, each with a digit's picture."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, count)
    turn = 2 * np.pi * labels / 10
    coords = generator.normal(size=(count, 2)) + 6 * np.stack([np.cos(turn), np.sin(turn)], 1)
    digits = load_data("digits", split="all").images
    pictures = np.kron(digits[generator.integers(0, len(digits), count)], np.ones((1, 1, 3, 3), np.float32))
    section = map_section(
        coords,
        "Map",
        ("x", "y"),
        {"label": labels.astype(str), "score": coords[:, 0]},
        pictures,
        [f"data/test/{row}" for row in range(count)],
        inverse=Inverse("neighbours", generator.normal(size=(count, 16)).astype(np.float32)),
    )
    return render_page("Map", f"{count:,} points", [section])


def lasso(tab: Page, share: float) -> None:
    """Draw a circle of 60 corners that is `share` of the stage wide."""
    box = tab.locator(".map-points").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    angles = np.linspace(0, 2 * np.pi, 60)
    radius = share * min(box["width"], box["height"]) / 2
    tab.mouse.move(x + radius, y)
    tab.mouse.down()
    for angle in angles:
        tab.mouse.move(x + radius * np.cos(angle), y + radius * np.sin(angle))
    tab.mouse.up()
    tab.wait_for_timeout(400)


def main(count: int) -> None:
    """Print medians and the worst of some runs, and the bounds."""
    html = map_page(count)
    usable, work, frame, selected = [], [], [], set()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "map.html"
        path.write_text(html, encoding="utf-8")
        executable = next(found for name in NAMES if (found := shutil.which(name)))
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for _ in range(RUNS):
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            tab.goto(path.as_uri())
            tab.wait_for_selector("[data-ready]", state="attached")
            usable.append(tab.evaluate("performance.getEntriesByName('map-ready')[0].startTime") / 1000)
            tab.evaluate(WATCH)
            tab.click('button[data-mode="lasso"]')
            for share in (0.5, 0.9, 1.1):
                lasso(tab, share)
                selected.add(int(tab.get_attribute("[data-map]", "data-selected") or 0))
            work += tab.evaluate("performance.getEntriesByName('map-lasso').map((entry) => entry.duration)")
            frame += tab.evaluate("answered.slice(1)")
            tab.close()
        browser.close()
    print(
        f"map of {count:,} points, page of {len(html) / 1e6:.1f} MB, selections of {min(selected):,}–{max(selected):,}"
    )
    say(f"a map of {count:,} points with pictures, until it is usable", f"{_summary(usable)} s",
        value=statistics.median(usable), at_most=USABLE_SECONDS, unit=" s")  # fmt: skip
    say("its lasso, the work", f"{_summary(work, 0)} ms", value=max(work), at_most=LASSO_MILLISECONDS, unit=" ms")
    say("its lasso, until it is drawn", f"{_summary(frame, 0)} ms", value=max(frame), at_most=LASSO_MILLISECONDS,
        unit=" ms")  # fmt: skip


def _summary(values: list[float], digits: int = 2) -> str:
    return f"{statistics.median(values):.{digits}f} median, {max(values):.{digits}f} worst of {len(values)}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 70_000)
