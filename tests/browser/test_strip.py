"""The strip player, in a real browser."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.report.page import render_page
from latentlab.report.sections.morph import morph_section

pytestmark = pytest.mark.browser

FRAMES = np.linspace(0, 1, 5)[:, None, None, None] * np.ones((5, 1, 28, 28))
PAGE = render_page(
    "1 to 7", "a walk", [morph_section(FRAMES, [f"step {k}" for k in range(5)], ["1", "7"], seconds=0.05)]
)
STATE = """
const state = () => {
  const index = Number($("[data-strip]").dataset.index);
  return [
    index,
    $(".strip-caption").textContent,
    $(".strip-count").textContent,
    Number($(".strip input").value),
    $$(".strip-frames button").findIndex((button) => button.hasAttribute("aria-current")),
    $(".strip-picture").src === $$(".strip-frames img")[index].src,
  ];
};
"""


def at(index: int) -> list[object]:
    return [index, f"step {index}", f"{index + 1} / 5", index, index, True]


def test_slider_clicks_and_keys_choose_the_frame(visit) -> None:
    seen = visit(
        PAGE,
        STATE
        + """
        const seen = [state()];
        $(".strip input").value = 3;
        $(".strip input").dispatchEvent(new Event("input"));
        seen.push(state());
        $$(".strip-frames button")[1].click();
        seen.push(state());
        for (const key of ["ArrowRight", "ArrowRight", "End", "ArrowRight", "ArrowLeft", "Home"]) {
          press(document.body, key);
          seen.push(state());
        }
        return seen;
        """,
    )
    assert seen == [at(index) for index in (0, 3, 1, 2, 3, 4, 4, 3, 0)]


def test_play_goes_to_and_fro_and_pauses(visit) -> None:
    seen = visit(
        PAGE,
        """
        const strip = $("[data-strip]");
        const play = $(".strip-play");
        const order = [];
        const watch = new MutationObserver(() => order.push(Number(strip.dataset.index)));
        watch.observe(strip, { attributeFilter: ["data-index"] });
        press(document.body, " ");
        const playing = play.getAttribute("aria-label");
        await until(() => order.length > 8);
        play.click();
        const stopped = order.length;
        await wait(2000);
        return [playing, play.getAttribute("aria-label"), order.slice(0, 8), order.length - stopped];
        """,
    )
    assert seen == ["Pause", "Play", [1, 2, 3, 4, 3, 2, 1, 0], 0]


def test_less_motion_is_one_pass(visit) -> None:
    seen = visit(
        PAGE,
        """
        $(".strip-play").click();
        await wait(6000);
        return [$("[data-strip]").dataset.index, $(".strip-play").ariaLabel];
        """,
        reduced_motion="reduce",
    )
    assert seen == ["4", "Play"]
