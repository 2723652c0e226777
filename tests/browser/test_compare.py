"""The page of models side by side, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentlab.data import load_data
from latentlab.lab import load

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labs = load("digits", "cpu"), load("digits-ae", "cpu")
    train, data = (load_data("digits", split=split, count=150) for split in ("train", "test"))
    folder = tmp_path_factory.mktemp("compare")
    labs[0].compare(labs[1], data=data, train=train, seeds=2, images=6).save(
        folder, "latentlab compare digits digits-ae"
    )
    return folder / "index.html"


def test_rows_stand_one_above_the_other_and_pictures_have_words(visit, page: Path) -> None:
    seen = visit(
        page,
        """
        $("#tab-between").click();
        const table = $("#between .pictures-table");
        const rows = [...table.tBodies[0].rows].map((row) => [...row.querySelectorAll("img")]);
        const lefts = rows.map((row) => row.map((img) => Math.round(img.getBoundingClientRect().left)));
        const tops = rows.map((row) => row[0].getBoundingClientRect().top);
        return [rows.map((row) => row.length), lefts.every((row) => String(row) === String(lefts[0])),
          tops.every((top, k) => !k || top > tops[k - 1]), $$("img").filter((img) => !img.alt).length,
          $$("img").filter((img) => !img.complete || !img.naturalWidth).length];
        """,
    )
    assert seen == [[11, 11, 11, 11], True, True, 0, 0]


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_points_and_their_names_lie_inside_of_the_chart(visit, page: Path, scheme: str) -> None:
    seen = visit(
        page,
        """
        $("#tab-rate").click();
        const chart = $("#rate svg").getBoundingClientRect();
        const inside = (box) => box.left >= chart.left - 1 && box.right <= chart.right + 1
          && box.top >= chart.top - 1 && box.bottom <= chart.bottom + 1;
        const shapes = $$("#rate svg g"), words = $$("#rate svg text");
        const colours = shapes.map((shape) => getComputedStyle(shape).stroke);
        const outside = [...shapes, ...words].filter((one) => !inside(one.getBoundingClientRect()));
        return [shapes.length, outside.map((one) => one.textContent.trim()),
          new Set(colours).size, getComputedStyle(shapes[1]).fill !== getComputedStyle(shapes[1]).stroke];
        """,
        color_scheme=scheme,
    )
    assert seen == [2, [], 2, True]


def test_nothing_is_wider_than_a_telephone(visit, page: Path) -> None:
    seen = visit(
        page,
        """
        const tooWide = [];
        for (const tab of $$('[role="tab"]')) {
          tab.click();
          if (document.documentElement.scrollWidth > 390) tooWide.push(tab.textContent);
        }
        return [$$('[role="tab"]').map((tab) => tab.textContent), tooWide];
        """,
        viewport={"width": 390, "height": 800},
    )
    assert seen == [["Verdict", "Between", "Reconstructions", "Samples", "Rate and distortion", "Features"], []]
