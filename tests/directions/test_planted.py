"""The leak of each estimator on latents whose directions are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from latentlab.directions import ESTIMATORS
from latentlab.statistics.balance import balanced_cell_weights
from latentlab.statistics.probe import fit_probe

SEEDS = 20
PlantedSet = Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]


def leaks(vector: np.ndarray, directions: np.ndarray, target: int) -> list[float]:
    """The coefficients on the planted directions of the others, per unit of the target's own."""
    found = np.linalg.lstsq(directions.T, vector, rcond=None)[0]
    return [float(found[other] / found[target]) for other in range(len(directions)) if other != target]


def leaks_of(planted_set: PlantedSet, method: str, seeds: int = SEEDS, **options: float) -> np.ndarray:
    found: list[float] = []
    for seed in range(seeds):
        z, attributes, directions = planted_set(seed, **options)
        for target in range(3):
            others = np.delete(attributes, target, axis=1)
            found += leaks(ESTIMATORS[method](z, attributes[:, target], others), directions, target)
    return np.array(found)


@pytest.fixture(scope="module")
def measured(planted_set: PlantedSet) -> dict[str, np.ndarray]:
    return {method: leaks_of(planted_set, method) for method in ("mean", "balanced", "regression", "zero-leak")}


def test_the_mean_difference_leaks_as_the_attributes_go_together(measured: dict[str, np.ndarray]) -> None:
    # Signs of Gaussians of correlation r have correlation 2/π asin(r).
    assert measured["mean"].mean() == pytest.approx(2 / np.pi * np.arcsin(0.5), abs=0.015)


@pytest.mark.parametrize("method", ["balanced", "regression", "zero-leak"])
def test_the_others_hardly_leak(measured: dict[str, np.ndarray], method: str) -> None:
    print({name: f"{found.mean():.4f}, absolute {np.abs(found).mean():.4f}" for name, found in measured.items()})
    assert abs(measured[method].mean()) <= 0.005
    assert np.abs(measured[method]).mean() <= 0.02
    assert (np.abs(measured[method]) < measured["mean"]).all()


@pytest.mark.parametrize("method", ["balanced", "regression", "zero-leak"])
def test_directions_that_are_not_at_right_angles_leak_as_little(planted_set: PlantedSet, method: str) -> None:
    # Eight dimensions for three directions; readouts fitted one at a time over-correct here by a tenth and more.
    found = leaks_of(planted_set, method, seeds=8, size=8)
    assert abs(found.mean()) <= 0.015
    assert np.abs(found).mean() <= 0.03


def test_the_true_direction_leaks_nothing_by_its_own_measure_and_a_little_by_a_probe(planted_set: PlantedSet) -> None:
    floor: list[float] = []
    for seed in range(3):
        z, attributes, directions = planted_set(seed)
        probes = []
        for target in range(3):
            weights = balanced_cell_weights(attributes[:, target], np.delete(attributes, target, axis=1))
            probes.append(fit_probe(z, attributes[:, target], weights).weight)
        gains = np.array(probes) @ directions.T
        floor += [abs(gains[o, t] / gains[o, o]) for t in range(3) for o in range(3) if o != t]
        for target in range(3):
            np.testing.assert_allclose(leaks(directions[target], directions, target), 0, atol=1e-12)
    print(f"the true direction, read by probes with balanced cells: {np.mean(floor):.3f}")
    assert 0.005 < np.mean(floor) < 0.1


@pytest.mark.parametrize("method", ["regression", "zero-leak"])
def test_an_empty_cell_does_no_harm(planted_set: PlantedSet, method: str) -> None:
    z, attributes, directions = planted_set(0)
    rows = ~((attributes[:, 0] == 1) & (attributes[:, 1] == 0))
    found = ESTIMATORS[method](z[rows], attributes[rows, 0], attributes[rows, 1:])
    assert np.abs(leaks(found, directions, 0)).max() < 0.06
    led = leaks(ESTIMATORS["mean"](z[rows], attributes[rows, 0], attributes[rows, 1:]), directions, 0)
    assert max(led) > 0.5


def test_unknown_values_of_others_are_coped_with(planted_set: PlantedSet) -> None:
    z, attributes, directions = planted_set(0)
    others = attributes[:, 1:].copy()
    others[np.random.default_rng(1).random(others.shape) < 0.1] = np.nan
    for method in ("balanced", "regression", "zero-leak"):
        found = leaks(ESTIMATORS[method](z, attributes[:, 0], others), directions, 0)
        assert np.abs(found).max() < 0.1, method
