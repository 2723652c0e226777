from __future__ import annotations

import math

import pytest
import torch

from latentlab.codec import ImageSpec, Terms
from latentlab.models import MODELS
from latentlab.nn import MLP
from latentlab.objectives import ELBO, Denoising

# Values that no corruption puts there.
CLEAN = 0.25 + 0.5 * torch.rand(40, 3, 20, 20, generator=torch.Generator().manual_seed(0))
NOISES = ["mask", "gaussian", "salt-and-pepper"]


def seen(noise: str, amount: float, x: torch.Tensor = CLEAN, seed: int = 1) -> torch.Tensor:
    return Denoising(noise=noise, amount=amount).seen(x, torch.Generator().manual_seed(seed))  # type: ignore[arg-type]


@pytest.mark.parametrize("amount", [0.1, 0.6])
def test_a_mask_puts_its_share_of_pixels_to_0(amount: float):
    hit = seen("mask", amount) != CLEAN
    assert (seen("mask", amount)[hit] == 0).all()
    assert float(hit.float().mean()) == pytest.approx(amount, abs=0.015)
    # A pixel is hit in all its colours or in none, and each image in pixels of its own.
    assert torch.equal(hit.any(dim=1), hit.all(dim=1))
    assert not torch.equal(hit[0], hit[1])


@pytest.mark.parametrize("amount", [0.1, 0.6])
def test_salt_and_pepper_come_half_and_half(amount: float):
    found = seen("salt-and-pepper", amount)
    hit = found != CLEAN
    assert float((found == 1).float().mean()) == pytest.approx(amount / 2, abs=0.012)
    assert float((found == 0).float().mean()) == pytest.approx(amount / 2, abs=0.012)
    assert ((found == 0) | (found == 1) | ~hit).all()
    assert torch.equal(hit.any(dim=1), hit.all(dim=1))


def test_gaussian_noise_has_its_deviation_and_is_held_to_the_range():
    noise = seen("gaussian", 0.05) - CLEAN
    assert float(noise.std()) == pytest.approx(0.05, rel=0.02) and abs(float(noise.mean())) < 0.001
    # Each colour has noise of its own.
    assert abs(float(torch.corrcoef(noise.transpose(0, 1).flatten(1))[0, 1])) < 0.05
    wild = seen("gaussian", 3.0)
    assert float(wild.min()) == 0 and float(wild.max()) == 1


@pytest.mark.parametrize("noise", NOISES)
def test_the_seed_decides_and_the_image_is_left_alone(noise: str):
    before = CLEAN.clone()
    assert torch.equal(seen(noise, 0.3), seen(noise, 0.3))
    assert not torch.equal(seen(noise, 0.3), seen(noise, 0.3, seed=2))
    assert torch.equal(CLEAN, before)
    for x in (CLEAN.double(), CLEAN[:, :1], CLEAN.contiguous(memory_format=torch.channels_last)):
        found = seen(noise, 0.3, x)
        assert found.dtype == x.dtype and found.shape == x.shape
    # What is hit does not depend on how the images lie in memory.
    assert torch.equal(seen(noise, 0.3, CLEAN.contiguous(memory_format=torch.channels_last)), seen(noise, 0.3))


def test_the_loss_is_of_the_clean_image():
    torch.manual_seed(0)
    model = MODELS["autoencoder"](ImageSpec(3, 20, 20), latent=4, network=MLP(hidden=(6,))).build()
    objective = Denoising(amount=0.5)
    with torch.no_grad():
        corrupted = objective.seen(CLEAN, torch.Generator().manual_seed(1))
        loss = objective(model.terms(CLEAN, seen=corrupted), 0.0)
        wanted = -model.likelihood(model.encode(corrupted)).log_prob(CLEAN)
    assert torch.equal(loss.total, wanted) and torch.equal(loss.parts["reconstruction"], wanted)


def test_a_vae_pays_for_its_latent():
    kl = torch.tensor([1.0, 2.0])
    terms = Terms(torch.tensor([-3.0, -5.0]), {"z": kl}, {"extra": kl})
    loss = Denoising(beta=0.5)(terms, 0.0)
    assert torch.equal(loss.total, ELBO(beta=0.5)(terms, 0.0).total) and loss.total.tolist() == [4.5, 8.0]
    assert list(loss.parts) == ["reconstruction", "kl", "extra"]


def test_training_with_noise_takes_noise_away(denoised: dict[str, float]):
    """On digits with a third of their pixels gone, next to the same autoencoder trained without noise."""
    assert denoised["denoising"] < 0.85 * denoised["plain"]
    assert denoised["denoising"] < 0.6 * denoised["untouched"]


@pytest.fixture(scope="module")
def denoised() -> dict[str, float]:
    """Mean square errors of what two autoencoders make of masked digits, and of the masked digits themselves."""
    from latentlab.data import load_data
    from latentlab.objectives import Reconstruction

    x, held_out = (torch.from_numpy(load_data("digits", split=split).images) for split in ("train", "test"))
    masked = seen("mask", 1 / 3, held_out)
    errors = {"untouched": float(((masked - held_out) ** 2).mean())}
    for name, objective in (("plain", Reconstruction()), ("denoising", Denoising(amount=1 / 3))):
        torch.manual_seed(0)
        model = MODELS["autoencoder"](ImageSpec(1, 8, 8), latent=16, network=MLP(hidden=(64,))).build()
        optimizer, generator = torch.optim.Adam(model.parameters(), 3e-3), torch.Generator().manual_seed(0)
        for _ in range(20):
            for rows in torch.randperm(len(x), generator=generator).split(64):
                batch = x[rows]
                loss = objective(model.terms(batch, seen=objective.seen(batch, generator)), 0.0).total.mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        with torch.no_grad():
            errors[name] = float(((model.decode(model.encode(masked)) - held_out) ** 2).mean())
    return errors


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"amount": 0.0}, "amount: expected a share of the pixels between 0 and 1, got 0"),
        ({"amount": 1.0}, "amount: expected a share"),
        ({"noise": "salt-and-pepper", "amount": 1.5}, "amount: expected a share"),
        ({"noise": "gaussian", "amount": 0.0}, "amount: expected a standard deviation above 0"),
        ({"noise": "gaussian", "amount": math.inf}, "amount: expected a standard deviation"),
        ({"amount": math.nan}, "amount: expected"),
        ({"beta": -1.0}, "beta: expected 0 or more"),
        ({"beta": math.inf}, "beta: expected 0 or more"),
    ],
)
def test_settings_that_cannot_be(options: dict, says: str):
    with pytest.raises(ValueError, match=says):
        Denoising(**options)


def test_gaussian_noise_may_be_larger_than_the_range():
    assert Denoising(noise="gaussian", amount=2.0).amount == 2.0
