"""A VAE with a learned mixture as prior; and that without one nothing has changed."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest
import torch

from latentlab import schema
from latentlab.checkpoints import read_checkpoint, read_header, write_checkpoint
from latentlab.codec import ImageSpec
from latentlab.distributions import StandardNormal
from latentlab.distributions.mixture import NormalMixture
from latentlab.models import VAE, ModelConfig, VAEConfig
from latentlab.nn import MLP

IMAGE = ImageSpec(1, 4, 4)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(**options: object) -> VAE:
    torch.manual_seed(0)
    return VAEConfig(IMAGE, latent=3, network=MLP(hidden=(8,)), **options).build().eval()


@pytest.fixture
def mixed() -> VAE:
    model = build(prior="mixture", components=4)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=seeded(1)))
    return model


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(6, 1, 4, 4, generator=seeded(2))


def test_the_configuration_of_a_standard_vae_says_nothing_of_priors():
    """It is in the hash of every checkpoint that was ever written."""
    plain = schema.plain(VAEConfig(IMAGE))
    assert list(plain) == ["image", "family", "latent", "network", "likelihood"]
    assert schema.plain(VAEConfig(IMAGE, prior="mixture"))["prior"] == "mixture"
    assert schema.plain(VAEConfig(IMAGE, prior="mixture", components=7))["components"] == 7
    # What files leave out must never change.
    assert (VAEConfig(IMAGE).prior, VAEConfig(IMAGE).components) == ("standard", 100)
    for config in (VAEConfig(IMAGE), VAEConfig(IMAGE, prior="mixture"), VAEConfig(IMAGE, components=7)):
        assert schema.read(ModelConfig, schema.plain(config)) == (config, [])


def test_a_standard_vae_has_the_bytes_that_it_had(tmp_path: Path):
    model = build()
    assert list(model.state_dict()) == [
        "encoder.1.weight", "encoder.1.bias", "to_posterior.weight", "to_posterior.bias",
        "decoder.0.weight", "decoder.0.bias", "decoder.2.weight", "decoder.2.bias",
    ]  # fmt: skip
    # The same random numbers are drawn for the same weights, and a mixture draws its own after them.
    for name, tensor in build(prior="mixture").state_dict().items():
        assert name.startswith("mixture.") or torch.equal(tensor, model.state_dict()[name])
    with torch.no_grad():
        for number, weight in enumerate(model.parameters()):
            weight.copy_(torch.arange(weight.numel()).reshape(weight.shape) / 64 - number)
    name = write_checkpoint(tmp_path / "m.safetensors", model, {})
    assert name == "0d1619aa323186b8d5f3ea99a1004af111b829e1ca020b958dc109c79218c6df"
    assert (
        hashlib.sha256((tmp_path / "m.safetensors").read_bytes()).hexdigest()
        == "dbfd063c91e16ac1595054c44c13754396b85f066a3ba61dadd185eebc04aeea"
    )
    assert isinstance(model.prior(), StandardNormal)


def test_the_prior_is_the_mixture_and_is_saved_with_the_rest(mixed: VAE, tmp_path: Path):
    prior = mixed.prior()
    assert isinstance(prior, NormalMixture) and prior.means.shape == (4, 3)
    write_checkpoint(tmp_path / "m.safetensors", mixed, {})
    assert read_header(tmp_path / "m.safetensors")["model"]["prior"] == "mixture"
    read = read_checkpoint(tmp_path / "m.safetensors").model
    assert read.config == mixed.config
    z = read.prior().sample(5, seeded())
    assert z.shape == (5, 3) and z.numpy().shape == (5, 3)
    assert torch.equal(z, prior.sample(5, seeded()))


def test_its_kl_is_at_the_sample_that_is_decoded(mixed: VAE, images: torch.Tensor):
    terms = mixed.terms(images, generator=seeded(3))
    posterior = mixed.posterior(images)
    z = posterior.sample(seeded(3))
    assert torch.equal(terms.code, z)
    torch.testing.assert_close(terms.kl["z"], posterior.log_prob(z) - mixed.prior().log_prob(z))
    torch.testing.assert_close(terms.log_likelihood, mixed.likelihood(z).log_prob(images))
    assert terms.kl_dimensions is None and terms.kl["z"].shape == (6,)


@torch.no_grad()
def test_its_bound_is_below_the_evidence_by_the_kl_to_the_true_posterior():
    torch.manual_seed(3)
    network = MLP(hidden=(6,), activation="tanh")
    config = VAEConfig(ImageSpec(1, 3, 3), latent=1, network=network, prior="mixture", components=3)
    model = config.build().double()
    grid = torch.linspace(-12, 12, 8001, dtype=torch.float64)[:, None]
    width = float(grid[1] - grid[0])
    assert float((model.prior().log_prob(grid).exp() * width).sum()) == pytest.approx(1, abs=1e-9)
    x = torch.rand(1, 1, 3, 3, generator=seeded(), dtype=torch.float64)
    joint = model.likelihood(grid).log_prob(x.expand(len(grid), 1, 3, 3)) + model.prior().log_prob(grid)
    evidence = float(torch.logsumexp(joint, 0)) + math.log(width)
    many = x.expand(20_000, 1, 3, 3)
    log_q = model.posterior(x.expand(len(grid), 1, 3, 3)).log_prob(grid)
    gap = float((log_q.exp() * width * (log_q - (joint - evidence))).sum())
    terms = model.terms(many, generator=seeded(1))
    drawn = terms.log_likelihood - terms.kl["z"]
    assert gap > 1e-3
    assert abs(float(drawn.mean()) - (evidence - gap)) < 4 * float(drawn.std()) / math.sqrt(len(drawn))


def test_gradients_reach_the_mixture(images: torch.Tensor):
    model = build(prior="mixture", components=4)
    terms = model.terms(images, generator=seeded())
    (terms.kl["z"].sum() - terms.log_likelihood.sum()).backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in model.parameters())


def test_a_mixture_without_components_is_refused():
    with pytest.raises(ValueError, match="components: expected 1 to"):
        VAEConfig(IMAGE, prior="mixture", components=0)
    config, problems = schema.read(VAEConfig, {**schema.plain(VAEConfig(IMAGE)), "prior": "mixtur"}, "model")
    assert config is None and problems == [
        "model.prior: expected standard or mixture, got 'mixtur'; did you mean mixture?"
    ]
