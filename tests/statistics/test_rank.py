from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from latentlab.statistics.rank import average_ranks, spearman

tied = st.lists(st.integers(-3, 3), min_size=1, max_size=30).map(np.array)


@given(tied)
def test_ranks_equal_scipys(values: np.ndarray) -> None:
    np.testing.assert_array_equal(average_ranks(values), stats.rankdata(values))


def test_spearman_equals_scipys_with_ties() -> None:
    generator = np.random.default_rng(0)
    a = generator.integers(0, 5, 200)
    b = a + generator.integers(0, 5, 200)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-12)


def test_spearman_of_monotone_and_constant() -> None:
    a = np.array([1.0, 2.0, 5.0, 9.0])
    assert spearman(a, np.exp(a)) == pytest.approx(1)
    assert spearman(a, -(a**3)) == pytest.approx(-1)
    assert spearman(a, np.ones(4)) == 0
