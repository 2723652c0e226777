"""Closed forms, against torch.distributions and by integration."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from latentlab.distributions import DiagonalNormal, StandardNormal


@pytest.fixture
def normal() -> DiagonalNormal:
    generator = torch.Generator().manual_seed(0)
    mean = 3 * torch.randn(5, 4, generator=generator, dtype=torch.float64)
    logvar = 2 * torch.randn(5, 4, generator=generator, dtype=torch.float64)
    return DiagonalNormal(mean, logvar)


def reference(normal: DiagonalNormal) -> Independent:
    return Independent(Normal(normal.mean, (0.5 * normal.logvar).exp()), 1)


def test_kl_equals_that_of_torch(normal: DiagonalNormal):
    standard = Normal(torch.zeros(4, dtype=torch.float64), 1.0)
    expected = kl_divergence(reference(normal).base_dist, standard)
    torch.testing.assert_close(normal.kl_to_standard(), expected, rtol=1e-12, atol=1e-12)


def test_kl_is_zero_at_the_prior_and_positive_elsewhere(normal: DiagonalNormal):
    assert DiagonalNormal(torch.zeros(1, 3), torch.zeros(1, 3)).kl_to_standard().tolist() == [[0.0, 0.0, 0.0]]
    assert (normal.kl_to_standard() > 0).all()


def test_log_prob_equals_that_of_torch(normal: DiagonalNormal):
    z = torch.linspace(-4, 4, 20, dtype=torch.float64).reshape(5, 4)
    torch.testing.assert_close(normal.log_prob(z), reference(normal).log_prob(z), rtol=1e-12, atol=1e-12)
    standard = Independent(Normal(torch.zeros(4, dtype=torch.float64), 1.0), 1)
    torch.testing.assert_close(StandardNormal(4).log_prob(z), standard.log_prob(z), rtol=1e-12, atol=1e-12)


def test_the_kl_is_what_samples_estimate():
    normal = DiagonalNormal(torch.tensor([[0.7, -1.0]]), torch.tensor([[-1.0, 0.5]]))
    many = DiagonalNormal(normal.mean.expand(40_000, 2), normal.logvar.expand(40_000, 2))
    z = many.sample(torch.Generator().manual_seed(1))
    gaps = many.log_prob(z) - StandardNormal(2).log_prob(z)
    error = float(gaps.std()) / math.sqrt(len(gaps))
    assert abs(float(gaps.mean()) - float(normal.kl_to_standard().sum())) < 4 * error


def test_a_sample_is_mean_plus_sigma_times_the_noise_of_its_seed(normal: DiagonalNormal):
    noise = torch.randn(5, 4, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    drawn = normal.sample(torch.Generator().manual_seed(7))
    assert torch.equal(drawn, normal.mean + torch.exp(normal.logvar / 2) * noise)


def test_gradients_reach_mean_and_logvar_through_a_sample():
    mean, logvar = torch.zeros(3, 2, requires_grad=True), torch.zeros(3, 2, requires_grad=True)
    z = DiagonalNormal(mean, logvar).sample(torch.Generator().manual_seed(0))
    z.sum().backward()
    assert torch.equal(mean.grad, torch.ones(3, 2))
    torch.testing.assert_close(logvar.grad, 0.5 * z.detach())


def test_prior_samples_are_standard_and_seeded():
    prior = StandardNormal(3)
    drawn = prior.sample(20_000, torch.Generator().manual_seed(0))
    assert drawn.shape == (20_000, 3)
    assert drawn.mean(dim=0).abs().max() < 0.03 and (drawn.var(dim=0) - 1).abs().max() < 0.05
    assert torch.equal(drawn, prior.sample(20_000, torch.Generator().manual_seed(0)))
    assert not torch.equal(drawn, prior.sample(20_000, torch.Generator().manual_seed(1)))
