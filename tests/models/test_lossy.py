"""The variational lossy autoencoder: exact sums over all small images, and a decoder that draws the same each time."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch

from latentlab.codec import ImageSpec
from latentlab.distributions import Bernoulli
from latentlab.errors import CapabilityError
from latentlab.evaluation.importance import score_importance
from latentlab.models.lossy import Flow, Lossy, LossyConfig
from latentlab.nn import MLP, Conv, Residual
from latentlab.nn.observation import Observation
from latentlab.nn.raster import Raster

SMALL = LossyConfig(
    ImageSpec(1, 2, 2),
    latent=2,
    network=MLP(hidden=(6,), activation="silu"),
    raster=Raster(kernel=3, inner=1, blocks=1, channels=6),
    prior=Flow(2, (8,)),
)


def build(config: LossyConfig = SMALL, spread: float = 0.7) -> Lossy:
    torch.manual_seed(0)
    model = config.build()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(spread * torch.randn(weight.shape))
    return model.double().requires_grad_(False).eval()


def seeded(seed: int = 2) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def latents(count: int, size: int = 2) -> torch.Tensor:
    return torch.randn(count, size, generator=seeded(1), dtype=torch.float64)


def all_images(image: ImageSpec) -> torch.Tensor:
    """Every black and white image there is, of shape (2 ** size, c, h, w)."""
    return torch.tensor(list(itertools.product([0.0, 1.0], repeat=image.size)), dtype=torch.float64).unflatten(
        1, image.shape
    )


@pytest.mark.parametrize("image", [ImageSpec(1, 2, 2), ImageSpec(1, 3, 3), ImageSpec(3, 1, 2)], ids=str)
@pytest.mark.parametrize("inner", [1, 3])
def test_the_probabilities_of_all_images_sum_to_one(image: ImageSpec, inner: int):
    raster = dataclasses.replace(SMALL.raster, inner=inner)
    model = build(dataclasses.replace(SMALL, image=image, raster=raster))
    images = all_images(image)
    for z in latents(3):
        score = model.likelihood(z.expand(len(images), 2)).log_prob(images)
        assert float(score.exp().sum()) == pytest.approx(1, abs=1e-12)
        # It is no product over pixels: which is what the window is for.
        marginal = (score.exp()[:, None] * images.flatten(1)).sum(dim=0)
        apart = Bernoulli(marginal.logit().unflatten(0, image.shape).expand_as(images)).log_prob(images)
        assert (score - apart).abs().max() > 0.05


def test_fills_come_as_often_as_they_are_probable():
    model = build()
    images = all_images(model.image)
    z = latents(1)
    score = model.likelihood(z.expand(16, 2)).log_prob(images).exp()
    drawn = model.fill(z.expand(20_000, 2), seeded())
    numbers = (drawn.flatten(1) * torch.tensor([8.0, 4.0, 2.0, 1.0])).sum(dim=1).long()
    found = numbers.bincount(minlength=16) / len(drawn)
    assert ((found - score).abs() < 4 * (score * (1 - score) / len(drawn)).sqrt() + 1e-9).all()


def test_a_fill_follows_its_seed():
    model = build()
    first, again, other = (model.fill(latents(50), seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert set(first.unique().tolist()) == {0.0, 1.0}


CONFIGS = [
    dataclasses.replace(SMALL, image=ImageSpec(1, 6, 5)),
    dataclasses.replace(
        SMALL,
        image=ImageSpec(3, 5, 4),
        raster=Raster(5, 3, 2, 6),
        network=Residual(channels=(4,), blocks=(1,), hidden=6),
    ),
    dataclasses.replace(
        SMALL, image=ImageSpec(1, 4, 7), network=Conv(channels=(4,), hidden=6), likelihood=Observation("gaussian", 0.2)
    ),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: str(config.image))
def test_decoding_has_no_chance_in_it(config: LossyConfig):
    model = build(config, 0.3)
    z = latents(7)
    picture = model.decode(z)
    assert torch.equal(picture, model.decode(z))
    torch.random.manual_seed(5)
    assert torch.equal(picture, model.decode(z))
    torch.testing.assert_close(torch.cat([model.decode(row[None]) for row in z]), picture)
    torch.testing.assert_close(torch.cat([model.decode(part) for part in z.split(3)]), picture)
    assert picture.min() >= 0 and picture.max() <= 1 and picture.std() > 0.01
    # Every pixel is the mean of its distribution, given the means of those before it.
    likelihood = model.likelihood(z)
    torch.testing.assert_close(likelihood.given(picture).mean, picture)
    assert torch.equal(likelihood.mean, picture)


def test_decoding_in_single_precision_is_equal_batch_by_batch():
    model = build(dataclasses.replace(SMALL, image=ImageSpec(1, 12, 12), raster=Raster(7, 1, 2, 16)), 0.2).float()
    z = 3 * latents(64).float()
    whole = model.decode(z)
    torch.testing.assert_close(torch.cat([model.decode(part) for part in z.split(9)]), whole, rtol=0, atol=1e-5)


def test_without_a_window_it_is_a_plain_decoder():
    """Where the pixels before do not matter, p(x|z) is a product over pixels and the picture its mean."""
    model = build(dataclasses.replace(SMALL, image=ImageSpec(1, 4, 4)))
    model.decoder.first.weight.zero_()
    z = latents(3)
    x = (torch.rand(3, 1, 4, 4, generator=seeded(), dtype=torch.float64) > 0.5).double()
    plain = model.likelihood(z).given(torch.zeros_like(x))
    torch.testing.assert_close(model.likelihood(z).log_prob(x), plain.log_prob(x))
    torch.testing.assert_close(model.decode(z), plain.mean)


@pytest.mark.parametrize("config", CONFIGS[:2], ids=lambda config: str(config.image))
def test_decoding_has_a_derivative(config: LossyConfig):
    """Through the pixels drawn before as well: geodesics and principal directions of the decoder need it."""
    model = build(config, 0.3)
    z, along = latents(2), torch.randn(2, 2, generator=seeded(3), dtype=torch.float64)
    wanted = (model.decode(z + 1e-5 * along) - model.decode(z - 1e-5 * along)) / 2e-5
    forward = torch.func.jvp(model.decode, (z,), (along,))[1]
    torch.testing.assert_close(forward, wanted, rtol=1e-4, atol=1e-7)
    moved = z.clone().requires_grad_()
    weights = torch.randn(wanted.shape, generator=seeded(4), dtype=torch.float64)
    (slope,) = torch.autograd.grad((weights * model.decode(moved)).sum(), moved)
    torch.testing.assert_close((slope * along).sum(), (weights * wanted).sum(), rtol=1e-4, atol=1e-7)


def test_the_kl_by_samples_is_the_closed_form_where_the_flow_is_the_identity():
    for steps in (0, 2):
        model = build(dataclasses.replace(SMALL, latent=3, prior=Flow(steps, (8,))))
        for step in model.flow.steps:
            step.layers[-1].weight.zero_()  # type: ignore[union-attr,operator,index]
            step.layers[-1].bias.zero_()  # type: ignore[union-attr,operator,index]
        for x in torch.rand(3, 1, 1, 2, 2, generator=seeded(), dtype=torch.float64):
            many = model.terms(x.expand(20_000, 1, 2, 2), generator=seeded())
            exact = model.posterior(x).kl_to_standard()[0]
            error = many.kl_dimensions.std(dim=0) / math.sqrt(20_000)
            assert ((many.kl_dimensions.mean(dim=0) - exact).abs() < 4 * error).all()
            total = many.kl["z"]
            assert abs(float(total.mean() - exact.sum())) < 4 * float(total.std()) / math.sqrt(len(total))


def test_the_terms_are_of_the_same_distributions():
    model = build()
    x = torch.rand(5, 1, 2, 2, generator=seeded(), dtype=torch.float64)
    terms = model.terms(x, generator=seeded())
    z = model.posterior(x).sample(seeded())
    assert torch.equal(terms.code, z) and list(terms.kl) == ["z"]
    torch.testing.assert_close(terms.log_likelihood, model.likelihood(z).log_prob(x))
    torch.testing.assert_close(terms.kl["z"], model.posterior(x).log_prob(z) - model.prior().log_prob(z))
    torch.testing.assert_close(terms.kl_dimensions.sum(dim=1), terms.kl["z"])
    # The encoder sees what it is given, the likelihood is of the image.
    other = 1 - x
    blind = model.terms(x, generator=seeded(), seen=other)
    z = model.posterior(other).sample(seeded())
    torch.testing.assert_close(blind.log_likelihood, model.likelihood(z).log_prob(x))


GRID = torch.linspace(-12, 12, 4001, dtype=torch.float64)[:, None]


def test_the_bound_meets_the_evidence():
    """With one latent dimension the evidence is an integral: the ELBO lies below it, IWAE comes to it."""
    model = build(dataclasses.replace(SMALL, latent=1, prior=Flow(1, ())), 0.5)
    x = all_images(model.image)[[0, 6, 11, 15]]
    # A posterior broad enough to be drawn from.
    model.to_posterior.weight.mul_(0.3)
    model.to_posterior.bias.copy_(torch.tensor([0.2, 1.5]))
    width = float(GRID[1] - GRID[0])
    prior = model.prior().log_prob(GRID)
    assert float(prior.exp().sum()) * width == pytest.approx(1, abs=1e-6)
    assert abs(float((prior.exp() * GRID[:, 0]).sum()) * width) > 0.1, "the prior is not the standard normal"
    joint = torch.stack([model.likelihood(GRID).log_prob(one.expand(len(GRID), 1, 2, 2)) + prior for one in x])
    evidence = torch.logsumexp(joint, dim=1) + math.log(width)
    for one, exact in zip(x, evidence.tolist(), strict=True):
        many = model.terms(one.expand(20_000, 1, 2, 2), generator=seeded())
        bound = many.log_likelihood - many.kl["z"]
        assert float(bound.mean()) < exact
    found = score_importance(model.float(), x.float().numpy(), samples=2_000)
    assert (np.abs(found.bound_nats - evidence.numpy()) < 4 * found.standard_error_nats + 1e-3).all()
    assert (found.standard_error_nats < 0.1).all()


def test_a_prior_sample_becomes_a_picture():
    model = build().float()
    z = model.prior().sample(4, seeded())
    assert z.shape == (4, 2) and torch.equal(z, model.prior().sample(4, seeded()))
    assert model.decode(z).shape == (4, 1, 2, 2)


def test_the_window_is_the_decoders():
    model = build(dataclasses.replace(SMALL, raster=Raster(5, 3, 2, 4)))
    assert model.window.shape == (5, 9) and not model.window[-1, 4:].any() and model.window[-1, :4].all()


def test_a_condition_is_refused():
    model = build()
    with pytest.raises(CapabilityError, match="expected no condition for the family 'lossy'"):
        model.fill(latents(2), condition=torch.zeros(2))


@pytest.mark.parametrize(
    ("options", "says"),
    [({"steps": -1}, "steps: expected numbers from 0"), ({"steps": 65}, "steps: "), ({"hidden": (0,)}, "hidden: ")],
)
def test_priors_that_it_refuses(options: dict, says: str):
    with pytest.raises(ValueError, match=says):
        Flow(**options)
