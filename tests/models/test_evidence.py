"""The ELBO bounds the evidence from below: with one latent dimension the evidence is an integral to be taken."""

from __future__ import annotations

import math

import pytest
import torch

from latentlab.codec import ImageSpec
from latentlab.distributions import LIKELIHOODS, DiagonalNormal, StandardNormal
from latentlab.models import VAE, VAEConfig
from latentlab.nn import MLP
from latentlab.nn.observation import Observation

GRID = torch.linspace(-9, 9, 6001, dtype=torch.float64)[:, None]


@pytest.fixture(params=list(LIKELIHOODS))
def model(request: pytest.FixtureRequest) -> VAE:
    torch.manual_seed(3)
    config = VAEConfig(
        ImageSpec(1, 3, 3),
        latent=1,
        network=MLP(hidden=(6,), activation="tanh"),
        likelihood=Observation(request.param, 0.3),
    )
    model = config.build().double()
    with torch.no_grad():
        for weight in model.decoder.parameters():
            weight.mul_(2)
    return model


def log_joint(model: VAE, x: torch.Tensor) -> torch.Tensor:
    """log p(x|z) + log p(z) on the grid, of shape (grid,)."""
    return model.likelihood(GRID).log_prob(x.expand(len(GRID), *x.shape[1:])) + StandardNormal(1).log_prob(GRID)


@torch.no_grad()
def test_the_elbo_is_below_the_evidence_by_the_kl_to_the_true_posterior(model: VAE):
    generator = torch.Generator().manual_seed(0)
    width = float(GRID[1] - GRID[0])
    for x in torch.rand(4, 1, 1, 3, 3, generator=generator, dtype=torch.float64):
        joint = log_joint(model, x)
        evidence = float(torch.logsumexp(joint, 0)) + math.log(width)
        q = model.posterior(x)
        log_q = DiagonalNormal(q.mean.expand(len(GRID), 1), q.logvar.expand(len(GRID), 1)).log_prob(GRID)
        density = log_q.exp() * width
        expected_likelihood = float((density * model.likelihood(GRID).log_prob(x.expand(len(GRID), 1, 3, 3))).sum())
        elbo = expected_likelihood - float(q.kl_to_standard().sum())
        gap = float((density * (log_q - (joint - evidence))).sum())
        assert gap > 1e-4
        assert elbo < evidence
        assert elbo == pytest.approx(evidence - gap, abs=1e-8)
        # What `terms` samples is that ELBO.
        many = model.terms(x.expand(20_000, 1, 3, 3), generator=generator)
        drawn = many.log_likelihood - many.kl["z"]
        assert abs(float(drawn.mean()) - elbo) < 5 * float(drawn.std()) / math.sqrt(len(drawn)) + 1e-9


@torch.no_grad()
def test_the_bound_is_tight_where_the_decoder_ignores_the_latent(model: VAE):
    last = model.decoder[-2]
    last.weight.zero_()
    model.to_posterior.weight.zero_()
    model.to_posterior.bias.zero_()
    x = torch.rand(1, 1, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    evidence = float(torch.logsumexp(log_joint(model, x), 0)) + math.log(float(GRID[1] - GRID[0]))
    terms = model.terms(x, generator=torch.Generator().manual_seed(2))
    assert float(terms.log_likelihood - terms.kl["z"]) == pytest.approx(evidence, abs=1e-9)
