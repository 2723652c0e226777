"""Templates that escape what they are given, and data that a script in the page can read."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

TEMPLATES = Path(__file__).parent / "templates"
LIVE = Path(__file__).parent / "live"
# What would end the script element, or a line of script in old parsers, if it stood in the data.
UNSAFE_IN_SCRIPT = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def fill(name: str, **values: Any) -> Markup:
    """Fill the template file `name`; every value that is not Markup is escaped."""
    return Markup(_environment().get_template(name).render(values).strip())


def asset(name: str) -> Markup:
    """Read a style sheet or script of the package, to be put into the page as it is."""
    folder = TEMPLATES if (TEMPLATES / name).is_file() else LIVE
    return Markup((folder / name).read_text(encoding="utf-8").strip())


def script_data(value: Any) -> Markup:
    """Write a value as JSON that may stand inside a `<script type="application/json">`.

    >>> print(script_data({"label": "</script>"}))
    {"label":"\\u003c/script\\u003e"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(UNSAFE_IN_SCRIPT))


def prose(text: str) -> Markup:
    """Escape a sentence, and set what stands between backticks as code.

    >>> print(prose("run `latentlab map` <now>"))
    run <code>latentlab map</code> &lt;now&gt;
    """
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = prose
    return environment
