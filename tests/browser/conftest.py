"""Opens pages from files in the system's Chromium, and holds them to what every page promises."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SWITCHES = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")
# What the graphics of a machine without a GPU say of themselves is no fault of the page.
DRIVER_WORDS = ("software WebGL", "GL Driver Message", "GPU stall", "Automatic fallback to software WebGL")
# A test hands in the body of an async function; what it returns comes back. `until` waits for a condition.
BODY = """async () => {{
  const until = async (met) => {{ while (!met()) await new Promise((resolve) => setTimeout(resolve, 20)); }};
  const $ = (selector) => document.querySelector(selector);
  const $$ = (selector) => [...document.querySelectorAll(selector)];
  const press = (target, key) =>
    target.dispatchEvent(new KeyboardEvent("keydown", {{ key, bubbles: true, cancelable: true }}));
  const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  {script}
}}"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A running Chromium; tests skip where there is none."""
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if not found:
        pytest.skip("no Chromium here")
    with sync.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=list(SWITCHES))
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Open a page (its HTML, or its path) from a file. After the test: nothing was requested, nothing complained.

    Keyword arguments are those of a browser context: viewport, color_scheme, reduced_motion, accept_downloads, …
    """
    numbers = itertools.count()
    contexts = []
    asked: list[str] = []
    complaints: list[str] = []

    def open_(page: str | Path, fragment: str = "", **context: Any) -> Page:
        path = page if isinstance(page, Path) else tmp_path / f"page-{next(numbers)}.html"
        if isinstance(page, str):
            path.write_text(page, encoding="utf-8")
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context}))
        tab = contexts[-1].new_page()
        own = path.as_uri()
        tab.on("request", lambda sent: None if _stays(sent.url, own) else asked.append(sent.url))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("console", lambda said: None if _harmless(said) else complaints.append(said.text))
        tab.goto(own + fragment)
        return tab

    yield open_
    for context in contexts:
        context.close()
    assert asked == [] and complaints == []


@pytest.fixture
def visit(open_page: Callable[..., Page]) -> Callable[..., Any]:
    """Open a page, run a script in it, and return what came of it."""

    def run(page: str | Path, script: str, fragment: str = "", **context: Any) -> Any:
        return open_page(page, fragment, **context).evaluate(BODY.format(script=script))

    return run


def _stays(url: str, own: str) -> bool:
    return url.partition("#")[0] == own or url.startswith(("blob:", "data:"))


def _harmless(said: Any) -> bool:
    return said.type not in ("error", "warning") or any(word in said.text for word in DRIVER_WORDS)
