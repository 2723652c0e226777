"""Thresholds, AUCs with their errors, and scores of pixels."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.errors import DataError, UnknownNameError, UsageError
from latentlab.evaluation.anomaly import clean_threshold, complexities, detect, p_values, pixel_scores


def brute_auc(scores: np.ndarray, truth: np.ndarray) -> float:
    pairs = scores[truth][:, None] - scores[~truth]
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean())


@pytest.fixture
def planted() -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.random(120) < 0.3
    common = rng.standard_normal(120) + 1.5 * truth
    scores = {"good": common, "coarse": np.rint(common), "chance": rng.standard_normal(120)}
    return scores, truth


def test_the_auc_is_the_share_of_pairs_in_order_with_ties_as_half(planted):
    scores, truth = planted
    found = detect(scores, truth)
    for name, values in scores.items():
        assert found[name] == pytest.approx(brute_auc(values, truth), abs=1e-12)
    assert (found.anomalous, found.normal) == (truth.sum(), (~truth).sum())


def test_the_covariance_is_that_of_images_drawn_again(planted):
    scores, truth = planted
    found = detect(scores, truth)
    rng = np.random.default_rng(1)
    kinds = [np.flatnonzero(truth), np.flatnonzero(~truth)]
    draws = []
    for _ in range(1_500):
        rows = np.concatenate([rng.choice(kind, len(kind)) for kind in kinds])
        draws.append([brute_auc(values[rows], truth[rows]) for values in scores.values()])
    expected = np.cov(np.array(draws).T)
    np.testing.assert_allclose(np.diag(found.covariance), np.diag(expected), rtol=0.15)
    # Both scores of the same images go up and down together.
    assert found.covariance[0, 1] == pytest.approx(expected[0, 1], rel=0.2)
    low, high = found.interval("good")
    assert 0 < low < found["good"] < high < 1
    value, low, high = found.difference("good", "chance")
    assert value == pytest.approx(found["good"] - found["chance"]) and low < value < high
    assert found.difference("good", "good") == (0.0, 0.0, 0.0)
    # Less is told about the difference of two that hang together than would be if they did not.
    apart = np.sqrt(found.covariance[0, 0] + found.covariance[1, 1])
    _, low, high = found.difference("good", "coarse")
    assert high - low < 2 * 1.96 * apart


def test_an_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(2)
    # Two normal distributions one deviation apart: AUC = Φ(1/√2).
    truth = np.arange(90) < 30
    hits = 0
    for _ in range(300):
        low, high = detect({"z": rng.standard_normal(90) + truth}, truth).interval("z")
        hits += low <= 0.7602 <= high
    assert 0.91 <= hits / 300 <= 0.98


def test_what_finds_all_has_an_interval_without_width():
    found = detect({"z": np.arange(6.0)}, np.arange(6) >= 3)
    assert found["z"] == 1 and found.interval("z") == (1.0, 1.0)
    with pytest.raises(UnknownNameError, match="unknown score 'y'"):
        found.interval("y")


def test_detection_of_what_cannot_be_judged():
    with pytest.raises(DataError, match="at least 2 anomalous and 2 normal images, got 1 and 3"):
        detect({"z": np.arange(4.0)}, np.arange(4) == 0)
    with pytest.raises(DataError, match="finite score 'z'"):
        detect({"z": np.array([0, 1, np.nan, 2])}, np.arange(4) < 2)


@pytest.mark.parametrize(("count", "share", "place"), [(99, 0.05, 95), (100, 0.05, 96), (19, 0.05, 19), (4, 0.2, 4)])
def test_the_threshold_is_an_order_statistic(count, share, place):
    clean = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    assert clean_threshold(clean, share) == place


def test_clean_images_are_flagged_as_seldom_as_asked():
    rng = np.random.default_rng(3)
    alarms = [np.mean(rng.gamma(1, size=500) > clean_threshold(rng.gamma(1, size=60), 0.1)) for _ in range(400)]
    # On average over clean sets ⌊.1 · 61⌋ / 61 = 6 / 61, whatever the distribution.
    assert np.mean(alarms) == pytest.approx(6 / 61, abs=0.006)


def test_thresholds_out_of_range():
    with pytest.raises(DataError, match=r"at least 19 clean images for a share of 0\.05 of false alarms, got 18"):
        clean_threshold(np.arange(18.0), 0.05)
    for share in (0, 1, -0.1, float("nan")):
        with pytest.raises(UsageError, match="between 0 and 1"):
            clean_threshold(np.arange(100.0), share)
    with pytest.raises(DataError, match="finite"):
        clean_threshold(np.array([0, np.nan]), 0.5)


def test_p_values_count_the_clean_that_score_as_high():
    assert p_values(np.array([1.0, 2, 3, 4]), np.array([0, 2, 4, 5.0])).tolist() == [1, 0.8, 0.4, 0.2]


def test_flagged_is_what_has_a_p_value_of_at_most_the_share():
    rng = np.random.default_rng(4)
    clean, scores = rng.standard_normal(73), rng.standard_normal(500)
    np.testing.assert_array_equal(scores > clean_threshold(clean, 0.1), p_values(clean, scores) <= 0.1)


def test_scores_of_pixels():
    rng = np.random.default_rng(5)
    plane = rng.standard_normal((2, 12))
    known = (0.5 + 0.05 * rng.standard_normal((60, 2)) @ plane).clip(0, 1)
    off = rng.standard_normal(12)
    off -= plane.T @ np.linalg.lstsq(plane.T, off, rcond=None)[0]
    pixels = np.stack([known[3], known.mean(axis=0), known[0] + 0.1 * off]).clip(0, 1)
    shape = (-1, 1, 3, 4)
    found = pixel_scores(known.reshape(shape), pixels.reshape(shape).astype(np.float32), components=2)
    away = pixels[:, None] - known
    np.testing.assert_allclose(found["distance to the nearest image"], (away**2).sum(-1).min(1), atol=1e-5)
    np.testing.assert_allclose(
        found["distance to the mean image"], ((pixels - known.mean(axis=0)) ** 2).sum(axis=1), atol=1e-5
    )
    # Two components hold the plane that the known images lie in: only what left it has a residual.
    assert found["PCA residual"][:2].max() < 1e-5
    assert found["PCA residual"][2] == pytest.approx(0.01 * off @ off, rel=1e-3)


def test_more_components_than_there_are_leave_nothing():
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 4, 4), np.uint8)
    assert pixel_scores(images, images, components=100)["PCA residual"].max() < 1e-4


def test_noise_is_more_to_draw_than_one_grey():
    noise = np.random.default_rng(0).random((1, 1, 16, 16))
    simple, rich = complexities(np.concatenate([np.full((1, 1, 16, 16), 0.5), noise]))
    assert simple < 30 < 200 < rich
