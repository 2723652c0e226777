from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.statistics import bootstrap
from latentlab.statistics.bootstrap import auc_interval
from latentlab.statistics.probe import auc


def sample(generator: np.random.Generator, n: int = 120, gap: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    y = np.arange(n) % 2
    return generator.normal(size=n) + gap * y, y


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    truth = NormalDist().cdf(1 / np.sqrt(2))
    generator = np.random.default_rng(0)
    hits, widths = 0, []
    for _ in range(200):
        low, high = auc_interval(*sample(generator), resamples=200)
        hits += low <= truth <= high
        widths.append(high - low)
    assert 0.90 <= hits / 200 <= 0.99
    # Hanley & McNeil's standard error at 60 + 60 images and AUC .76 is .043.
    assert np.mean(widths) == pytest.approx(2 * 1.96 * 0.043, rel=0.1)


def test_every_resample_is_the_auc_of_drawn_images() -> None:
    scores, y = np.array([0.0, 1.0, 1.0, 2.0]), np.array([0, 0, 1, 1])
    # With two images a kind the AUC of a resample is one of few values; the extremes are the extremes of pairs.
    assert auc_interval(scores, y, level=0.9999999, resamples=2000) == (0.5, 1.0)


def test_same_seed_same_interval_and_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, y = sample(np.random.default_rng(1))
    whole = auc_interval(scores, y, seed=5)
    assert whole == auc_interval(scores, y, seed=5) != auc_interval(scores, y, seed=6)
    low, high = whole
    assert low < auc(scores, y) < high
    monkeypatch.setattr(bootstrap, "CHUNK", 1)
    assert auc_interval(scores, y, seed=5) == pytest.approx(whole, abs=0.02)


def test_interval_narrows_with_the_level() -> None:
    scores, y = sample(np.random.default_rng(1))
    low, high = auc_interval(scores, y, level=0.5)
    assert auc_interval(scores, y)[0] < low < high < auc_interval(scores, y)[1]


def test_one_kind_is_refused() -> None:
    with pytest.raises(DataError, match="only one kind"):
        auc_interval(np.arange(3.0), np.ones(3))
