"""The page of swapped conditions, in a real browser."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.report.page import render_page
from latentlab.report.sections.condition import condition_section

pytestmark = pytest.mark.browser

ROWS = [(f"@{row}, read as <{row}>", np.full((5, 1, 8, 8), row / 3)) for row in range(3)]
JUDGED = [{"pictures": f"swapped to {name}", "images": 40, "model's head": 0.975} for name in "<7>"]
PAGE = render_page(
    "Condition",
    "digits",
    [condition_section("Condition", ["original", "reconstruction"], list("<7>"), ROWS, "Over 40.", JUDGED, ["z <b>"])],
)


def test_every_picture_and_share_is_there_and_nothing_is_markup(visit) -> None:
    seen = visit(
        PAGE,
        """
  return [
    $$("main img").length,
    $$("main b").length,
    $$("main table td").filter((cell) => cell.textContent.trim() === "98%").length,
    $$("main img").every((image) => image.alt.includes("read as <")),
  ];
""",
    )
    assert seen == [15, 0, 3, True]
