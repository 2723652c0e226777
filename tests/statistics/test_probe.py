from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from latentlab.errors import DataError
from latentlab.statistics.probe import auc, fit_probe


def brute_force_auc(scores: np.ndarray, y: np.ndarray) -> float:
    wins = [1.0 if p > n else 0.5 if p == n else 0.0 for p in scores[y == 1] for n in scores[y == 0]]
    return sum(wins) / len(wins)


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40))
def test_auc_counts_pairs_and_halves_ties(rows: list[tuple[int, bool]]) -> None:
    scores, y = np.array([s for s, _ in rows], dtype=float), np.array([b for _, b in rows], dtype=int)
    assume(0 < y.sum() < len(y))
    assert auc(scores, y) == pytest.approx(brute_force_auc(scores, y))
    assert auc(-scores, y) == pytest.approx(1 - auc(scores, y))


@pytest.mark.parametrize("y", [np.zeros(4), np.ones(4)])
def test_auc_of_one_kind_is_refused(y: np.ndarray) -> None:
    with pytest.raises(DataError, match="only one kind"):
        auc(np.arange(4.0), y)


def test_auc_of_nan_is_refused() -> None:
    with pytest.raises(DataError, match="finite"):
        auc(np.array([0.1, np.nan]), np.array([0, 1]))


def planted(n: int, gap: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit Gaussians in two classes, `gap` apart."""
    generator = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return (generator.normal(size=(n, len(gap))) + y[:, None] * gap).astype(np.float32), y


def test_probe_reaches_the_closed_form_auc() -> None:
    gap = np.array([1.2, -0.9, 0, 0, 0.5])
    probe = fit_probe(*planted(20_000, gap))
    z, y = planted(20_000, gap, seed=1)
    # Two unit Gaussians d' apart are told apart with AUC Φ(d'/√2) at best.
    best = NormalDist().cdf(float(np.linalg.norm(gap)) / np.sqrt(2))
    assert auc(probe.logits(z), y) == pytest.approx(best, abs=0.008)
    # The weights of the best readout of unit Gaussians are the gap itself, b = −‖gap‖²/2.
    np.testing.assert_allclose(probe.weight, gap, atol=0.08)
    assert probe.intercept == pytest.approx(-0.5 * gap @ gap, abs=0.08)


def test_probe_reads_shifted_and_scaled_latents_alike() -> None:
    z, y = planted(400, np.array([1.0, 0.3]))
    scale, shift = np.array([5.0, 0.1]), np.array([5.0, -7.0])
    plain, folded = fit_probe(z, y), fit_probe((z.astype(float) * scale + shift), y)
    np.testing.assert_allclose(folded.weight * scale, plain.weight, rtol=1e-3)
    np.testing.assert_allclose(folded.logits(z * scale + shift), plain.logits(z), atol=1e-3)


def test_dead_columns_weigh_nothing() -> None:
    z, y = planted(200, np.array([1.0, 0.0, 0.0]))
    z[:, 1] = 3
    z[:, 2] = 1e-5 * z[:, 0]
    probe = fit_probe(z, y)
    assert probe.weight[0] > 0.5
    assert probe.weight[1] == probe.weight[2] == 0


def test_rows_of_weight_zero_do_not_count_and_weights_have_no_scale() -> None:
    z, y = planted(200, np.array([1.0, 0.0]))
    weights = np.ones(200)
    weights[100:] = 0
    z[100:] = 1e3
    half = fit_probe(z[:100], y[:100])
    for probe in (fit_probe(z, y, weights), fit_probe(z, y, 7 * weights)):
        np.testing.assert_allclose(probe.weight, half.weight, rtol=1e-5)
        assert probe.intercept == pytest.approx(half.intercept, rel=1e-5)


def test_nothing_to_read_is_refused() -> None:
    with pytest.raises(DataError, match="only one kind"):
        fit_probe(np.eye(4), np.ones(4))
    with pytest.raises(DataError, match="latents that vary"):
        fit_probe(np.ones((4, 2)), np.array([0, 1, 0, 1]))
