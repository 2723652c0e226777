"""Bare state dicts: written by small networks as tutorials have them, and read back as the same function."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from latentlab.checkpoints.foreign import Claims
from latentlab.checkpoints.foreign.open import open_foreign
from latentlab.errors import CapabilityError, FileFormatError


class Tutorial(nn.Module):
    """fc1, fc21, fc22, fc3, fc4."""

    def __init__(self, pixels: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(pixels, hidden)
        self.fc21 = nn.Linear(hidden, latent)
        self.fc22 = nn.Linear(hidden, latent)
        self.fc3 = nn.Linear(latent, hidden)
        self.fc4 = nn.Linear(hidden, pixels)

    def encode(self, x):
        h = F.relu(self.fc1(x.flatten(1)))
        return self.fc21(h), self.fc22(h)

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))


class Sequentials(nn.Module):
    """Sequential encoder and decoder with heads of these names."""

    def __init__(self, sizes: tuple[int, ...], latent: int, names: tuple[str, str], norm: bool = False) -> None:
        super().__init__()

        def stack(widths, last=None):
            layers: list[nn.Module] = []
            for i, o in itertools.pairwise(widths):
                layers += [nn.Linear(i, o), *([nn.BatchNorm1d(o)] if norm else []), nn.ReLU()]
            return nn.Sequential(*layers, *([last] if last else []))

        self.encoder = stack(sizes)
        self.names = names
        for name in names:
            setattr(self, name, nn.Linear(sizes[-1], latent))
        self.decoder = stack((latent, *sizes[:0:-1]), nn.Linear(sizes[1], sizes[0]))

    def encode(self, x):
        h = self.encoder(x.flatten(1))
        return tuple(getattr(self, name)(h) for name in self.names)

    def decode(self, z):
        return torch.sigmoid(self.decoder(z))


class Halves(nn.Module):
    """One last layer for mean and log-variance, `chunk`ed."""

    def __init__(self, pixels: int, latent: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, 30), nn.ReLU(), nn.Linear(30, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 30), nn.ReLU(), nn.Linear(30, pixels), nn.Sigmoid())

    def encode(self, x):
        return self.encoder(x.flatten(1)).chunk(2, dim=1)

    def decode(self, z):
        return self.decoder(z)


class Plain(nn.Module):
    """An autoencoder: no log-variance."""

    def __init__(self, pixels: int, latent: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, 30), nn.ReLU(), nn.Linear(30, latent))
        self.decoder = nn.Sequential(nn.Linear(latent, 30), nn.ReLU(), nn.Linear(30, pixels), nn.Sigmoid())

    def encode(self, x):
        return self.encoder(x.flatten(1)), None

    def decode(self, z):
        return self.decoder(z)


class Convolutions(nn.Module):
    """Convolutions of one kernel, and transposed ones back."""

    def __init__(self, side: int, channels: int, widths: tuple[int, ...], latent: int, hidden: int = 0) -> None:
        super().__init__()
        ends = (channels, *widths)
        self.conv = nn.ModuleList(nn.Conv2d(i, o, 4, 2, 1) for i, o in itertools.pairwise(ends))
        self.grid = (widths[-1], side // 2 ** len(widths), side // 2 ** len(widths))
        flat = widths[-1] * self.grid[1] ** 2
        self.enc_fc = nn.Linear(flat, hidden) if hidden else None
        self.fc_mu = nn.Linear(hidden or flat, latent)
        self.fc_logvar = nn.Linear(hidden or flat, latent)
        self.dec_fc = nn.Linear(latent, flat)
        back = ends[::-1]
        self.deconv = nn.ModuleList(nn.ConvTranspose2d(i, o, 4, 2, 1) for i, o in itertools.pairwise(back))

    def encode(self, x):
        for layer in self.conv:
            x = F.relu(layer(x))
        x = x.flatten(1)
        x = F.relu(self.enc_fc(x)) if self.enc_fc else x
        return self.fc_mu(x), self.fc_logvar(x)

    def decode(self, z):
        h = F.relu(self.dec_fc(z)).unflatten(1, self.grid)
        for layer in self.deconv[:-1]:
            h = F.relu(layer(h))
        return torch.sigmoid(self.deconv[-1](h))


class Digits(nn.Module):
    """Strided 3 × 3 convolutions with normalisations in Sequentials, for 28 × 28."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 12, 3, 2, 1),
            nn.BatchNorm2d(12),
            nn.ReLU(),
        )
        self.mu, self.log_var = nn.Linear(12 * 49, latent), nn.Linear(12 * 49, latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, 12 * 49),
            nn.ReLU(),
            nn.Unflatten(1, (12, 7, 7)),
            nn.ConvTranspose2d(12, 8, 3, 2, 1, output_padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 3, 2, 1, output_padding=1),
            nn.Sigmoid(),
        )

    def encode(self, x):
        h = self.encoder(x).flatten(1)
        return self.mu(h), self.log_var(h)

    def decode(self, z):
        return self.decoder(z)


