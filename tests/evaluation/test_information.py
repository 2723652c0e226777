"""Where means are Gaussian and variances fixed, q(z) is a Gaussian, and every part is known."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest

from latentlab.errors import DataError, UsageError
from latentlab.evaluation import information
from latentlab.evaluation.information import gaussian_total_correlation, score_information

VARIANCE = np.array([0.4, 0.3, 0.5])
# Of the means: correlated, and not of a length that makes q(z) standard.
COVARIANCE = np.array([[1.0, 0.6, 0.0], [0.6, 0.8, -0.3], [0.0, -0.3, 0.5]])
CENTRE = np.array([0.8, -0.7, 0.9])


def posteriors(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Means that have exactly the planted moments, and log-variances."""
    drawn = np.random.default_rng(seed).normal(size=(count, 3))
    drawn -= drawn.mean(axis=0)
    drawn = drawn @ np.linalg.inv(np.linalg.cholesky(np.cov(drawn, rowvar=False, bias=True))).T
    mean = CENTRE + drawn @ np.linalg.cholesky(COVARIANCE).T
    return mean, np.tile(np.log(VARIANCE), (count, 1))


def closed_form() -> dict[str, float | np.ndarray]:
    total = COVARIANCE + np.diag(VARIANCE)
    variance = np.diag(total)
    log_det = np.linalg.slogdet(total)[1]
    dimension = 0.5 * (variance + CENTRE**2 - 1 - np.log(variance))
    information = 0.5 * (log_det - np.log(VARIANCE).sum())
    correlation = 0.5 * (np.log(variance).sum() - log_det)
    marginal = 0.5 * (np.trace(total) + (CENTRE**2).sum() - 3 - log_det)
    return {
        "mutual_information_nats": information,
        "total_correlation_nats": correlation,
        "marginal_kl_nats": marginal,
        "kl_nats": information + marginal,
        "dimension_kl_nats": dimension,
        "dimension_information_nats": 0.5 * np.log(variance / VARIANCE),
    }


def test_the_parts_are_those_of_the_gaussian_within_five_percent():
    found = score_information(*posteriors(4_000), samples=3_000, seed=1)
    for name, expected in closed_form().items():
        np.testing.assert_allclose(getattr(found, name), expected, rtol=0.05, err_msg=name)
    np.testing.assert_allclose(found.gaussian_total_correlation_nats, closed_form()["total_correlation_nats"])
    upper = found.mutual_information_upper_nats
    assert found.mutual_information_nats < upper < 1.1 * closed_form()["mutual_information_nats"]
    assert not found.saturated and found.doubts() == []


def test_the_parts_add_up():
    found = score_information(*posteriors(300), samples=100)
    assert found.kl_nats == pytest.approx(found.mutual_information_nats + found.marginal_kl_nats)
    assert found.marginal_kl_nats == pytest.approx(found.total_correlation_nats + found.dimension_kl_nats.sum())
    assert (found.images, found.samples) == (300, 100)


def test_the_bounds_hold_the_information_of_endless_images_between_them():
    lows, highs = [], []
    for seed in range(200):
        mean = CENTRE + np.random.default_rng([seed, 7]).normal(size=(12, 3)) @ np.linalg.cholesky(COVARIANCE).T
        found = score_information(mean, np.tile(np.log(VARIANCE), (12, 1)), seed=seed)
        lows.append(found.mutual_information_nats)
        highs.append(found.mutual_information_upper_nats)
    error = np.std(lows) / math.sqrt(200) + np.std(highs) / math.sqrt(200)
    true = closed_form()["mutual_information_nats"]
    assert np.mean(lows) < true - 3 * error and np.mean(highs) > true + 3 * error


def test_the_errors_are_the_scatter_over_seeds():
    mean, logvar = posteriors(400)
    runs = [score_information(mean, logvar, samples=80, seed=seed) for seed in range(150)]
    for name, error in runs[0].errors_nats.items():
        scatter = np.std([getattr(run, name) for run in runs])
        usual = np.sqrt(np.mean([run.errors_nats[name] ** 2 for run in runs]))
        # Images are drawn without replacement: the scatter is at most that of the error.
        assert 0.7 * usual < scatter < 1.15 * usual, (name, error)


