"""The codebook and the levels, built from plain arrays."""

from __future__ import annotations

import re

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.evaluation.code_usage import code_usage
from latentlab.report.page import ASSETS
from latentlab.report.sections.codebook import codebook_section
from latentlab.report.sections.level import HeldLevel, levels_section

HOSTILE = "</script><img src=x onerror=alert(1)>"
IMAGES = np.random.default_rng(0).random((4, 1, 4, 4)).astype(np.float32)


def test_codes_are_counted_against_an_even_use() -> None:
    # Of four codes two are used alike: worth two codes, one bit of two.
    usage = code_usage(np.array([[0, 3], [3, 0]]), 4)
    html = codebook_section(usage, np.array([0, 3]), IMAGES[:2], [HOSTILE]).html
    assert "1.00 of 2.00" in html and re.search(r"codes used</dt><dd>2<", html)
    assert re.search(r"perplexity</dt><dd>2<", html)
    assert "code 0: 50.0 %" in html and "code 3: 50.0 %" in html
    assert re.findall(r"<title>code (\d): ([\d.]+)", html) == [("0", "50"), ("3", "50"), ("1", "0"), ("2", "0")]
    # A quarter each would be half of what the two have.
    (line,) = re.findall(r'<path d="M\S+ (\S+)H\S+" stroke="var\(--ink\)"', html)
    heights = [float(y) for y in re.findall(r'<rect class="bar" x="\S+" y="(\S+)"', html)]
    assert float(line) == pytest.approx((heights[0] + heights[-1]) / 2, abs=0.2)
    assert "if all were used alike" in html and "<img src=x" not in html
    with pytest.raises(DataError, match="as many codes and pictures"):
        codebook_section(usage, np.array([0]), IMAGES[:2])


def test_every_level_is_held_once() -> None:
    draws = np.stack([IMAGES[:3]] * 2)
    levels = [HeldLevel("z1", 8, draws, 0.625), HeldLevel("z2", 4, draws, 0.25)]
    section = levels_section(levels, ["@1", HOSTILE], IMAGES[:2], IMAGES[2:], ["a note"])
    assert section.id == "levels" and section.needs <= set(ASSETS) and "<img src=x" not in section.html
    assert "z1 held (8 values), z2 drawn" in section.html and "z2 held (4 values), z1 drawn" in section.html
    assert "62.5 %" in section.html and "25.0 %" in section.html and "a note" in section.html
    for column in ("image", "all levels", "draw 1", "draw 2", "draw 3"):
        assert section.html.count(f'alt="@1, {column}"') == 2
    assert 'alt="@1, image"' not in levels_section(levels, ["@1", "b"], IMAGES[:2]).html
    with pytest.raises(DataError, match="as many names"):
        levels_section(levels, ["@1"], IMAGES[:2])
    with pytest.raises(DataError, match="expected levels"):
        levels_section([], ["@1"], IMAGES[:1])
