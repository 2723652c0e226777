"""Closed forms, against torch.distributions and by quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import distributions

from latentlab.distributions import LIKELIHOODS, Bernoulli, ContinuousBernoulli, Gaussian

SHAPE = (3, 1, 4, 5)
SWITCH = 0.05


def draw(seed: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def x() -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


def build(name: str, outputs: torch.Tensor):
    if name == "gaussian":
        return Gaussian(torch.sigmoid(outputs), torch.tensor(math.log(0.2), dtype=outputs.dtype))
    return LIKELIHOODS[name](outputs)


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
def test_bernoulli_equals_that_of_torch(x: torch.Tensor, scale: float):
    logits = draw(0, scale)
    expected = distributions.Bernoulli(logits=logits, validate_args=False).log_prob(x).sum(dim=(1, 2, 3))
    torch.testing.assert_close(Bernoulli(logits).log_prob(x), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(Bernoulli(logits).mean, torch.sigmoid(logits))


@pytest.mark.parametrize("scale", [0.2, 1.0, 4.0])
def test_continuous_bernoulli_equals_that_of_torch(x: torch.Tensor, scale: float):
    # Away from 1/2 both are exact. (Beyond |logit| = 20 theirs is not: 1 − λ loses its digits.)
    logits = draw(1, scale)
    logits = torch.where(logits.abs() < 2 * SWITCH, 2 * SWITCH * logits.sign(), logits)
    theirs = distributions.ContinuousBernoulli(logits=logits)
    expected = theirs.log_prob(x).sum(dim=(1, 2, 3))
    torch.testing.assert_close(ContinuousBernoulli(logits).log_prob(x), expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(ContinuousBernoulli(logits).mean, theirs.mean, rtol=1e-9, atol=1e-9)


def test_continuous_bernoulli_equals_that_of_torch_about_one_half():
    logits = torch.linspace(-3 * SWITCH, 3 * SWITCH, 301, dtype=torch.float64).reshape(-1, 1, 1, 1)
    theirs = distributions.ContinuousBernoulli(logits=logits)
    x = torch.linspace(0, 1, 301, dtype=torch.float64).reshape(-1, 1, 1, 1)
    expected = theirs.log_prob(x).flatten()
    torch.testing.assert_close(ContinuousBernoulli(logits).log_prob(x), expected, rtol=0, atol=1e-7)
    torch.testing.assert_close(ContinuousBernoulli(logits).mean, theirs.mean, rtol=0, atol=3e-7)


def test_gaussian_equals_that_of_torch(x: torch.Tensor):
    location, sigma = torch.sigmoid(draw(2)), 0.3
    ours = Gaussian(location, torch.tensor(math.log(sigma), dtype=torch.float64))
    expected = distributions.Normal(location, sigma).log_prob(x).sum(dim=(1, 2, 3))
    torch.testing.assert_close(ours.log_prob(x), expected, rtol=1e-12, atol=1e-12)


LOGITS = [0.0, 1e-6, 0.01, SWITCH * 0.999, SWITCH * 1.001, 0.3, 2.0, 15.0, 40.0]


@pytest.mark.parametrize("logit", [sign * logit for logit in LOGITS for sign in (1, -1)])
def test_the_continuous_bernoulli_is_a_density_with_its_mean(logit: float):
    nodes, weights = np.polynomial.legendre.leggauss(120)
    points = torch.from_numpy(0.5 + 0.5 * nodes).reshape(-1, 1, 1, 1)
    weights = 0.5 * weights
    ours = ContinuousBernoulli(torch.full_like(points, logit))
    density = ours.log_prob(points).exp().numpy()
    assert np.dot(weights, density) == pytest.approx(1.0, abs=1e-7)
    mean = np.dot(weights, density * points.flatten().numpy())
    assert float(ours.mean[0]) == pytest.approx(mean, abs=2e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sign", [1, -1])
def test_nothing_jumps_where_the_series_begins(dtype: torch.dtype, sign: int):
    logits = sign * torch.tensor([SWITCH * (1 - 1e-6), SWITCH * (1 + 1e-6)], dtype=dtype).reshape(2, 1, 1, 1)
    ours = ContinuousBernoulli(logits)
    assert ours.log_normaliser().diff(dim=0).abs().max() < 1e-6
    assert ours.mean.diff(dim=0).abs().max() < 3e-6


@pytest.mark.parametrize("logit", [0.0, 1e-9, SWITCH, -200.0, 200.0])
def test_gradients_of_the_continuous_bernoulli_are_finite(logit: float):
    logits = torch.full((1, 1, 2, 2), logit, requires_grad=True)
    ours = ContinuousBernoulli(logits)
    (ours.log_prob(torch.rand(1, 1, 2, 2)) + ours.mean.sum()).backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_one_finite_value_an_image_however_sure_the_decoder(name: str, x: torch.Tensor):
    for scale in (0.0, 1.0, 1e3):
        values = build(name, draw(3, scale).float()).log_prob(x.float().round())
        assert values.shape == (3,) and torch.isfinite(values).all()


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_samples_are_seeded_and_have_the_mean(name: str):
    outputs = torch.tensor([-4.0, -0.3, 0.0, 0.02, 1.0, 5.0]).expand(20_000, 1, 1, 6)
    likelihood = build(name, outputs)
    drawn = likelihood.sample(torch.Generator().manual_seed(0))
    assert drawn.shape == outputs.shape and drawn.dtype == outputs.dtype
    assert (drawn.mean(dim=0) - likelihood.mean[0]).abs().max() < 0.015
    assert torch.equal(drawn, likelihood.sample(torch.Generator().manual_seed(0)))
    assert not torch.equal(drawn, likelihood.sample(torch.Generator().manual_seed(1)))
    if name != "gaussian":
        assert drawn.min() >= 0 and drawn.max() <= 1


def test_bernoulli_samples_are_black_and_white():
    assert set(Bernoulli(draw(4)).sample(torch.Generator().manual_seed(0)).unique().tolist()) == {0.0, 1.0}


def test_the_picture_of_a_gaussian_stays_in_range():
    mean = Gaussian(torch.tensor([-0.5, 0.5, 1.5]).reshape(1, 1, 1, 3), torch.tensor(0.0)).mean
    assert mean.flatten().tolist() == [0.0, 0.5, 1.0]
