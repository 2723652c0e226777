"""Tabs, colours and small screens, in a real browser."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from latentlab.report.page import Section, render_page
from latentlab.report.sections import SECTIONS
from latentlab.report.sections.attributes import AttributeRow
from latentlab.report.sections.edit import EditRow

pytestmark = pytest.mark.browser

IMAGES = np.random.default_rng(0).random((12, 3, 32, 32))
LONG = "a_name_without_spaces_that_goes_on_and_on_and_is_wider_than_a_telephone.png"


def sections() -> list[Section]:
    history = [{"epoch": k, "train_loss_nats": 9.0 / k, "test_loss_nats": 9.5 / k} for k in range(1, 9)]
    return [
        SECTIONS["summary"]({"name": LONG, LONG: 3}, [LONG], [LONG]),
        SECTIONS["morph"](IMAGES, [LONG] * 12, [LONG, "7", LONG], {LONG: LONG}, [LONG]),
        SECTIONS["edit"]([EditRow(LONG, IMAGES[0], IMAGES[1], IMAGES, LONG)], ["α = 1"] * 12, "Edit", {}, [LONG]),
        SECTIONS["attributes"]([AttributeRow(LONG, 3, 4, 0.9, 1.5, LONG, IMAGES[0], IMAGES[1])]),
        SECTIONS["reconstructions"](IMAGES, IMAGES, [LONG] * 12, np.arange(12.0)),
        SECTIONS["samples"](IMAGES),
        SECTIONS["training"](history),
    ]


PAGE = render_page(LONG, LONG, sections(), {"checkpoint": LONG * 2})


def test_tabs_show_one_section_and_follow_the_address_and_the_keys(visit) -> None:
    seen = visit(
        PAGE,
        """
        const shown = () => [$$(".panel").filter((panel) => panel.checkVisibility()).map((panel) => panel.id),
          $$('[role="tab"][aria-selected="true"]').map((tab) => tab.textContent), document.activeElement.id];
        const seen = [shown()];
        $("#tab-edit").focus();
        for (const key of ["ArrowRight", "End", "ArrowRight", "ArrowLeft", "Home"]) {
          press(document.activeElement, key);
          seen.push(shown());
        }
        return [seen, location.hash];
        """,
        fragment="#edit",
    )
    ids = ["edit", "attributes", "training", "summary", "training", "summary"]
    assert [state[0] for state in seen[0]] == [[id] for id in ids]
    assert [state[1] for state in seen[0]] == [[id.title()] for id in ids]
    assert [state[2] for state in seen[0]][1:] == [f"tab-{id}" for id in ids[1:]]
    assert seen[1] == "#summary"


@pytest.mark.parametrize(("fragment", "shown"), [("#edit?alpha=2", "edit"), ("#%", "summary"), ("#nobody", "summary")])
def test_the_address_names_the_section_before_its_question_mark(visit, fragment: str, shown: str) -> None:
    assert visit(
        PAGE, "return $$('.panel').filter((panel) => panel.checkVisibility()).map((p) => p.id);", fragment
    ) == [shown]


def test_nothing_is_wider_than_a_telephone(visit) -> None:
    # Three pictures side by side: an edit of one strength.
    three = SECTIONS["edit"]([EditRow(LONG, IMAGES[0], IMAGES[1], IMAGES[:1], LONG)], ["α = 1"], "Edit", {}, [LONG])
    seen = visit(
        render_page(LONG, LONG, [*sections(), replace(three, id="cards", title="Cards")]),
        """
        const tooWide = [];
        for (const tab of $$('[role="tab"]')) {
          tab.click();
          if (document.documentElement.scrollWidth > 390) tooWide.push(tab.textContent);
        }
        return [$$('[role="tab"]').length, innerWidth, tooWide];
        """,
        viewport={"width": 390, "height": 800},
    )
    assert seen == [8, 390, []]


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_page_follows_the_colour_scheme(visit, scheme: str) -> None:
    script = """
        const parts = (name) => getComputedStyle($("body"))[name].match(/\\d+/g).slice(0, 3).map(Number);
        const light = (name) => parts(name).reduce((a, b) => a + b) / 765;
        return [light("backgroundColor"), light("color")];
    """
    paper, ink = visit(PAGE, script, color_scheme=scheme)
    assert (paper < 0.2 and ink > 0.8) if scheme == "dark" else (paper > 0.9 and ink < 0.2)
