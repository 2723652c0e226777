from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentlab.errors import UsageError
from latentlab.statistics.sample import random_rows, stratified_rows


def test_groups_keep_their_shares_and_none_is_lost() -> None:
    groups = np.repeat(["a", "b", "c"], [9000, 990, 10])
    rows = stratified_rows(groups, 1000)
    assert (np.diff(rows) > 0).all()
    names, sizes = np.unique(groups[rows], return_counts=True)
    assert names.tolist() == ["a", "b", "c"] and sizes.sum() == 1000
    np.testing.assert_allclose(sizes, [900, 99, 1], atol=1)
    assert len(np.unique(groups[stratified_rows(groups, 3)])) == 3


def test_the_sample_follows_the_seed_and_is_spread() -> None:
    groups = np.zeros(10_000)
    first, again, other = (stratified_rows(groups, 500, seed) for seed in (0, 0, 1))
    assert (first == again).all() and (first != other).any()
    assert abs(first.mean() - 5000) < 500


def test_few_rows_are_all_taken_and_too_many_groups_refused() -> None:
    assert stratified_rows(np.arange(5), 9).tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(UsageError, match="each of 5 groups, got 4"):
        stratified_rows(np.arange(5), 4)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.data())
def test_every_size_is_met_exactly(sizes: list[int], data: st.DataObject) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    count = data.draw(st.integers(len(sizes), len(groups)))
    rows = stratified_rows(groups, count)
    assert len(rows) == len(set(rows.tolist())) == count
    drawn = np.bincount(groups[rows], minlength=len(sizes))
    assert (drawn >= 1).all() and (drawn <= sizes).all()


def test_random_rows_are_ascending_differ_by_the_seed_and_each_is_as_likely() -> None:
    drawn = [random_rows(20, 5, seed) for seed in range(2000)]
    assert all(len(rows) == 5 and (np.diff(rows) > 0).all() for rows in drawn)
    # 500 ± 19 draws of each row: five standard deviations.
    np.testing.assert_allclose(np.bincount(np.concatenate(drawn), minlength=20), 500, atol=97)
    assert (random_rows(20, 5, 1) == drawn[1]).all()
    assert random_rows(3, 3, 0).tolist() == random_rows(3, 9, 1).tolist() == [0, 1, 2]
