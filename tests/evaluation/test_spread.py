"""How latents spread, in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.evaluation.spread import axes_for, effective_dimension, largest_correlations


def test_effective_dimension_of_a_ball_and_of_a_line() -> None:
    assert effective_dimension(np.eye(7)) == pytest.approx(7)
    line = np.outer([1.0, 2, 3], [1.0, 2, 3])
    assert effective_dimension(line) == pytest.approx(1)
    turned, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    values = np.array([4.0, 2, 1])
    assert effective_dimension(turned @ np.diag(values) @ turned.T) == pytest.approx(7**2 / 21)


@pytest.mark.parametrize(("share", "axes"), [(0.5, 1), (0.51, 2), (0.75, 2), (0.76, 3), (1.0, 4)])
def test_axes_that_hold_a_share(share: float, axes: int) -> None:
    assert axes_for(np.diag([1.0, 4.0, 1.0, 2.0]), share) == axes


def test_pairs_come_by_their_size_and_dead_dimensions_do_not() -> None:
    matrix = np.array([[4.0, -1.8, 0.2, 0], [-1.8, 1.0, 0.1, 0], [0.2, 0.1, 1.0, 0], [0, 0, 0, 0]])
    found = largest_correlations(matrix, 2)
    assert [pair[:2] for pair in found] == [(0, 1), (0, 2)]
    assert [pair[2] for pair in found] == pytest.approx([-0.9, 0.1])
    assert [pair[:2] for pair in largest_correlations(matrix, 9, np.array([False, True, True, True]))] == [(1, 2)]
