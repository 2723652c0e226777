"""What comes from a user is escaped, wherever it goes."""

from __future__ import annotations

import json

import pytest
from jinja2 import UndefinedError

from latentlab.report.template import fill, prose, script_data

HOSTILE = "</script><img src=x onerror=alert(1)>&\u2028\u2029\"'"


def test_data_cannot_end_its_script_and_comes_back_whole() -> None:
    text = script_data({HOSTILE: [HOSTILE, 1.5, None]})
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == {HOSTILE: [HOSTILE, 1.5, None]}


def test_numbers_that_json_lacks_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        script_data([float("nan")])


def test_prose_escapes_and_sets_code() -> None:
    assert prose(f"`{HOSTILE}` and {HOSTILE}").count("<") == 2
    assert prose("run `a` or `b`") == "run <code>a</code> or <code>b</code>"


def test_templates_escape_and_miss_nothing() -> None:
    html = fill("notes.html.jinja", lines=[HOSTILE], warning=False)
    assert "<img" not in html and "&lt;img" in html
    with pytest.raises(UndefinedError):
        fill("notes.html.jinja", lines=[HOSTILE])