class Enlarging(nn.Module):
    """A decoder that enlarges, then convolves."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3, 2, 1), nn.Conv2d(6, 10, 3, 2, 1)
        self.z_mean, self.z_log_var = nn.Linear(10 * 64, latent), nn.Linear(10 * 64, latent)
        self.decoder_fc = nn.Linear(latent, 10 * 64)
        self.decoder_conv1, self.decoder_conv2 = nn.Conv2d(10, 6, 3, padding=1), nn.Conv2d(6, 3, 3, padding=1)

    def encode(self, x):
        h = F.relu(self.conv2(F.relu(self.conv1(x)))).flatten(1)
        return self.z_mean(h), self.z_log_var(h)

    def decode(self, z):
        h = F.relu(self.decoder_fc(z)).unflatten(1, (10, 8, 8))
        h = F.relu(self.decoder_conv1(F.interpolate(h, scale_factor=2)))
        return torch.sigmoid(self.decoder_conv2(F.interpolate(h, scale_factor=2)))


CASES: dict[str, tuple[Callable[[], Any], tuple[int, int, int]]] = {
    "tutorial": (lambda: Tutorial(784, 400, 20), (1, 28, 28)),
    "tutorial of a square latent": (lambda: Tutorial(64, 9, 9), (1, 8, 8)),
    "tutorial in colour": (lambda: Tutorial(3 * 64, 17, 5), (3, 8, 8)),
    "mu, logvar": (lambda: Sequentials((784, 64, 32), 3, ("mu", "logvar")), (1, 28, 28)),
    "fc_mu, fc_logvar": (lambda: Sequentials((144, 20), 2, ("fc_mu", "fc_logvar")), (1, 12, 12)),
    "mean, log_var, deep": (
        lambda: Sequentials((144, 20, 18, 16, 14), 5, ("mean_layer", "log_var_layer")),
        (1, 12, 12),
    ),
    "z_mean, z_log_var, normed": (lambda: Sequentials((144, 20, 10), 2, ("z_mean", "z_log_var"), True), (1, 12, 12)),
    "fc_mean, fc_var": (lambda: Sequentials((27, 9), 4, ("fc_mean", "fc_var")), (3, 3, 3)),
    "halves": (lambda: Halves(100, 6), (1, 10, 10)),
    "autoencoder": (lambda: Plain(100, 6), (1, 10, 10)),
    "convolutions": (lambda: Convolutions(32, 3, (8, 12, 16), 7), (3, 32, 32)),
    "convolutions of digits": (lambda: Convolutions(28, 1, (6, 9), 4, hidden=11), (1, 28, 28)),
    "convolutions of 64": (lambda: Convolutions(64, 1, (4, 5, 6, 7), 3, hidden=8), (1, 64, 64)),
    "strided": (lambda: Digits(5), (1, 28, 28)),
    "enlarging": (lambda: Enlarging(5), (3, 32, 32)),
}


@pytest.fixture(params=CASES)
def case(request, trained) -> tuple[Any, tuple[int, int, int]]:
    make, shape = CASES[request.param]
    torch.manual_seed(0)
    return trained(make()), shape


@pytest.mark.parametrize("form", ["zip", "legacy", "wrapped", "safetensors", "data parallel"])
def test_it_is_the_same_function(form: str, case, saved, agree, tmp_path: Path):
    model, shape = case
    weights = model.state_dict()
    if form == "safetensors":
        path = tmp_path / "weights.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, path)
    elif form == "data parallel":
        path = saved({"module." + name: tensor for name, tensor in weights.items()}, "weights.pth")
    elif form == "wrapped":
        path = saved({"epoch": 3, "model_state_dict": weights, "optimizer_state_dict": {"state": {}}}, "weights.pth")
    else:
        path = saved(weights, "weights.pth", _use_new_zipfile_serialization=form == "zip")
    opened, ours = open_foreign(path, Claims(image_size=shape[1:]))
    assert ours.image.shape == shape and opened.origin == "state dict"
    agree(ours, torch.rand(4, *shape), model.encode, model.decode)


def test_the_size_is_told_where_it_is_square(saved, trained):
    opened, ours = open_foreign(saved(trained(Tutorial(784, 40, 20)).state_dict()))
    assert ours.image.shape == (1, 28, 28)
    assert {fact.name for fact in opened.missing} >= {"image size", "pixel range", "activation", "output"}
    assert any("fc21 and fc22" in line for line in opened.told)


def test_another_activation_and_range(saved, trained):
    model = trained(Sequentials((144, 20), 2, ("mu", "logvar")))
    path = saved(model.state_dict())
    _, ours = open_foreign(path, Claims(activation="tanh", output="tanh", range="signed"))
    x = torch.rand(3, 1, 12, 12)
    h = torch.tanh(model.encoder[0]((2 * x - 1).flatten(1)))
    torch.testing.assert_close(ours.encode(x), model.mu(h))
    z = torch.randn(3, 2)
    pixels = torch.tanh(model.decoder[2](torch.tanh(model.decoder[0](z)))).reshape(3, 1, 12, 12)
    torch.testing.assert_close(ours.decode(z), (pixels + 1) / 2)


def test_log_sigma_is_doubled(saved, trained):
    model = trained(Sequentials((144, 20), 2, ("mu", "log_sigma")))
    _, ours = open_foreign(saved(model.state_dict()))
    x = torch.rand(3, 1, 12, 12)
    torch.testing.assert_close(ours.posterior(x).logvar, 2 * model.encode(x)[1])


def test_a_spread_of_no_known_kind_is_left_out(saved, trained):
    opened, ours = open_foreign(saved(trained(Sequentials((144, 20), 2, ("mu", "sigma"))).state_dict()), Claims())
    assert any("neither" in line or "no name says" in line for line in opened.warnings)
    with pytest.raises(CapabilityError):
        ours.posterior(torch.rand(1, 1, 12, 12))


class Conditional(nn.Module):
    def __init__(self, encoder: int = 10, decoder: int = 10) -> None:
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(784 + encoder, 40), nn.Linear(40, 5), nn.Linear(40, 5)
        self.fc3, self.fc4 = nn.Linear(5 + decoder, 40), nn.Linear(40, 784)


@pytest.mark.parametrize("encoder", [0, 10])
def test_a_condition_is_found_from_the_widths(saved, encoder: int):
    opened, ours = open_foreign(saved(Conditional(encoder).state_dict()))
    assert ours.condition is not None and ours.condition.names == tuple("0123456789")
    assert ours.image.shape == (1, 28, 28) and ours.latent.size == 15
    assert "10 classes" in next(fact.taken for fact in opened.missing if fact.name == "condition")


@pytest.mark.parametrize(("encoder", "decoder"), [(10, 0), (9, 10), (1, 1)])
def test_widths_that_no_condition_explains(saved, encoder: int, decoder: int):
    with pytest.raises(FileFormatError, match=f"got {encoder} and {decoder} more; give --loader"):
        open_foreign(saved(Conditional(encoder, decoder).state_dict()))


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "transformer": (lambda: nn.TransformerEncoderLayer(8, 2).state_dict(), "expected one of pythae"),
    "classifier": (lambda: nn.Sequential(nn.Linear(784, 30), nn.ReLU(), nn.Linear(30, 10)).state_dict(), "give"),
    "not square": (lambda: Tutorial(770, 20, 3).state_dict(), "give --image-size"),
    "broken chain": (lambda: {**Tutorial(784, 20, 3).state_dict(), "fc3.weight": torch.zeros(21, 3)}, "to take 21"),
    "one missing": (
        lambda: {k: v for k, v in Tutorial(784, 20, 3).state_dict().items() if k != "fc3.weight"},
        "expected one of pythae",
    ),
    "empty": (dict, "holds no weights"),
    "numbers": (lambda: {"a": 1, "b": [1, 2]}, "holds no weights"),
    "one tensor": (lambda: torch.zeros(3), "holds one tensor"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str, saved):
    make, says = REFUSED[name]
    with pytest.raises((FileFormatError, CapabilityError), match=says) as caught:
        open_foreign(saved(make()))
    assert "\n" not in str(caught.value)
