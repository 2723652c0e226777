"""The parts of the KL against closed forms, exact sums and planted rotations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from latentlab.codec import ImageSpec, Terms
from latentlab.distributions import DiagonalNormal
from latentlab.errors import CapabilityError
from latentlab.models import MODELS
from latentlab.nn import MLP
from latentlab.objectives import ELBO, TotalCorrelation
from latentlab.objectives.total_correlation import aggregate_densities

# A population whose aggregate posterior is the normal with covariance SPREAD + diag(WIDTH), for many images.
SPREAD = np.array([[2.0, 1.0, 0.0], [1.0, 1.2, -0.3], [0.0, -0.3, 0.3]])
WIDTH = np.array([0.3, 0.4, 0.2])
WHOLE = SPREAD + np.diag(WIDTH)
MI = 0.5 * (np.linalg.slogdet(WHOLE)[1] - np.log(WIDTH).sum())
TC = 0.5 * (np.log(np.diag(WHOLE)).sum() - np.linalg.slogdet(WHOLE)[1])
DIMENSION_WISE = 0.5 * (np.diag(WHOLE) - 1 - np.log(np.diag(WHOLE))).sum()


def population(count: int, seed: int = 0) -> DiagonalNormal:
    means = np.random.default_rng(seed).normal(size=(count, 3))
    # Of exactly this covariance, so that chance is left in the estimates alone.
    means = np.linalg.qr(means - means.mean(axis=0))[0] * np.sqrt(count) @ np.linalg.cholesky(SPREAD).T
    return DiagonalNormal(torch.from_numpy(means), torch.from_numpy(np.log(WIDTH)).expand(count, 3))


def random_posterior(count: int, size: int = 2, seed: int = 0) -> DiagonalNormal:
    generator = torch.Generator().manual_seed(seed)
    mean, logvar = torch.randn(2, count, size, generator=generator, dtype=torch.float64)
    return DiagonalNormal(mean, logvar - 1)


def rows(posterior: DiagonalNormal, of: list[int]) -> DiagonalNormal:
    return DiagonalNormal(posterior.mean[of], posterior.logvar[of])


def terms_of(posterior: DiagonalNormal, seed: int = 1) -> Terms:
    kl = posterior.kl_to_standard()
    return Terms(
        log_likelihood=torch.linspace(-9, -5, len(kl), dtype=torch.float64),
        kl={"z": kl.sum(dim=1)},
        code=posterior.sample(torch.Generator().manual_seed(seed)),
        posterior=posterior,
        kl_dimensions=kl,
    )


def exact_densities(posterior: DiagonalNormal, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """q(z) of shape (n,) and q(z_j) of shape (n, d) of all images, written out."""
    normal = torch.distributions.Normal(posterior.mean, posterior.stddev)
    each = normal.log_prob(z[:, None]).exp()
    return each.prod(dim=2).mean(dim=1), each.mean(dim=1)


def test_the_estimate_of_the_aggregate_posterior_is_unbiased():
    """The mean over every batch that a sample's image can be in is the sum over the whole population."""
    images, batch = 6, 3
    everyone = random_posterior(images)
    z = everyone.sample(torch.Generator().manual_seed(3))
    wanted_joint, wanted_marginals = exact_densities(everyone, z)
    for place, own in itertools.product(range(batch), range(images)):
        joints, marginals = [], []
        others = [image for image in range(images) if image != own]
        for company in itertools.combinations(others, batch - 1):
            members = [*company[:place], own, *company[place:]]
            joint, marginal = aggregate_densities(rows(everyone, members), z[members], images)
            joints.append(joint[place].exp())
            marginals.append(marginal[place].exp())
        torch.testing.assert_close(torch.stack(joints).mean(), wanted_joint[own])
        torch.testing.assert_close(torch.stack(marginals).mean(dim=0), wanted_marginals[own])


def test_with_all_images_in_the_batch_it_is_exact():
    everyone = random_posterior(7)
    z = everyone.sample(torch.Generator().manual_seed(3))
    joint, marginals = aggregate_densities(everyone, z, 7)
    wanted_joint, wanted_marginals = exact_densities(everyone, z)
    torch.testing.assert_close(joint.exp(), wanted_joint)
    torch.testing.assert_close(marginals.exp(), wanted_marginals)


def test_the_order_of_a_batch_does_not_matter():
    posterior = random_posterior(9)
    z = posterior.sample(torch.Generator().manual_seed(3))
    order = torch.randperm(9, generator=torch.Generator().manual_seed(4))
    joint, marginals = aggregate_densities(posterior, z, 1000)
    turned = aggregate_densities(DiagonalNormal(posterior.mean[order], posterior.logvar[order]), z[order], 1000)
    torch.testing.assert_close(turned[0], joint[order])
    torch.testing.assert_close(turned[1], marginals[order])


@pytest.mark.parametrize(("batch", "images"), [(1200, 1200), (1200, 100_000)])
def test_the_parts_are_those_of_the_gaussian_closed_form(batch: int, images: int):
    found: dict[str, list[float]] = {}
    for seed in range(3):
        loss = TotalCorrelation(images=images)(terms_of(population(batch, seed), seed), 0.0)
        for name, part in loss.parts.items():
            found.setdefault(name, []).append(float(part.mean()))
    for name, wanted in (("mutual_information", MI), ("total_correlation", TC)):
        assert np.mean(found[name]) == pytest.approx(wanted, rel=0.05), name
    # What is left of the KL: within three standard errors of the samples.
    assert np.mean(found["dimension_wise"]) == pytest.approx(DIMENSION_WISE, abs=0.08) and DIMENSION_WISE > 0.3
    assert np.mean(found["kl"]) == pytest.approx(MI + TC + DIMENSION_WISE, rel=1e-9)


