"""Opens pages in a headless Chromium, and reads back what they have become."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-file-access-from-files",
    "--enable-logging=stderr",
    "--v=0",
    "--window-size=1280,900",
    "--virtual-time-budget=20000",
    "--dump-dom",
)
# What the graphics of a machine without a GPU say of themselves is no fault of the page.
DRIVER_WORDS = ("software WebGL", "GL Driver Message")
# A test hands in the body of an async function; what it returns comes back. `until` waits for a condition.
RUNNER = """
<script>
{{
  const until = async (met) => {{ while (!met()) await new Promise((resolve) => setTimeout(resolve, 20)); }};
  const $ = (selector) => document.querySelector(selector);
  const $$ = (selector) => [...document.querySelectorAll(selector)];
  const press = (target, key) =>
    target.dispatchEvent(new KeyboardEvent("keydown", {{ key, bubbles: true, cancelable: true }}));
  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const test = async () => {{ {body} }};
  test().then((value) => value, (error) => ({{ error: String(error) }})).then((value) => {{
    document.documentElement.dataset.result = JSON.stringify(value ?? null);
  }});
}}
</script>
</body>"""


@dataclass(frozen=True)
class Visit:
    """What the page returned, what it wrote to the console, and its document at the end."""

    result: Any
    console: list[str]
    document: str


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium; tests skip where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if not found:
        pytest.skip("no Chromium here")
    return found


@pytest.fixture
def visit(chromium: str, tmp_path: Path) -> Callable[..., Visit]:
    """Open a page, run a script in it, and return what came of it."""

    def open_page(page: str, script: str = "", fragment: str = "", switches: tuple[str, ...] = ()) -> Visit:
        before, end, after = page.rpartition("</body>")
        assert end
        path = tmp_path / "page.html"
        path.write_text(before + RUNNER.format(body=script) + after, encoding="utf-8")
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        done = subprocess.run(
            [chromium, *SWITCHES, *switches, profile, path.as_uri() + fragment],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        result = re.search(r'<html[^>]*data-result="([^"]*)"', done.stdout)
        assert result, "the script did not come to its end"
        lines = (line for line in done.stderr.splitlines() if "CONSOLE" in line)
        console = [line for line in lines if not any(word in line for word in DRIVER_WORDS)]
        return Visit(json.loads(html.unescape(result[1])), console, done.stdout)

    return open_page
