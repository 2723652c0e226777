from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.statistics import permutation
from latentlab.statistics.permutation import permutation_p_value
from latentlab.statistics.probe import auc


def exact(scores: np.ndarray, y: np.ndarray) -> float:
    """The share of all labellings that rank at least as well."""
    wins = []
    for chosen in combinations(range(len(y)), int(y.sum())):
        shuffled = np.zeros(len(y))
        shuffled[list(chosen)] = 1
        wins.append(auc(scores, shuffled) >= auc(scores, y) - 1e-12)
    return float(np.mean(wins))


@pytest.mark.parametrize("positives", [3, 5, 7])
def test_meets_the_count_of_all_labellings(positives: int) -> None:
    generator = np.random.default_rng(positives)
    scores = generator.integers(6, size=10).astype(float)
    y = (np.arange(10) < positives).astype(float)
    assert permutation_p_value(scores, y, resamples=20000) == pytest.approx(exact(scores, y), abs=0.012)


@pytest.mark.parametrize("share", [0.2, 0.8])
def test_uniform_where_there_is_nothing_to_find(share: float) -> None:
    generator = np.random.default_rng(0)
    y = (np.arange(60) < share * 60).astype(float)
    found = [permutation_p_value(generator.normal(size=60), y, resamples=199, seed=i) for i in range(600)]
    assert np.quantile(found, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.06)
    # Two standard errors of a share of .05 in 600.
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 600)


def test_one_sided() -> None:
    y = np.arange(200) % 2
    assert permutation_p_value(-y.astype(float), y) == 1.0
    assert permutation_p_value(y.astype(float), y) == 1 / 1000


@pytest.mark.parametrize("n", [100, 120, 150, 200])
def test_shuffles_that_are_not_drawn_would_not_have_won(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(n)
    y = np.arange(n) % 3 == 0
    scores = generator.normal(size=n) + 3 * y
    swift = permutation_p_value(scores, y)
    monkeypatch.setattr(permutation, "NEVER", 0.0)
    assert swift == permutation_p_value(scores, y) == 1 / 1000


def test_weak_scores_are_drawn_for() -> None:
    generator = np.random.default_rng(3)
    y = np.arange(5000) % 2
    assert 0.001 < permutation_p_value(generator.normal(size=5000) + 0.03 * y, y) < 0.9


def test_same_seed_same_value() -> None:
    generator = np.random.default_rng(1)
    scores, y = generator.normal(size=80), np.arange(80) % 2
    assert permutation_p_value(scores, y, seed=4) == permutation_p_value(scores, y, seed=4)
    assert len({permutation_p_value(scores, y, seed=seed) for seed in range(5)}) > 1


def test_one_kind_is_refused() -> None:
    with pytest.raises(DataError, match="only one kind"):
        permutation_p_value(np.arange(3.0), np.zeros(3))
