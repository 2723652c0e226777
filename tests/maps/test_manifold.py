from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from latentlab.errors import DataError, UsageError
from latentlab.maps.manifold import ellipse, manifold_latents


def test_grid_is_even_in_probability_with_the_y_axis_up() -> None:
    grid = manifold_latents(5, 7, tail=0.05)
    assert grid.shape == (5, 7, 2)
    assert grid.dtype == np.float32
    np.testing.assert_allclose(stats.norm.cdf(grid[0, :, 0]), np.linspace(0.05, 0.95, 7), atol=1e-6)
    np.testing.assert_allclose(stats.norm.cdf(grid[:, 0, 1]), np.linspace(0.95, 0.05, 5), atol=1e-6)
    # The columns share the first coordinate, the rows the second; the middle is 0 itself.
    np.testing.assert_array_equal(grid[..., 0], np.broadcast_to(grid[0, :, 0], (5, 7)))
    np.testing.assert_array_equal(grid[..., 1], np.broadcast_to(grid[:, :1, 1], (5, 7)))
    assert grid[2, 3].tolist() == [0, 0]
    np.testing.assert_array_equal(grid, -grid[::-1, ::-1])


def test_grid_is_square_unless_said_and_ends_at_the_tail() -> None:
    grid = manifold_latents(20)
    assert grid.shape == (20, 20, 2)
    assert grid.max() == pytest.approx(stats.norm.ppf(0.98), abs=1e-6)


@pytest.mark.parametrize("wrong", [(1, 5, 0.1), (5, 1, 0.1), (5, 5, 0.0), (5, 5, 0.5)])
def test_other_grids_are_refused(wrong: tuple[int, int, float]) -> None:
    with pytest.raises(UsageError, match="at least 2×2"):
        manifold_latents(*wrong)


def test_ellipse_holds_the_share_of_a_gaussian_that_it_should() -> None:
    mean, logvar = np.array([1.0, -2.0]), np.log(np.array([0.25, 4.0]))
    center, axes = ellipse(mean, logvar)
    np.testing.assert_array_equal(center, mean)
    np.testing.assert_allclose(axes, [[1, 0], [0, 4]], atol=1e-6)
    draws = mean + np.random.default_rng(0).normal(size=(20_000, 2)) * np.exp(0.5 * logvar)
    inside = (((draws - center) @ np.linalg.inv(axes)) ** 2).sum(axis=1) < 1
    assert inside.mean() == pytest.approx(1 - np.exp(-2), abs=0.01)
    np.testing.assert_allclose(ellipse(mean, logvar, sigmas=1)[1], axes / 2)
    with pytest.raises(DataError, match="2-D posterior"):
        ellipse(np.zeros(3), np.zeros(3))
