"""A page is one file that fetches nothing, and says how it was made."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from markupsafe import Markup

from latentlab.errors import DataError
from latentlab.report.page import ASSETS, Section, render_page
from latentlab.report.sections.morph import morph_section

FRAMES = np.linspace(0, 1, 4 * 28 * 28).reshape(4, 1, 28, 28)


def plain(id: str, **parts: object) -> Section:
    return Section(id, id.title(), Markup("<p>content of {}</p>").format(id), **parts)


def test_page_is_self_contained() -> None:
    page = render_page("1 to 7", "a walk", [morph_section(FRAMES, list("abcd"), ["1", "7"])], {"seed": 0})
    assert page.startswith("<!doctype html>") and page.count("<title>1 to 7</title>") == 1
    assert not re.search(r"https?://", page)
    assert all(link.startswith(("data:", "#")) for link in re.findall(r'(?:src|href)="([^"]*)"', page))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy and "default-src &#39;none&#39;" in policy[1] and "unsafe-eval" not in policy[1]
    assert len(page) < 200_000


def test_every_picture_has_words() -> None:
    page = render_page("t", "", [morph_section(FRAMES, list("abcd"), ["1", "7"])])
    pictures = re.findall(r"<img[^>]*>", page)
    assert len(pictures) == 5 and all(re.search(r'alt="[^"]+"', picture) for picture in pictures)


def test_one_section_has_no_tabs_and_several_have() -> None:
    assert '<button type="button" role="tab"' not in render_page("t", "s", [plain("morph")])
    page = render_page("t", "s", [plain("morph"), plain("map", missing="run `latentlab map`")])
    assert page.count('<button type="button" role="tab"') == 2 and page.count('role="tabpanel"') == 2
    assert "run <code>latentlab map</code>" in page


def test_ids_are_needed_and_unique() -> None:
    for sections in ([], [plain("a"), plain("a")]):
        with pytest.raises(DataError, match="ids of their own"):
            render_page("t", "s", sections)


def test_everything_of_the_user_is_escaped() -> None:
    hostile = "<img src=x onerror=alert(1)></script>"
    page = render_page(hostile, hostile, [plain("a", summary=hostile, missing=hostile)], {hostile: hostile})
    assert "<img" not in page and page.count("</script>") == page.count("<script")


def test_provenance_leaves_out_what_is_not_known() -> None:
    page = render_page("t", "s", [plain("a")], {"model_name": "mnist", "seed": 0, "data": None, "note": ""})
    assert "<dt>model name</dt><dd>mnist</dd>" in page and "<dt>seed</dt><dd>0</dd>" in page
    assert "<dt>data</dt>" not in page and "<dt>note</dt>" not in page


def test_scripts_come_only_where_they_are_needed() -> None:
    page = render_page("t", "s", [plain("a")])
    assert "startStrip" not in page and "plotly" not in page.lower()
    assert "startStrip" in render_page("t", "s", [plain("a", needs=frozenset({"strip"}))])
    assert {"strip", "map", "bench"} == set(ASSETS)


def test_a_morph_page_imports_nothing_heavy() -> None:
    code = (
        "import sys, numpy as np\n"
        "from latentlab.report.page import render_page\n"
        "from latentlab.report.sections import SECTIONS\n"
        "render_page('t', 's', [SECTIONS['morph'](np.zeros((3, 1, 28, 28)), list('abc'), ['1', '7'])])\n"
        "print({'torch', 'plotly', 'sklearn', 'scipy', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
