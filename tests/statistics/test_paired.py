"""Paired differences against the closed form, another library, and chance itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.statistics.paired import paired_difference


def test_two_pairs_in_closed_form() -> None:
    # Differences 1 and 3: mean 2, s = √2, s / √2 = 1, and t(.975; 1) = tan(.475 π).
    found = paired_difference(np.array([2.0, 5.0]), np.array([1.0, 2.0]))
    half = math.tan(0.475 * math.pi)
    assert (found.mean, found.count) == (2.0, 2)
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half))
    assert not found.decided


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_the_interval_is_that_of_scipy(level: float) -> None:
    from scipy.stats import ttest_rel

    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 12))
    expected = ttest_rel(a, b).confidence_interval(level)
    found = paired_difference(a, b, level)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    back = paired_difference(b, a, level)
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))


def test_it_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    # What both have in common, however large, is no part of the difference.
    common = 100 * rng.normal(size=(3_000, 5))
    drawn = [paired_difference(row + rng.normal(0.3, 1, 5), row + rng.normal(0, 1, 5)) for row in common]
    share = np.mean([one.low <= 0.3 <= one.high for one in drawn])
    # Three standard errors of a share of 3,000.
    assert abs(share - 0.95) < 3 * math.sqrt(0.95 * 0.05 / 3_000)


def test_one_pair_says_nothing_of_chance() -> None:
    found = paired_difference(np.array([9.0]), np.array([1.0]))
    assert found.mean == 8 and math.isnan(found.low) and math.isnan(found.high) and not found.decided


@pytest.mark.parametrize(("sign", "decided"), [(1, True), (-1, True), (0, False)])
def test_decided_on_either_side_of_0_and_not_on_it(sign: int, decided: bool) -> None:
    assert paired_difference(sign + np.array([0.0, 0.01, -0.01]), np.zeros(3)).decided is decided
    assert not paired_difference(np.zeros(3), np.zeros(3)).decided


@pytest.mark.parametrize("shapes", [((3,), (2,)), ((0,), (0,)), ((2, 2), (2, 2))])
def test_what_is_not_paired_is_refused(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(DataError, match="as many values of each"):
        paired_difference(*(np.zeros(shape) for shape in shapes))