def test_against_the_sums_written_out():
    rng = np.random.default_rng(4)
    mean, logvar = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    found = score_information(mean, logvar, samples=5, seed=9)
    order = np.random.default_rng(9)
    order.permutation(5)
    z = mean + np.exp(logvar / 2) * order.standard_normal((5, 2))
    log = np.array(
        [
            [
                [-0.5 * ((z[k, j] - mean[i, j]) ** 2 / math.exp(logvar[i, j]) + logvar[i, j] + math.log(2 * math.pi))]
                for j in range(2)
            ]
            for k in range(5)
            for i in range(5)
        ]
    ).reshape(5, 5, 2)
    whole = np.exp(log.sum(axis=2))
    joint = np.log(whole.mean(axis=1))
    others = np.log((whole.sum(axis=1) - np.diag(whole)) / 4)
    parts = np.log(np.exp(log).mean(axis=1))
    own = np.log(np.diag(whole))
    assert found.mutual_information_nats == pytest.approx((own - joint).mean())
    assert found.mutual_information_upper_nats == pytest.approx((own - others).mean())
    assert found.total_correlation_nats == pytest.approx((joint - parts.sum(axis=1)).mean())
    np.testing.assert_allclose(found.dimension_information_nats, (log[range(5), range(5)] - parts).mean(axis=0))


def test_codes_that_all_differ_saturate_at_log_n():
    mean = 50.0 * np.arange(64)[:, None] * np.ones((1, 2))
    found = score_information(mean, np.zeros((64, 2)))
    assert found.mutual_information_nats == pytest.approx(math.log(64))
    assert found.saturated and "64 images" in found.doubts()[0]
    assert np.isfinite(list(found.errors_nats.values())).all()


def test_a_collapsed_code_says_nothing():
    found = score_information(np.zeros((50, 4)), np.zeros((50, 4)))
    for name in ("kl_nats", "mutual_information_nats", "total_correlation_nats", "marginal_kl_nats"):
        assert getattr(found, name) == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(found.dimension_kl_nats, 0, atol=1e-12)
    assert not found.saturated


def test_another_prior_takes_the_place_of_the_standard_one():
    mean, logvar = posteriors(500)
    total = COVARIANCE + np.diag(VARIANCE)

    def log_prior(z: np.ndarray) -> np.ndarray:
        off = z - CENTRE
        squared = (off @ np.linalg.inv(total) * off).sum(axis=1)
        return -0.5 * (squared + np.linalg.slogdet(2 * math.pi * total)[1])

    found = score_information(mean, logvar, log_prior=log_prior)
    standard = score_information(mean, logvar)
    # The codes are distributed as this prior says, so that all of the rate is information.
    assert abs(found.marginal_kl_nats) < 0.08 < standard.marginal_kl_nats
    assert found.mutual_information_nats == standard.mutual_information_nats
    assert found.dimension_kl_nats is None
    assert found.record()["dimension_kl_nats"] is None


def test_one_dimension_has_no_total_correlation():
    mean, logvar = posteriors(100)
    found = score_information(mean[:, :1], logvar[:, :1])
    assert found.total_correlation_nats == pytest.approx(0, abs=1e-12)
    assert gaussian_total_correlation(mean[:, :1], logvar[:, :1]) == pytest.approx(0, abs=1e-12)


def test_chunks_change_nothing_and_bound_memory(monkeypatch: pytest.MonkeyPatch):
    mean, logvar = posteriors(2_000)
    whole = score_information(mean, logvar, samples=400)
    monkeypatch.setattr(information, "CHUNK", 20_000)
    tracemalloc.start()
    cut = score_information(mean, logvar, samples=400)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert cut.record() == whole.record()
    assert peak < 2_000_000


def test_bad_posteriors_are_refused():
    mean, logvar = posteriors(5)
    with pytest.raises(DataError, match="at least 2 images"):
        score_information(mean[:1], logvar[:1])
    with pytest.raises(DataError, match="shapes \\(5, 3\\) and \\(5, 2\\)"):
        score_information(mean, logvar[:, :2])
    with pytest.raises(DataError, match="finite"):
        score_information(mean * np.nan, logvar)
    with pytest.raises(UsageError, match="at least 2 samples"):
        score_information(mean, logvar, samples=1)


def test_the_gaussian_total_correlation_of_few_images_is_that_of_many_dimensions() -> None:
    generator = np.random.default_rng(0)
    mean = generator.normal(size=(6, 9)) @ generator.normal(size=(9, 9))
    logvar = generator.normal(size=(6, 9))
    covariance = np.cov(mean, rowvar=False, bias=True) + np.diag(np.exp(logvar).mean(axis=0))
    wanted = 0.5 * (np.log(np.diag(covariance)).sum() - np.linalg.slogdet(covariance)[1])
    assert gaussian_total_correlation(mean, logvar) == pytest.approx(wanted, rel=1e-9)
