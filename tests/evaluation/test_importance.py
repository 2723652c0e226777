"""On a linear-Gaussian model the evidence is known: N(x; b, WWᵀ + σ²)."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from latentlab.codec import ImageSpec
from latentlab.distributions import DiagonalNormal, Gaussian, StandardNormal
from latentlab.errors import CapabilityError, DataError, UsageError
from latentlab.evaluation.importance import Importance, score_importance, summarise_weights
from latentlab.models import AutoencoderConfig

IMAGE = ImageSpec(1, 2, 3)
SIGMA = 0.4
# Orthogonal columns: the true posterior is diagonal.
WEIGHT = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 2)))[0] * [0.9, 0.5]
BIAS = np.linspace(0.2, 0.8, 6)
COUNTS = (1, 2, 5, 16, 64, 300, 1000)


class LinearGaussian:
    """x = Wz + b + σε, with the true posterior but for a shift of its mean and another width."""

    image = IMAGE
    condition = None

    def __init__(self, shift: float = 0.0, widening: float = 1.0) -> None:
        variance = 1 / (1 + (WEIGHT**2).sum(axis=0) / SIGMA**2)
        self.to_mean = torch.from_numpy(WEIGHT * variance / SIGMA**2)
        self.shift = shift
        self.logvar = torch.from_numpy(np.log(widening**2 * variance))

    def posterior(self, x: torch.Tensor, condition: torch.Tensor | None = None) -> DiagonalNormal:
        mean = (x.flatten(1) - torch.from_numpy(BIAS)) @ self.to_mean + self.shift
        return DiagonalNormal(mean, self.logvar.expand(mean.shape))

    def prior(self, condition: torch.Tensor | None = None) -> StandardNormal:
        return StandardNormal(2)

    def likelihood(self, z: torch.Tensor, condition: torch.Tensor | None = None) -> Gaussian:
        location = z @ torch.from_numpy(WEIGHT.T) + torch.from_numpy(BIAS)
        if condition is not None:
            location = location + condition
        return Gaussian(location.reshape(-1, *IMAGE.shape), torch.tensor(math.log(SIGMA), dtype=torch.float64))


def evidence(x: np.ndarray) -> np.ndarray:
    """log N(x; b, WWᵀ + σ²), of shape (n,)."""
    covariance = WEIGHT @ WEIGHT.T + SIGMA**2 * np.eye(6)
    off = x.reshape(len(x), -1) - BIAS
    squared = (off @ np.linalg.inv(covariance) * off).sum(axis=1)
    return -0.5 * (squared + np.linalg.slogdet(2 * math.pi * covariance)[1])


def images(count: int) -> np.ndarray:
    return np.random.default_rng(1).random((count, *IMAGE.shape), dtype=np.float32)


@pytest.mark.parametrize("samples", COUNTS)
def test_with_the_true_posterior_one_sample_is_the_evidence(samples: int):
    x = images(7)
    found = score_importance(LinearGaussian(), x, samples=samples)
    np.testing.assert_allclose(found.bound_nats, evidence(x), atol=1e-9)
    np.testing.assert_allclose(found.effective_samples, samples)


@pytest.mark.parametrize("samples", COUNTS[1:])
def test_the_bound_meets_the_evidence_within_three_standard_errors(samples: int):
    x = images(200)
    found = score_importance(LinearGaussian(shift=0.05, widening=1.2), x, samples=samples, seed=3)
    off = found.bound_nats - evidence(x)
    assert (found.standard_error_nats > 0).all()
    if samples >= 64:
        assert np.mean(np.abs(off) < 3 * found.standard_error_nats) > 0.97
        # No wider than it need be: two thirds are within one.
        assert 0.6 < np.mean(np.abs(off) < found.standard_error_nats) < 0.76
    assert abs(off.mean() + found.nll_bias_nats) < 3 * found.nll_sampling_error_nats


@pytest.mark.parametrize("samples", COUNTS[:-1])
def test_what_is_averaged_is_unbiased_for_every_k(samples: int):
    x = images(1)
    many = np.repeat(x, 40_000 // samples, axis=0)
    found = score_importance(LinearGaussian(shift=0.5, widening=1.4), many, samples=samples, batch=20_000)
    ratio = np.exp(found.bound_nats - evidence(x))
    assert abs(ratio.mean() - 1) < 3 * ratio.std() / math.sqrt(len(ratio))


def test_one_sample_is_the_elbo_and_more_come_closer():
    x, shift, widening = images(1), 0.1, 1.25
    model = LinearGaussian(shift, widening)
    variance = 1 / (1 + (WEIGHT**2).sum(axis=0) / SIGMA**2)
    gap = 0.5 * (widening**2 - 1 - math.log(widening**2) + shift**2 / variance).sum()
    means = []
    for samples in (1, 4, 16):
        found = score_importance(model, np.repeat(x, 20_000, axis=0), samples=samples, batch=20_000)
        off = found.bound_nats - evidence(x)
        means.append(off.mean())
        if samples == 1:
            assert np.isnan(found.standard_error_nats).all() and math.isnan(found.nll_bias_nats)
            assert abs(off.mean() + gap) < 4 * off.std() / math.sqrt(len(off))
        else:
            # The scatter over repetitions is what the standard error says; its square, halved, is the bias.
            expected = math.sqrt((found.standard_error_nats**2).mean())
            assert off.std() == pytest.approx(expected, rel=0.2 if samples == 4 else 0.05)
            assert abs(off.mean() + found.nll_bias_nats) < 4 * off.std() / math.sqrt(len(off))
    assert -gap < means[0] + 0.02 and means[0] < means[1] < means[2] < 0


def test_sums_of_weights_are_summarised_in_closed_form():
    weights = np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 5.0, 0.0], [2.0, 2.0, 2.0, 2.0]])
    found = summarise_weights(np.log(weights.sum(axis=1)), np.log((weights**2).sum(axis=1)), 4)
    np.testing.assert_allclose(found.bound_nats, np.log(weights.mean(axis=1)))
    np.testing.assert_allclose(found.effective_samples, [100 / 30, 1.0, 4.0])
    spread = weights.std(axis=1, ddof=1) / 2 / weights.mean(axis=1)
    np.testing.assert_allclose(found.standard_error_nats, spread, atol=1e-7)
    assert found.doubtful == 1 / 3


def test_means_over_images_and_their_errors():
    found = Importance(9, np.array([-80.0, -90.0]), np.array([0.3, 0.4]), np.array([5.0, 4.0]))
    assert found.nll_nats == 85
    assert found.nll_sampling_error_nats == pytest.approx(0.25)
    assert found.nll_image_error_nats == pytest.approx(5)
    assert found.nll_bias_nats == pytest.approx((0.045 + 0.08) / 2)
    assert found.record() == {
        "samples": 9,
        "images": 2,
        "nll_nats": 85,
        "nll_sampling_error_nats": found.nll_sampling_error_nats,
        "nll_image_error_nats": found.nll_image_error_nats,
        "nll_bias_nats": found.nll_bias_nats,
        "effective_samples": 4.5,
        "doubtful": 0,
    }
    one = Importance(9, *np.ones((3, 1)))
    assert math.isnan(one.nll_image_error_nats) and one.record()["nll_image_error_nats"] is None


def test_images_are_encoded_once_and_memory_does_not_grow_with_k(monkeypatch: pytest.MonkeyPatch):
    model = LinearGaussian()
    encoded, decoded = [], []
    posterior, likelihood = model.posterior, model.likelihood
    monkeypatch.setattr(model, "posterior", lambda x, *told: (encoded.append(len(x)), posterior(x, *told))[1])
    monkeypatch.setattr(model, "likelihood", lambda z, *told: (decoded.append(len(z)), likelihood(z, *told))[1])
    score_importance(model, images(10), samples=30, batch=4)
    assert encoded == [4, 4, 2]
    assert max(decoded) == 4 and sum(decoded) == 300
    decoded.clear()
    score_importance(model, images(2), samples=7, batch=6)
    assert decoded == [6, 6, 2]


def test_a_condition_reaches_decoder_rows_of_its_own_image():
    x = images(3)
    moves = np.array([[0.0], [0.3], [-0.2]])
    # Moved images under moved decoders; the posterior is the true one where both move across W.
    across = np.linalg.svd(WEIGHT)[0][:, -1]
    told = moves * across
    moved = (x.reshape(3, -1) * 0.5 + 0.25 + told).reshape(x.shape).astype(np.float32)
    found = score_importance(LinearGaussian(), moved, samples=5, batch=9, condition=told)
    still = moved.reshape(3, -1) - told
    np.testing.assert_allclose(found.bound_nats, evidence(still), atol=1e-6)


def test_the_same_seed_gives_the_same_bytes_and_bytes_are_pixels():
    model = LinearGaussian(shift=0.3)
    x = (images(5) * 255).astype(np.uint8)
    first = score_importance(model, x, samples=3, seed=5)
    again = score_importance(model, x.astype(np.float32) / 255, samples=3, seed=5)
    other = score_importance(model, x, samples=3, seed=6)
    np.testing.assert_array_equal(first.bound_nats, again.bound_nats)
    assert (first.bound_nats != other.bound_nats).all()


def test_what_cannot_be_scored_is_refused():
    model = LinearGaussian()
    with pytest.raises(UsageError, match="at least 1 sample"):
        score_importance(model, images(2), samples=0)
    with pytest.raises(DataError, match="condition for each of 2 images, got 3"):
        score_importance(model, images(2), condition=np.zeros((3, 1)))
    with pytest.raises(DataError, match="expected images of shape"):
        score_importance(model, np.zeros((2, 1, 4, 4), np.float32))
    with pytest.raises(CapabilityError, match="has no posterior"):
        score_importance(AutoencoderConfig(IMAGE).build(), images(2))
    model.shift = math.nan
    with pytest.raises(DataError, match="finite importance weights"):
        score_importance(model, images(2))
