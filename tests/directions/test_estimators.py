from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from latentlab.directions import ESTIMATORS
from latentlab.directions.balanced import cell_weights
from latentlab.directions.control import controlled_columns
from latentlab.errors import DataError
from latentlab.latents.table import Latents
from latentlab.statistics.covariance import fit_covariance
from latentlab.statistics.probe import fit_probe

PlantedSet = Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]
SMILE = np.array([1.5, -1.0, 0.5, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("method", ESTIMATORS)
def test_every_estimator_finds_a_planted_direction_the_right_way_round_and_as_long(method: str) -> None:
    generator = np.random.default_rng(0)
    y = np.arange(4000) % 2
    z = (generator.normal(size=(4000, 6)) + np.outer(y, SMILE)).astype(np.float32)
    vector = ESTIMATORS[method](z, y, np.zeros((4000, 0)))
    assert vector.shape == (6,)
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, SMILE, atol=0.2)
    assert np.linalg.norm(vector) == pytest.approx(np.linalg.norm(SMILE), rel=0.05)
    np.testing.assert_allclose(ESTIMATORS[method](z, 1 - y, np.zeros((4000, 0))), -vector, atol=1e-4)


@pytest.mark.parametrize("method", ESTIMATORS)
def test_every_estimator_is_deterministic_and_leaves_its_input_alone(planted_set: PlantedSet, method: str) -> None:
    z, attributes, _ = planted_set(0, n=500, size=8)
    kept = z.copy(), attributes.copy()
    once, again = (ESTIMATORS[method](z, attributes[:, 0], attributes[:, 1:]) for _ in range(2))
    assert once.tobytes() == again.tobytes()
    np.testing.assert_array_equal(z, kept[0])
    np.testing.assert_array_equal(attributes, kept[1])


@pytest.mark.parametrize("method", ESTIMATORS)
def test_a_dead_dimension_changes_nothing_and_hardly_moves(planted_set: PlantedSet, method: str) -> None:
    z, attributes, _ = planted_set(1, n=1000, size=8)
    dead = np.random.default_rng(0).normal(size=(1000, 1)) * 1e-6 + 3
    wider = np.concatenate([z, dead], axis=1).astype(np.float32)
    narrow, wide = (ESTIMATORS[method](rows, attributes[:, 0], attributes[:, 1:]) for rows in (z, wider))
    np.testing.assert_allclose(wide[:-1], narrow, atol=2e-3)
    assert abs(wide[-1]) < 1e-5


@pytest.mark.parametrize("method", ["regression", "zero-leak", "balanced"])
def test_constant_unknown_and_doubled_others_change_nothing(planted_set: PlantedSet, method: str) -> None:
    z, attributes, _ = planted_set(2, n=2000, size=8)
    y, others = attributes[:, 0], attributes[:, 1:]
    more = np.column_stack([np.ones(2000), others, 1 - others[:, 1], np.full(2000, np.nan)])
    np.testing.assert_allclose(ESTIMATORS[method](z, y, more), ESTIMATORS[method](z, y, others), atol=1e-4)


@pytest.mark.parametrize("method", ["regression", "zero-leak", "balanced"])
def test_an_attribute_that_others_give_away_is_refused(planted_set: PlantedSet, method: str) -> None:
    z, attributes, _ = planted_set(3, n=500, size=8)
    y = attributes[:, 0]
    with pytest.raises(DataError, match="the others give away"):
        ESTIMATORS[method](z, y, np.column_stack([attributes[:, 1], 1 - y]))
    # No single other goes with the attribute, but two together do.
    part = np.where(np.random.default_rng(0).random(500) < 0.5, y, 0)
    with pytest.raises(DataError, match="the others give away"):
        ESTIMATORS[method](z, y, np.column_stack([part, y - part]))


def test_regression_is_least_squares(planted_set: PlantedSet) -> None:
    z, attributes, _ = planted_set(4, n=700, size=8)
    design = np.column_stack([attributes, np.ones(700)])
    theirs = np.linalg.lstsq(design, z.astype(np.float64), rcond=None)[0][0]
    ours = ESTIMATORS["regression"](z, attributes[:, 0], attributes[:, 1:])
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_balanced_is_the_mean_over_cells_of_the_differences(planted_set: PlantedSet) -> None:
    z, attributes, _ = planted_set(5, n=700, size=8)
    y = attributes[:, 0] == 1
    cell = 2 * attributes[:, 1] + attributes[:, 2]
    theirs = sum((cell == c).mean() * (z[y & (cell == c)].mean(0) - z[~y & (cell == c)].mean(0)) for c in range(4))
    np.testing.assert_allclose(ESTIMATORS["balanced"](z, y, attributes[:, 1:]), theirs, atol=1e-5)


def test_cells_of_one_kind_are_left_out_and_an_attribute_that_leaves_too_few_is_not_balanced_over() -> None:
    y = np.array([1, 0] * 100 + [0] * 50)
    hat = np.array([0] * 200 + [1] * 50)
    weights = cell_weights(y, hat[:, None])
    assert not weights[200:].any()
    assert (weights[:200] == 1).all()
    # Almost only those with it have the other: one image each would stand for a hundred.
    rare = y.copy()
    rare[:2] = 1 - rare[:2]
    np.testing.assert_array_equal(cell_weights(y, rare[:, None]), cell_weights(y, np.zeros((250, 0))))


@pytest.mark.parametrize("method", ["logistic", "lda"])
def test_readouts_are_as_long_as_the_mean_difference_along_them(planted_set: PlantedSet, method: str) -> None:
    z, attributes, _ = planted_set(6, n=700, size=8)
    y = attributes[:, 0]
    vector = ESTIMATORS[method](z, y, attributes[:, 1:]).astype(np.float64)
    difference = ESTIMATORS["mean"](z, y, attributes[:, 1:])
    assert vector @ difference == pytest.approx(vector @ vector, rel=1e-5)


def test_lda_and_logistic_are_the_discriminants_of_others(planted_set: PlantedSet) -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    z, attributes, _ = planted_set(7, n=3000, size=8)
    y = attributes[:, 0]
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(z.astype(np.float64), y).coef_[0]
    ours = ESTIMATORS["lda"](z, y, attributes[:, 1:])
    assert ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs) > 0.9999
    ours, theirs = ESTIMATORS["logistic"](z, y, attributes[:, 1:]), fit_probe(z, y).weight
    assert ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs) == pytest.approx(1, abs=1e-6)


