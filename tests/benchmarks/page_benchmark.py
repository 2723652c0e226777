"""What somebody feels who opens a report and drags a slider: `python -m tests.benchmarks.page_benchmark [model]`.

The report is made by the command and opened from a file in Chromium, straight at its bench. First picture: from the
page's load event until the bench has painted. Pointer to paint: from the moment of an input event until the picture
that it asked for is on the canvas, over drags of several sliders.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.benchmarks.figure import say

RUNS = 5
DRAGS, STEPS = 6, 60
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# When the bench painted first, and when the page had loaded, in milliseconds since navigation.
WATCH = """
addEventListener("DOMContentLoaded", () => {
  const root = document.querySelector("[data-bench]");
  new MutationObserver(() => (globalThis.firstPaint ??= performance.now())).observe(root, {
    attributeFilter: ["data-painted"],
  });
});
addEventListener("load", () => (globalThis.loaded = performance.now()));
"""


def visit(browser: Browser, page: Path) -> tuple[float, float, list[float]]:
    """Milliseconds from load to the first picture, of a decode, and from pointer to paint."""
    tab = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    tab.add_init_script(WATCH)
    tab.goto(page.as_uri() + "#bench")
    first = tab.evaluate(
        "async () => { while (!(globalThis.firstPaint && globalThis.loaded)) await new Promise(requestAnimationFrame);"
        " return Math.max(firstPaint - loaded, 0); }"
    )
    tab.wait_for_timeout(1500)
    decode = tab.evaluate(
        "async () => { const z = new Float32Array(latentlab.live.size);"
        " for (let i = 0; i < 100; i++) await latentlab.live.draw(z.map(() => Math.random() - 0.5), { key: i });"
        " latentlab.latencies.length = 0; return latentlab.live.milliseconds(); }"
    )
    sliders = tab.locator("[data-bench] input[type=range]")
    for number in range(DRAGS):
        box = sliders.nth(number).bounding_box()
        assert box
        tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        tab.mouse.down()
        for step in range(STEPS):
            share = 0.5 + 0.2 * (step / STEPS)
            tab.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
            time.sleep(0.016)
        tab.mouse.up()
    latencies = tab.evaluate("latentlab.latencies")
    tab.context.close()
    return first, decode, latencies


def main() -> None:
    """Print a line a figure."""
    model = sys.argv[1] if len(sys.argv) > 1 else "faces"
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        sys.exit("no Chromium here")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        started = time.perf_counter()
        command = [sys.executable, "-m", "latentlab", "report", "--model", model, "--out", folder, "--quiet"]
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.perf_counter() - started
        say(f"`latentlab report --model {model}`", f"{seconds:.1f} s", value=seconds, at_most=30, unit=" s")
        page = Path(folder) / "index.html"
        megabytes = page.stat().st_size / 1e6
        say("its page, with the decoder", f"{megabytes:.2f} MB", value=megabytes, at_most=8, unit=" MB")
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        visits = [visit(browser, page) for _ in range(RUNS)]
        browser.close()
    latencies = sorted(latency for _, _, some in visits for latency in some)
    tail = latencies[int(0.95 * len(latencies))]
    first, decode = (statistics.median(values) for values in list(zip(*visits, strict=True))[:2])
    say("its bench: first live picture after load", f"{first:.0f} ms", value=first, at_most=500, unit=" ms")
    say("its bench: a picture", f"{decode:.1f} ms", value=decode, at_most=6, unit=" ms")
    median = statistics.median(latencies)
    say(f"its bench: pointer to paint, median of {len(latencies)}", f"{median:.1f} ms", value=median, at_most=16,
        unit=" ms")  # fmt: skip
    say("its bench: pointer to paint, 95th percentile", f"{tail:.1f} ms", value=tail, at_most=40, unit=" ms")


if __name__ == "__main__":
    main()
