"""Conditions: against torch's own distributions, and what is drawn against what was planted."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, Independent, kl_divergence

from latentlab.distributions.condition import Attributes, OneClass
from latentlab.distributions.conditional import ConditionalPosterior, ConditionalPrior
from latentlab.distributions.normal import DiagonalNormal
from latentlab.distributions.point import Point
from latentlab.errors import CapabilityError, DataError

DRAWS = 20_000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def logits(rows: int = 6, size: int = 4, seed: int = 0) -> torch.Tensor:
    return 3 * torch.randn(rows, size, generator=seeded(seed))


def test_a_class_is_torchs_categorical():
    ours, other = OneClass(logits()), OneClass(logits(seed=1))
    theirs, others = Categorical(logits=ours.logits), Categorical(logits=other.logits)
    torch.testing.assert_close(ours.mean, theirs.probs)
    for number in range(4):
        one = torch.eye(4)[[number] * 6]
        torch.testing.assert_close(ours.log_prob(one), theirs.log_prob(torch.full((6,), number)))
        torch.testing.assert_close(ours.parts(one).sum(dim=1), -ours.log_prob(one))
    kl = ours.kl(other)
    torch.testing.assert_close(kl.sum(dim=1), kl_divergence(theirs, others))
    assert (kl >= 0).all()


def test_attributes_are_torchs_coins():
    ours, other = Attributes(logits()), Attributes(logits(seed=1))
    theirs = [Independent(Bernoulli(logits=one.logits), 1) for one in (ours, other)]
    value = (torch.rand(6, 4, generator=seeded()) > 0.5).float()
    torch.testing.assert_close(ours.mean, theirs[0].mean)
    torch.testing.assert_close(ours.log_prob(value), theirs[0].log_prob(value))
    torch.testing.assert_close(ours.kl(other).sum(dim=1), kl_divergence(*theirs))


@pytest.mark.parametrize("kind", [OneClass, Attributes])
def test_draws_come_as_often_as_they_should(kind):
    one = kind(logits(1))
    drawn = kind(one.logits.expand(DRAWS, -1)).sample(seeded())
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    if kind is OneClass:
        assert (drawn.sum(dim=1) == 1).all()
    share = one.mean[0]
    error = torch.sqrt(share * (1 - share) / DRAWS)
    assert ((drawn.mean(dim=0) - share).abs() <= 4 * error + 1e-6).all()
    assert torch.equal(drawn, kind(one.logits.expand(DRAWS, -1)).sample(seeded()))


def test_certain_logits_stay_finite():
    for kind in (OneClass, Attributes):
        sure, opposite = kind(torch.tensor([[200.0, -200.0]])), kind(torch.tensor([[-200.0, 200.0]]))
        assert torch.isfinite(sure.kl(opposite)).all() and (sure.kl(sure).abs() < 1e-6).all()
        assert sure.sample(seeded()).tolist() == [[1.0, 0.0]]


def shifted(y: torch.Tensor) -> DiagonalNormal:
    """z lies where its condition says."""
    return DiagonalNormal(10 * y[:, :2], torch.full((len(y), 2), -4.0))


def test_a_posterior_draws_a_latent_that_goes_with_the_condition_drawn():
    told = OneClass(torch.zeros(500, 3))
    posterior = ConditionalPosterior(told, shifted)
    z, y = posterior.sample(seeded()).split([2, 3], dim=1)
    assert len(y.unique(dim=0)) == 3
    assert ((z - 10 * y[:, :2]).abs() < 1).all()
    torch.testing.assert_close(posterior.mean, torch.cat([torch.full((500, 2), 10 / 3), told.mean], dim=1))
    value = torch.cat([z, y], dim=1)
    torch.testing.assert_close(posterior.log_prob(value), shifted(y).log_prob(z) - math.log(3))
    assert posterior.logvar is None
    with pytest.raises(CapabilityError, match="family 'vae' has one"):
        posterior.kl_to_standard()


def test_the_prior_draws_conditions_as_often_as_they_were_seen_or_those_that_are_given():
    prior = ConditionalPrior(2, OneClass(torch.tensor([[0.7, 0.2, 0.1]]).log()))
    z, y = prior.sample(DRAWS, seeded()).split([2, 3], dim=1)
    assert y.mean(dim=0).tolist() == pytest.approx([0.7, 0.2, 0.1], abs=0.015)
    assert z.std().item() == pytest.approx(1, abs=0.03) and z.mean().item() == pytest.approx(0, abs=0.03)
    value = torch.tensor([[0.0, 0.0, 0.0, 1.0, 0.0]])
    assert prior.log_prob(value).item() == pytest.approx(math.log(0.2) - math.log(2 * math.pi), abs=1e-5)
    still = prior.sample(50, seeded(), temperature=0.0)
    assert (still[:, :2] == 0).all() and (still[:, 2:].sum(dim=1) == 1).all()
    given = ConditionalPrior(2, Point(torch.eye(3)[:1]))
    assert (given.sample(7, seeded())[:, 2:] == torch.eye(3)[0]).all()
    assert given.log_prob(value).item() == -math.inf
    asked = torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0]]).repeat(4, 1)
    torch.testing.assert_close(given.log_prob(asked), torch.full((4,), -math.log(2 * math.pi)))
    with pytest.raises(DataError, match="one for each of 4 latents, got 3"):
        ConditionalPrior(2, Point(torch.eye(3))).sample(4)
