"""A VAE written out in plain NumPy equals ours: encode, reparameterise, decode, BCE, KL, and the gradient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from latentlab.codec import ImageSpec
from latentlab.data.patterns import clean_patterns
from latentlab.models import VAE, VAEConfig
from latentlab.nn import MLP
from latentlab.objectives import ELBO

LATENT = 3
HIDDEN = (10, 7)
BETA = 0.7
SEED = 11
Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Passed:
    """What one forward pass gives: mean, logvar, z, pixel probabilities, and BCE and KL an image."""

    mean: np.ndarray
    logvar: np.ndarray
    z: np.ndarray
    probabilities: np.ndarray
    bce: np.ndarray
    kl: np.ndarray


def numpy_vae(weights: Weights, x: np.ndarray, noise: np.ndarray) -> Passed:
    """The textbook VAE, tanh between fully connected layers, float64."""

    def layer(name: str, values: np.ndarray) -> np.ndarray:
        return values @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    flat = x.reshape(len(x), -1)
    hidden = np.tanh(layer("encoder.3", np.tanh(layer("encoder.1", flat))))
    both = layer("to_posterior", hidden)
    mean, logvar = both[:, :LATENT], both[:, LATENT:]
    z = mean + np.exp(logvar / 2) * noise
    logits = layer("decoder.4", np.tanh(layer("decoder.2", np.tanh(layer("decoder.0", z)))))
    p = 1 / (1 + np.exp(-logits))
    bce = -(flat * np.log(p) + (1 - flat) * np.log(1 - p)).sum(axis=1)
    kl = -0.5 * (1 + logvar - mean**2 - np.exp(logvar)).sum(axis=1)
    return Passed(mean, logvar, z, p.reshape(x.shape), bce, kl)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """The fourteen patterns, and as many with grey noise: (28, 1, 4, 4)."""
    clean = clean_patterns().astype(np.float64)[:, None]
    return np.concatenate([clean, np.abs(clean - np.random.default_rng(0).random(clean.shape) * 0.4)])


@pytest.fixture(scope="module")
def model() -> VAE:
    torch.manual_seed(0)
    model = VAEConfig(ImageSpec(1, 4, 4), latent=LATENT, network=MLP(hidden=HIDDEN, activation="tanh")).build()
    return model.double()


def weights_of(model: VAE) -> Weights:
    return {name: tensor.detach().numpy().copy() for name, tensor in model.state_dict().items()}


def noise_of(count: int) -> torch.Tensor:
    """The ε that our model draws from a generator of this seed."""
    return torch.randn(count, LATENT, generator=torch.Generator().manual_seed(SEED), dtype=torch.float64)


def test_the_forward_pass_and_the_loss_are_those_of_plain_numpy(model: VAE, images: np.ndarray):
    noise = noise_of(len(images))
    expected = numpy_vae(weights_of(model), images, noise.numpy())
    x = torch.from_numpy(images)
    posterior = model.posterior(x)
    z = posterior.sample(torch.Generator().manual_seed(SEED))
    terms = model.terms(x, generator=torch.Generator().manual_seed(SEED))
    loss = ELBO(beta=BETA)(terms, epoch=0.0)
    ours = {
        "mean": model.encode(x), "logvar": posterior.logvar, "z": z, "probabilities": model.decode(z),
        "bce": -terms.log_likelihood, "kl": terms.kl["z"],
    }  # fmt: skip
    for name, tensor in ours.items():
        assert tensor.dtype == torch.float64
        np.testing.assert_allclose(tensor.detach().numpy(), getattr(expected, name), rtol=0, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(loss.total.detach().numpy(), expected.bce + BETA * expected.kl, rtol=0, atol=1e-9)
    np.testing.assert_allclose(loss.parts["reconstruction"].detach().numpy(), expected.bce, rtol=0, atol=1e-9)
    # The comparison is of something: images differ in their loss, and the latent is no mere noise.
    assert expected.bce.std() > 0.01 and expected.kl.min() > 1e-3


def test_the_gradient_is_that_of_central_differences_in_numpy(model: VAE, images: np.ndarray):
    noise = noise_of(len(images))
    model.zero_grad()
    terms = model.terms(torch.from_numpy(images), generator=torch.Generator().manual_seed(SEED))
    ELBO(beta=BETA)(terms, epoch=0.0).total.mean().backward()
    weights = weights_of(model)

    def loss() -> float:
        passed = numpy_vae(weights, images, noise.numpy())
        return float((passed.bce + BETA * passed.kl).mean())

    generator, step = np.random.default_rng(1), 1e-5
    for name, parameter in model.named_parameters():
        values, gradient = weights[name].reshape(-1), parameter.grad.numpy().reshape(-1)
        for index in generator.choice(values.size, size=3, replace=False):
            before = values[index]
            values[index] = before + step
            above = loss()
            values[index] = before - step
            below = loss()
            values[index] = before
            assert gradient[index] == pytest.approx((above - below) / (2 * step), rel=1e-6, abs=1e-8), (name, index)
        assert np.abs(gradient).max() > 1e-4, name


def test_single_precision_is_the_same_to_its_own_precision(model: VAE, images: np.ndarray):
    """What users run: float32 weights and images, compared in float64."""
    single = VAEConfig(model.image, latent=LATENT, network=model.config.network).build()
    single.load_state_dict(model.state_dict())
    x = torch.from_numpy(images.astype(np.float32))
    noise = torch.randn(len(x), LATENT, generator=torch.Generator().manual_seed(SEED)).double().numpy()
    terms = single.terms(x, generator=torch.Generator().manual_seed(SEED))
    expected = numpy_vae({k: v.astype(np.float64) for k, v in weights_of(single).items()}, images, noise)
    np.testing.assert_allclose(-terms.log_likelihood.detach().numpy(), expected.bce, rtol=1e-5)
    np.testing.assert_allclose(terms.kl["z"].detach().numpy(), expected.kl, rtol=1e-4)