def test_zero_leak_is_the_shortest_step_that_its_readouts_allow(planted_set: PlantedSet) -> None:
    z, attributes, _ = planted_set(8, n=3000, size=16)
    vector = ESTIMATORS["zero-leak"](z, attributes[:, 0], attributes[:, 1:]).astype(np.float64)
    columns = controlled_columns(attributes[:, 0], attributes[:, 1:])
    effects = np.linalg.lstsq(columns, z - z.mean(0), rcond=None)[0]
    within, whole = fit_covariance(z - columns @ effects), fit_covariance(z)
    readouts = within.solve(effects.T)
    # The gain in every other readout, each as it reads the true effects, is that of no step at all.
    joint = np.linalg.solve(effects @ readouts, readouts.T)
    np.testing.assert_allclose(joint @ vector, [1, 0, 0], atol=0.02)
    regression = ESTIMATORS["regression"](z, attributes[:, 0], attributes[:, 1:])
    assert vector @ whole.solve(vector) <= 1.001 * (regression @ whole.solve(regression))


def test_interactions_weigh_as_the_cells_do() -> None:
    generator = np.random.default_rng(0)
    hat = generator.random(20_000) < 0.3
    y = generator.random(20_000) < np.where(hat, 0.8, 0.4)
    # Twice the effect under a hat: over all images 1.3, whatever the share of y in each cell.
    z = generator.normal(size=(20_000, 3)) * 0.1
    z[:, 0] += y * (1 + hat)
    for method in ("balanced", "zero-leak"):
        assert ESTIMATORS[method](z.astype(np.float32), y, hat[:, None])[0] == pytest.approx(1.3, abs=0.02)


@pytest.mark.parametrize("method", ["lda", "logistic", "zero-leak"])
def test_a_dead_dimension_is_no_direction(planted: Callable[..., Latents], method: str) -> None:
    """As a collapsed unit of a VAE has it: hardly any deviation, and a trace of the attribute in it."""
    latents = planted(1500)
    y = latents.attributes["smile"]
    others = latents.attributes["hat"][:, None]
    noise = np.random.default_rng(7).normal(size=(len(y), 2))
    dead = (0.02 * noise + 0.004 * y[:, None]).astype(np.float32)
    alone = ESTIMATORS[method](latents.mean, y, others)
    beside = ESTIMATORS[method](np.concatenate([latents.mean, dead], axis=1), y, others)
    np.testing.assert_allclose(beside[:-2], alone, rtol=0.02, atol=0.01)
    assert np.abs(beside[-2:]).max() < 0.01
