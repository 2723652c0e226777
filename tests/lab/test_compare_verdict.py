"""The words of a comparison: who does better, by what, and when nobody does."""

from __future__ import annotations

import math

import numpy as np
import pytest

from latentlab.evaluation.midpoint import Midpoints
from latentlab.lab.compare.score import FADE, REAL
from latentlab.lab.compare.verdict import CONFIDENCE, CYCLE, NEAREST, Compared, headline, verdict
from latentlab.lab.compare.verdict import _between as between
from latentlab.statistics.paired import Difference

PLACES = "two images"
SCALE = {REAL: {"end_nearest": 0.1}, FADE: {"midpoint_nearest": 0.25}}


def compared(measure, a: float, b: float, half: float, names: tuple[str, str] = ("one", "two")) -> Compared:
    mean = a - b
    return Compared(
        measure, (names[0], a), (names[1], b), Difference(mean, mean - half, mean + half, 5), "seeds", "at the ends 0 1"
    )


@pytest.mark.parametrize(
    ("measure", "a", "b", "better"),
    [(CYCLE, 0.1, 0.3, "one"), (CYCLE, 0.3, 0.1, "two"), (CONFIDENCE, 0.9, 0.5, "one"), (CONFIDENCE, 0.5, 0.9, "two")],
)
def test_less_is_better_but_not_for_confidence(measure, a: float, b: float, better: str) -> None:
    assert compared(measure, a, b, 0.05).better == better
    assert compared(measure, a, b, 5.0).better is None


def test_sentences_have_their_numbers() -> None:
    assert compared(CONFIDENCE, 0.9, 0.5, 0.05).sentence == (
        "The classifier's confidence at the mid-points: one 90.0 % against two 50.0 % (difference +40.0 points, 95 % "
        "interval +35.0 to +45.0 points, 5 seeds; at the ends 0 1): one does better."
    )
    assert compared(CYCLE, 0.25, 0.5, 0.5).sentence == (
        "Cycle error at the mid-points: one 0.25 against two 0.5 (difference −0.25, 95 % interval −0.75 to +0.25, "
        "5 seeds; at the ends 0 1): does not differ by what 5 seeds can tell."
    )
    assert compared(CYCLE, 0.25, 0.5, 0.5).figures == ("0.25", "0.5", "−0.25", "−0.75 to +0.25, 5 seeds")
    single = Compared(CYCLE, ("one", 1.0), ("two", 2.0), Difference(-1.0, math.nan, math.nan, 1), "seeds")
    assert single.figures[3] == "–, 1 seed"
    assert single.better is None


def test_the_headline_tells_for_whom_and_what_is_open() -> None:
    found = [
        compared(CYCLE, 0.1, 0.3, 0.05), compared(CONFIDENCE, 0.5, 0.9, 0.05), compared(NEAREST, 0.1, 0.2, 0.5),
        compared(CYCLE, 0.1, 0.2, 0.5, ("one", "three")),
    ]  # fmt: skip
    assert headline(found, "one", "two") == (
        "one does better than two in cycle error (0.1 against 0.3); two does better than one in the classifier's "
        "confidence (90.0 % against 50.0 %); one does not differ from two by what 5 seeds can tell in distance from "
        "the nearest real image (0.1 against 0.2)"
    )
    assert headline(found, "one", "three").startswith("one does not differ from three")
    # Of two models every measure is told, of three the table tells it; baselines are in neither.
    assert len(verdict(found[:3], ["one", "two"], PLACES, SCALE)) == 1 + 3 + 1
    assert len(verdict(found, ["one", "two", "three"], PLACES, SCALE)) == 2 + 1
    assert len(verdict(found, ["one", "two"], PLACES, SCALE)) == 1 + 3 + 1
    assert verdict(found, ["one", "two"], PLACES, SCALE)[-1] == (
        "For scale: real images lie 0.1 from the nearest one of the others, the middle of a cross-fade of pixels 0.25."
    )


def test_differences_are_taken_draw_by_draw() -> None:
    rng = np.random.default_rng(0)
    # What a draw does to both is no part of the difference.
    draws = 10 * rng.random((5, 1)) * np.ones((5, 3))
    pictures = np.zeros((3, 1, 2, 2))

    def scored(cycle: np.ndarray) -> Midpoints:
        return Midpoints(cycle, cycle, None, None, pictures)

    first, second = (scored(draws + 0.5), scored(draws)), (scored(draws + 0.2), scored(draws + 0.1))
    found = {one.measure.key: one for one in between("a", "b", first, second)}
    assert list(found) == ["midpoint_cycle_error", "midpoint_nearest", "rise_cycle_error", "rise_nearest"]
    assert found["midpoint_cycle_error"].difference.mean == pytest.approx(0.3)
    assert found["midpoint_cycle_error"].better == "b" and found["midpoint_cycle_error"].difference.count == 5
    assert found["rise_cycle_error"].difference.mean == pytest.approx(0.5 - 0.1)
    assert found["midpoint_cycle_error"].aside.startswith("at the ends ")
