"""Mixtures against torch.distributions, in the closed forms that they have, and learned on planted clusters."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from latentlab.distributions import DiagonalNormal, StandardNormal
from latentlab.distributions import mixture as module
from latentlab.distributions.mixture import NormalMixture
from latentlab.nn.mixture import Mixture


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def mixture() -> NormalMixture:
    generator = seeded()

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    return NormalMixture(noise(5), 3 * noise(5, 2), noise(5, 2) - 1)


@pytest.fixture
def points() -> torch.Tensor:
    return 4 * torch.randn(40, 2, generator=seeded(1), dtype=torch.float64)


def reference(mixture: NormalMixture) -> MixtureSameFamily:
    components = Independent(Normal(mixture.means, (0.5 * mixture.logvars).exp()), 1)
    return MixtureSameFamily(Categorical(logits=mixture.logits), components)


def test_the_density_and_the_moments_equal_those_of_torch(mixture: NormalMixture, points: torch.Tensor):
    expected = reference(mixture)
    torch.testing.assert_close(mixture.log_prob(points), expected.log_prob(points), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(mixture.mean, expected.mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(mixture.variance, expected.variance, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(mixture.weights, expected.mixture_distribution.probs, rtol=1e-12, atol=1e-12)
    assert mixture.size == 2


def test_responsibilities_are_posterior_probabilities(mixture: NormalMixture, points: torch.Tensor):
    shares = mixture.responsibilities(points)
    normals = [
        DiagonalNormal(mean[None], logvar[None]) for mean, logvar in zip(mixture.means, mixture.logvars, strict=True)
    ]
    joint = torch.stack([normal.log_prob(points).exp() for normal in normals], dim=1) * mixture.weights
    torch.testing.assert_close(shares, joint / joint.sum(dim=1, keepdim=True))
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(40, dtype=torch.float64))


def test_many_latents_are_compared_in_parts_with_the_same_result(
    mixture: NormalMixture, points: torch.Tensor, monkeypatch: pytest.MonkeyPatch
):
    whole = mixture.log_prob(points)
    sizes = []
    squared = NormalMixture._squared

    def watched(self: NormalMixture, value: torch.Tensor) -> torch.Tensor:
        sizes.append(len(value))
        return squared(self, value)

    monkeypatch.setattr(NormalMixture, "_squared", watched)
    for most, parts in ((30, [3] * 13 + [1]), (1, [1] * 40), (2**22, [40])):
        sizes.clear()
        monkeypatch.setattr(module, "MOST_COMPARED", most)
        assert torch.equal(mixture.log_prob(points), whole)
        assert sizes == parts
    assert mixture.log_prob(points[:0]).shape == (0,)


def test_one_standard_component_or_many_alike_are_the_standard_normal(points: torch.Tensor):
    expected = StandardNormal(2).log_prob(points)
    for count in (1, 7):
        logits = torch.randn(count, generator=seeded(2), dtype=torch.float64)
        still = torch.zeros(count, 2, dtype=torch.float64)
        torch.testing.assert_close(NormalMixture(logits, still, still).log_prob(points), expected)


def test_the_kl_at_samples_estimates_that_of_one_component():
    """Far components are none: the KL to the mixture is that to the near one, less the logarithm of its weight."""
    q = DiagonalNormal(torch.tensor([[0.7, -1.0]]).expand(40_000, 2), torch.tensor([[-1.0, 0.5]]).expand(40_000, 2))
    means = torch.tensor([[0.0, 0.0], [900.0, 0.0]])
    prior = NormalMixture(torch.tensor([0.3, 1.1]), means, torch.zeros(2, 2))
    z = q.sample(seeded(1))
    drawn = q.log_prob(z) - prior.log_prob(z)
    expected = float(q.kl_to_standard()[0].sum()) - math.log(float(prior.weights[0]))
    assert abs(float(drawn.mean()) - expected) < 4 * float(drawn.std()) / math.sqrt(len(drawn))
    assert float(drawn.min()) < 0


def test_a_narrow_component_keeps_its_digits_in_single_precision():
    """log N changes by 1/2 a deviation from the mean, also where the deviation is a thousandth of the mean."""
    mixture = NormalMixture(torch.zeros(1), torch.full((1, 1), 5.0), torch.full((1, 1), 2 * math.log(5e-3)))
    z = torch.tensor([[5.0], [5.005], [5.01]])
    at = mixture.log_prob(z)
    torch.testing.assert_close(at - at[0], torch.tensor([0.0, -0.5, -2.0]), rtol=2e-3, atol=1e-3)


def test_samples_are_of_the_mixture(mixture: NormalMixture):
    drawn = mixture.sample(60_000, seeded())
    assert drawn.shape == (60_000, 2) and drawn.dtype == torch.float64
    error = (mixture.variance / len(drawn)).sqrt()
    assert ((drawn.mean(dim=0) - mixture.mean).abs() < 4 * error).all()
    assert ((drawn.var(dim=0) / mixture.variance - 1).abs() < 0.05).all()
    shares = mixture.responsibilities(drawn).mean(dim=0)
    torch.testing.assert_close(shares, mixture.weights, rtol=0, atol=0.01)
    # −E[log p] over its own samples, against those of torch.
    torch.manual_seed(0)
    theirs = reference(mixture).sample((60_000,))
    ours, other = (mixture.log_prob(z).mean() for z in (drawn, theirs))
    assert abs(float(ours - other)) < 0.03


def test_samples_are_seeded(mixture: NormalMixture):
    assert torch.equal(mixture.sample(50, seeded(3)), mixture.sample(50, seeded(3)))
    assert not torch.equal(mixture.sample(50, seeded(3)), mixture.sample(50, seeded(4)))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    mixture.sample(50, seeded(3))
    assert torch.equal(before, torch.get_rng_state())


@torch.no_grad()
def test_a_learned_mixture_begins_about_as_a_standard_normal():
    torch.manual_seed(0)
    prior = Mixture(400, 3)()
    assert prior.mean.abs().max() < 0.2 and (prior.variance - 1).abs().max() < 0.2
    z = StandardNormal(3).sample(2_000, seeded())
    gap = (StandardNormal(3).log_prob(z) - prior.log_prob(z)).mean()
    assert abs(float(gap)) < 0.05
    # Components differ: those that are alike would stay so.
    assert torch.pdist(prior.means).min() > 0


def test_it_learns_planted_clusters():
    torch.manual_seed(1)
    centres = torch.tensor([[-4.0, 0.0], [4.0, 0.0], [0.0, 5.0]])
    weights, deviations = torch.tensor([0.2, 0.3, 0.5]), torch.tensor([0.3, 0.5, 1.0])
    chosen = torch.multinomial(weights, 2_000, replacement=True, generator=seeded())
    z = centres[chosen] + deviations[chosen, None] * torch.randn(2_000, 2, generator=seeded(1))
    planted = NormalMixture(weights.log(), centres, 2 * deviations.log()[:, None].expand(3, 2))
    # More components than clusters: with as many, one may get stuck between two.
    mixture = Mixture(12, 2)
    optimizer = torch.optim.Adam(mixture.parameters(), lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        (-mixture().log_prob(z).mean()).backward()
        optimizer.step()
    with torch.no_grad():
        found = mixture()
        fresh = planted.sample(20_000, seeded(2))
        divergence = (planted.log_prob(fresh) - found.log_prob(fresh)).mean()
        assert 0 < float(divergence) < 0.05
        nearest = torch.cdist(found.means, centres).argmin(dim=1)
        shares = torch.stack([found.weights[nearest == cluster].sum() for cluster in range(3)])
        torch.testing.assert_close(shares, weights, rtol=0, atol=0.03)
