from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentlab.statistics.balance import association, balanceable, balanced_cell_weights
from latentlab.statistics.probe import fit_probe


def correlated(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    y = generator.random(n) < 0.3
    return y.astype(float), np.where(y, generator.random(n) < 0.8, generator.random(n) < 0.3).astype(float)


def test_weighted_attribute_is_balanced_and_independent_of_the_other() -> None:
    y, other = correlated()
    weights = balanced_cell_weights(y, other[:, None])
    table = np.array([[weights[(y == a) & (other == b)].sum() for b in (0, 1)] for a in (0, 1)]) / len(y)
    share = other.mean()
    np.testing.assert_allclose(table, [[(1 - share) / 2, share / 2]] * 2, rtol=1e-9)
    assert weights.mean() == pytest.approx(1)


def test_association_is_phi_whether_rows_are_told_one_by_one_or_counted() -> None:
    y, other = correlated()
    other[::7] = np.nan
    known = ~np.isnan(other)
    phi = abs(np.corrcoef(y[known], other[known])[0, 1])
    assert association(y, other) == pytest.approx(phi)
    told, counts = np.unique(np.stack([y, np.nan_to_num(other, nan=2)], axis=1), axis=0, return_counts=True)
    rows = np.where(told == 2, np.nan, told)
    assert len(rows) == 6
    assert association(rows[:, 0], rows[:, 1], counts) == pytest.approx(phi)
    assert association(y, np.full(len(y), np.nan)) == 0
    assert association(y, np.ones(len(y))) == pytest.approx(0, abs=1e-12)


def test_cell_of_one_kind_weighs_nothing_and_unknown_is_a_value() -> None:
    y = np.array([0, 1, 1, 0, 1, 1])
    others = np.array([[0.0], [0.0], [1.0], [np.nan], [np.nan], [np.nan]])
    weights = balanced_cell_weights(y, others)
    assert weights[2] == 0
    np.testing.assert_allclose(weights[[0, 1]], weights[0])
    np.testing.assert_allclose(weights[[4, 5]], weights[3] / 2)


def test_exclusive_others_leave_the_two_kinds_balanced() -> None:
    y = np.array([1, 0, 0, 0])
    weights = balanced_cell_weights(y, y[:, None].astype(float))
    np.testing.assert_allclose(weights, [2, 2 / 3, 2 / 3, 2 / 3])


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 1.0, np.nan])), min_size=1, max_size=30))
def test_weights_are_finite_and_not_negative(rows: list[tuple[bool, float]]) -> None:
    weights = balanced_cell_weights(np.array([y for y, _ in rows]), np.array([[o] for _, o in rows]))
    assert np.isfinite(weights).all()
    assert (weights >= 0).all()
    assert weights.any()


def test_strongest_association_is_taken_first_and_cells_stay_filled() -> None:
    y, other = correlated()
    generator = np.random.default_rng(1)
    noise = (generator.random(len(y)) < 0.5).astype(float)
    rare = np.zeros(len(y))
    rare[:7] = 1
    others = np.stack([noise, y, other, rare, np.zeros(len(y))], axis=1)
    # y itself would leave cells without the attribute, `rare` cells of few rows, a constant splits nothing.
    assert balanceable(y, others, 10) == [2, 0]
    assert balanceable(y, others[:, :0], 10) == []


def test_minimum_and_sign_of_the_association_are_kept() -> None:
    y = np.repeat([0, 1], 50)
    against, along = np.zeros(100), np.zeros(100)
    against[:45], against[50:56] = 1, 1
    along[:20], along[50:75] = 1, 1
    others = np.stack([along, against], axis=1)
    # The smallest cell is the five images without y that `against` lacks.
    assert balanceable(y, others[:, 1:], 5) == [0]
    assert balanceable(y, others[:, 1:], 6) == []
    assert balanceable(y, others, 1)[0] == 1


def test_balanced_probe_is_not_led_by_a_correlated_attribute() -> None:
    y, other = correlated(8000)
    generator = np.random.default_rng(2)
    # A weak sign of y and a strong sign of the other: an unbalanced probe of y leans on the second.
    z = np.stack([y, 3 * other], axis=1) + generator.normal(size=(len(y), 2))
    led, fair = fit_probe(z, y), fit_probe(z, y, balanced_cell_weights(y, other[:, None]))
    assert led.weight[1] > 0.4
    assert abs(fair.weight[1]) < 0.12
