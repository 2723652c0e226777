from __future__ import annotations

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.statistics.covariance import Covariance, fit_covariance
from latentlab.statistics.support import Support

ROUND = Covariance(np.zeros(2, np.float32), np.eye(2, dtype=np.float32), 10)
LINE = np.array([[1, 0], [0, 2], [3, 0], [0, -4]], np.float32)


def test_percentile_counts_the_data_that_lie_closer() -> None:
    z = np.array([[0, 0], [1, 0], [0, 2.5], [0, -4], [9, 9]], np.float32)
    assert Support(LINE, ROUND).percentile(z).tolist() == [0, 0, 50, 75, 100]


def test_distance_is_that_of_the_covariance() -> None:
    wide = Covariance(np.array([1, 0], np.float32), np.diag([100, 1]).astype(np.float32), 10)
    support = Support(np.array([[1, 1], [1, 2], [1, 3], [1, 4]], np.float32), wide)
    # 15 away along the wide axis is 1.5 deviations, 2.5 along the other is 2.5.
    assert support.percentile(np.array([[16, 0], [1, 2.5]])).tolist() == [25, 50]


def test_data_of_the_same_kind_are_spread_evenly() -> None:
    generator = np.random.default_rng(0)
    mix = generator.normal(size=(6, 6))
    cloud = (generator.normal(size=(6000, 6)) @ mix).astype(np.float32)
    percentile = Support(cloud[2000:4000], fit_covariance(cloud[:2000])).percentile(cloud[4000:])
    assert np.quantile(percentile, [0.1, 0.5, 0.9]) == pytest.approx([10, 50, 90], abs=4)


def test_dead_dimensions_are_not_looked_at() -> None:
    z = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    z[:, 1] = 0
    away = z[:5] + np.array([0, 50, 0], np.float32)
    support = Support(z, fit_covariance(z))
    assert support.percentile(away).tolist() == support.percentile(z[:5]).tolist()


@pytest.mark.parametrize("bad", [np.zeros((0, 2)), np.zeros((3, 4)), np.zeros(2), np.array([[np.nan, 0]])])
def test_data_that_do_not_fit_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(DataError, match="as data, got"):
        Support(bad, ROUND)
