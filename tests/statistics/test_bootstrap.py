from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.statistics import bootstrap
from latentlab.statistics.bootstrap import auc_interval, direction_angle, images_needed
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


def blobs(generator: np.random.Generator, n: int, d: int = 16, gap: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    y = np.arange(n) % 2 == 0
    return generator.normal(size=(n, d)) + gap * np.outer(y, np.eye(d)[0]), y


def mean_gap(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    return z[y].mean(axis=0) - z[~y].mean(axis=0)


def degrees(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))))


@pytest.mark.parametrize("most", [400, 100])
@pytest.mark.parametrize("d", [2, 16, 64])
def test_angle_holds_the_true_direction_about_as_often_as_it_says(d: int, most: int) -> None:
    generator = np.random.default_rng(d)
    hits, angles = 0, []
    for trial in range(200):
        z, y = blobs(generator, 400, d)
        angle = direction_angle(lambda rows, z=z, y=y: mean_gap(z[rows], y[rows]), 400, seed=trial, most=most)
        angles.append(angle)
        hits += degrees(mean_gap(z, y), np.eye(d)[0]) <= angle
    assert hits / 200 >= 0.90
    # No wider than it must be: ‖e⊥‖² is 4 / 400 times a χ² of d − 1, whose 95th percentile this is (Wilson, Hilferty).
    chi = (d - 1) * (1 - 2 / 9 / (d - 1) + 1.645 * np.sqrt(2 / 9 / (d - 1))) ** 3 * 4 / 400
    expected = np.degrees(np.arcsin(np.sqrt(chi / (1 + (d - 1) * 4 / 400))))
    assert np.mean(angles) == pytest.approx(expected, rel=0.15)


def test_angle_of_many_rows_is_scaled_from_few() -> None:
    z, y = blobs(np.random.default_rng(1), 8000)
    whole = direction_angle(lambda rows: mean_gap(z[rows], y[rows]), 8000, resamples=100, most=8000)
    sizes = []

    def few(rows: np.ndarray) -> np.ndarray:
        sizes.append(len(rows))
        return mean_gap(z[rows], y[rows])

    assert direction_angle(few, 8000, resamples=100, most=500) == pytest.approx(whole, rel=0.15)
    assert sizes == [8000] + [500] * 100


def test_angle_is_that_of_the_error_across_the_direction() -> None:
    # Across: 1, 0 and √2 of a length of 2; along, an error turns nothing.
    vectors = iter(np.array([[2.0, 0, 0], [5, 1, 0], [-1, 0, 0], [2, -1, 1]]))
    assert direction_angle(lambda rows: next(vectors), 10, resamples=3, level=0.5) == pytest.approx(30)
    vectors = iter(np.array([[2.0, 0], [2, 1.2], [2, 2.2]]))
    assert direction_angle(lambda rows: next(vectors), 10, resamples=2, level=0.9) == 90
    assert direction_angle(lambda rows: np.array([0.1, 0.7], np.float32), 10) == pytest.approx(0, abs=1e-3)


def test_draws_without_a_direction_count_as_not_known() -> None:
    calls = []

    def fails(rows: np.ndarray) -> np.ndarray:
        calls.append(rows)
        if len(calls) % 3 == 0:
            raise DataError("expected images with it, got none")
        return np.array([2.0, 0.0 if len(calls) == 1 else 1.0])

    assert direction_angle(fails, 5, level=0.6) == pytest.approx(30)
    assert len(calls) == 31
    calls.clear()
    assert direction_angle(fails, 5, level=0.7) == 90


def test_a_direction_that_no_draw_has_is_not_known() -> None:
    def once(rows: np.ndarray) -> np.ndarray:
        if len(np.unique(rows)) < 50:
            raise DataError("expected images with it, got none")
        return np.ones(2)

    assert direction_angle(once, 50) == 90.0
    assert direction_angle(lambda rows: np.zeros(2), 50) == 90.0
    with pytest.raises(DataError):
        direction_angle(lambda rows: once(rows[:10]), 50)


@pytest.mark.parametrize("d", [16, 256])
def test_a_direction_of_noise_is_not_known(d: int) -> None:
    found = []
    for seed in range(20):
        z, y = blobs(np.random.default_rng(seed), 200, d, gap=0.0)
        found.append(direction_angle(lambda rows, z=z, y=y: mean_gap(z[rows], y[rows]), 200, seed=seed))
    assert np.mean(found) > 85 and np.median(found) > 89


def test_same_seed_same_angle() -> None:
    z, y = blobs(np.random.default_rng(3), 100)
    angles = [direction_angle(lambda rows: mean_gap(z[rows], y[rows]), 100, seed=seed) for seed in (1, 1, 2)]
    assert angles[0] == angles[1] != angles[2]


def test_images_needed_bring_the_angle_to_the_target() -> None:
    z, y = blobs(np.random.default_rng(4), 40000)
    estimate = lambda rows: mean_gap(z[rows], y[rows])  # noqa: E731
    needed = images_needed(200, direction_angle(estimate, 200, resamples=200), target_degrees=10)
    assert direction_angle(estimate, needed, resamples=200) == pytest.approx(10, rel=0.3)
    assert images_needed(200, 20) == 200
    assert images_needed(200, 10) < 200 < images_needed(200, 30)
    assert images_needed(100, 179.0) == images_needed(100, 80.0)