def test_the_loss_weighs_the_parts():
    terms = terms_of(random_posterior(8))
    loss = TotalCorrelation(beta=5.0, mutual_information=0.5, dimension_wise=2.0, images=40)(terms, 0.0)
    p = loss.parts
    torch.testing.assert_close(p["kl"], p["mutual_information"] + p["total_correlation"] + p["dimension_wise"])
    assert torch.equal(p["kl"], terms.kl["z"]) and torch.equal(p["reconstruction"], -terms.log_likelihood)
    wanted = 0.5 * p["mutual_information"] + 5.0 * p["total_correlation"] + 2.0 * p["dimension_wise"]
    torch.testing.assert_close(loss.total, p["reconstruction"] + wanted)


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_with_equal_weights_it_is_the_elbo(weight: float):
    terms = terms_of(random_posterior(8))
    loss = TotalCorrelation(beta=weight, mutual_information=weight, dimension_wise=weight, images=40)(terms, 0.0)
    torch.testing.assert_close(loss.total, ELBO(beta=weight)(terms, 0.0).total, rtol=0, atol=0)


def test_it_is_unbeaten_by_the_elbo_where_dimensions_are_independent():
    """A planted rotation: independent dimensions of unequal widths, turned by an angle; the loss is least at 0."""
    generator = np.random.default_rng(0)
    straight = generator.normal(size=(600, 2)) * [1.5, 0.5]

    def loss(angle: float, beta: float) -> float:
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        mean = torch.from_numpy(straight @ turn)
        terms = terms_of(DiagonalNormal(mean, torch.full_like(mean, -3)))
        return float(TotalCorrelation(beta=beta)(terms, 0.0).total.mean())

    angles = np.linspace(-0.8, 0.8, 9)
    high, equal = ([loss(angle, beta) for angle in angles] for beta in (10.0, 1.0))
    assert int(np.argmin(high)) == 4 and max(high) - min(high) > 3
    assert max(equal) - min(equal) < 1e-9


def test_the_weights_warm_up_together():
    objective = TotalCorrelation(beta=4.0, warmup_epochs=2.0)
    assert [objective.weight(epoch) for epoch in (0.0, 1.0, 2.0, 5.0, math.inf)] == [0.0, 0.5, 1.0, 1.0, 1.0]
    terms = terms_of(random_posterior(8))
    none, half, all_of_it = (objective(terms, epoch).total for epoch in (0.0, 1.0, math.inf))
    assert torch.equal(none, -terms.log_likelihood)
    torch.testing.assert_close(half, (none + all_of_it) / 2)
    assert TotalCorrelation().weight(0.0) == 1.0


def test_the_number_of_images_is_at_least_that_of_the_batch():
    terms = terms_of(random_posterior(8))
    unknown, few, all_there_are = (TotalCorrelation(images=n)(terms, 0.0).total for n in (0, 3, 8))
    assert torch.equal(unknown, all_there_are) and torch.equal(few, all_there_are)
    assert not torch.equal(all_there_are, TotalCorrelation(images=80)(terms, 0.0).total)


def test_an_image_alone_says_nothing_of_the_others():
    loss = TotalCorrelation(images=50)(terms_of(random_posterior(1)), 0.0)
    assert loss.parts["mutual_information"].tolist() == [0.0] and torch.isfinite(loss.total).all()


def test_auxiliary_terms_and_every_block_count():
    terms = terms_of(random_posterior(4))
    more = Terms(
        terms.log_likelihood,
        {"a": terms.kl["z"] / 2, "b": terms.kl["z"] / 2},
        {"extra": torch.full((4,), 7.0, dtype=torch.float64)},
        terms.code,
        terms.posterior,
    )
    plain, loss = (TotalCorrelation()(t, 0.0) for t in (terms, more))
    torch.testing.assert_close(loss.total, plain.total + 7)
    assert "extra" in loss.parts


def test_gradients_reach_every_weight_of_a_vae():
    torch.manual_seed(0)
    model = MODELS["vae"](ImageSpec(1, 4, 4), latent=3, network=MLP(hidden=(6,), activation="gelu")).build()
    x = torch.rand(10, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    objective = TotalCorrelation(images=100)
    assert objective.seen(x, generator) is x
    objective(model.terms(x, generator=generator), 0.0).total.mean().backward()
    gradients = [weight.grad for weight in model.parameters()]
    assert all(grad is not None and grad.isfinite().all() and grad.any() for grad in gradients)


def test_a_model_without_a_posterior_is_refused():
    model = MODELS["autoencoder"](ImageSpec(1, 4, 4), network=MLP(hidden=(6,))).build()
    with pytest.raises(CapabilityError, match=r"posterior has independent dimensions.*family 'vae'"):
        TotalCorrelation()(model.terms(torch.rand(3, 1, 4, 4)), 0.0)


@pytest.mark.parametrize("name", ["beta", "mutual_information", "dimension_wise", "warmup_epochs", "images"])
@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_weights_that_cannot_be(name: str, value: float):
    with pytest.raises(ValueError, match=f"{name}: expected 0 or more"):
        TotalCorrelation(**{name: value})
