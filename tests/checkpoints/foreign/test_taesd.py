"""Tiny autoencoders, against their architecture written down again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from latentlab.checkpoints.foreign import Claims
from latentlab.checkpoints.foreign.open import open_foreign
from latentlab.errors import CapabilityError, FileFormatError


class Clamp(nn.Module):
    def forward(self, x):
        return torch.tanh(x / 3) * 3


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else nn.Identity()
        self.fuse = nn.ReLU()

    def forward(self, x):
        return self.fuse(self.conv(x) + self.skip(x))


def encoder(width: int, latent: int, blocks: int, stages: int, channels: int = 3) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), Block(width, width)]
    for _ in range(stages):
        layers.append(nn.Conv2d(width, width, 3, padding=1, stride=2, bias=False))
        layers += [Block(width, width) for _ in range(blocks)]
    return nn.Sequential(*layers, nn.Conv2d(width, latent, 3, padding=1))


def decoder(width: int, latent: int, blocks: int, stages: int, channels: int = 3) -> nn.Sequential:
    layers: list[nn.Module] = [Clamp(), nn.Conv2d(latent, width, 3, padding=1), nn.ReLU()]
    for _ in range(stages):
        layers += [Block(width, width) for _ in range(blocks)]
        layers += [nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1, bias=False)]
    return nn.Sequential(*layers, Block(width, width), nn.Conv2d(width, channels, 3, padding=1))


@pytest.fixture(params=[(8, 4, 3, 3), (5, 16, 1, 2), (6, 4, 2, 1)])
def pair(request, trained) -> tuple[nn.Module, nn.Module, int]:
    width, latent, blocks, stages = request.param
    torch.manual_seed(0)
    one, two = encoder(width, latent, blocks, stages), decoder(width, latent, blocks, stages)
    for module in (one, two):
        with torch.no_grad():
            for name, weight in module.named_parameters():
                weight.mul_(1.3 if name.endswith("weight") else 0.5)
    return one.eval(), two.eval(), 2**stages


@pytest.mark.parametrize("form", ["two .pth", "two .safetensors", "one file", "of diffusers"])
def test_a_pair_is_the_same_function(form: str, pair, tmp_path: Path, agree):
    one, two, factor = pair
    if form == "two .pth":
        # Names that say the opposite: what is in them decides.
        torch.save(one.state_dict(), tmp_path / "decoder.pth")
        torch.save(two.state_dict(), tmp_path / "encoder.pth")
    elif form == "two .safetensors":
        save_file(one.state_dict(), tmp_path / "a.safetensors")
        save_file(two.state_dict(), tmp_path / "b.safetensors")
    else:
        names = ("encoder.", "decoder.") if form == "one file" else ("encoder.layers.", "decoder.layers.")
        weights = {names[0] + name: tensor for name, tensor in one.state_dict().items()}
        for name, tensor in two.state_dict().items():
            number, _, rest = name.partition(".")
            weights[f"{names[1]}{int(number) - (form == 'of diffusers')}.{rest}"] = tensor
        save_file(weights, tmp_path / "tiny.safetensors")
    path = tmp_path if form.startswith("two") else tmp_path / "tiny.safetensors"
    opened, ours = open_foreign(path, Claims(image_size=(8, 16)))
    assert opened.origin == "taesd" and ours.config.latent[1:] == (8 // factor, 16 // factor)
    agree(ours, torch.rand(3, 3, 8, 16), lambda x: (one(x), None), lambda z: two(z).clamp(0, 1))
    assert ours.decode(ours.encode(torch.rand(2, 3, 8, 16))).shape == (2, 3, 8, 16)


def test_half_of_a_pair_is_refused_with_what_to_do(tmp_path: Path):
    torch.save(decoder(4, 4, 1, 1).state_dict(), tmp_path / "taesd_decoder.pth")
    with pytest.raises(FileFormatError, match="got no encoder; give a folder with both"):
        open_foreign(tmp_path / "taesd_decoder.pth")


def test_two_that_do_not_belong_together(tmp_path: Path):
    torch.save(encoder(4, 4, 1, 2).state_dict(), tmp_path / "a.pth")
    torch.save(decoder(4, 16, 1, 2).state_dict(), tmp_path / "b.pth")
    with pytest.raises(FileFormatError, match="do not belong together"):
        open_foreign(tmp_path)


def test_sides_that_it_cannot_take(tmp_path: Path):
    torch.save(encoder(4, 4, 1, 2).state_dict(), tmp_path / "a.pth")
    torch.save(decoder(4, 4, 1, 2).state_dict(), tmp_path / "b.pth")
    with pytest.raises(FileFormatError, match="sides that 4 divides"):
        open_foreign(tmp_path, Claims(image_size=(10, 8)))


def test_it_has_no_posterior(tmp_path: Path):
    torch.save(encoder(4, 4, 1, 1).state_dict(), tmp_path / "a.pth")
    torch.save(decoder(4, 4, 1, 1).state_dict(), tmp_path / "b.pth")
    opened, ours = open_foreign(tmp_path, Claims(image_size=(4, 4)))
    assert "no log-variance" in opened.warnings[0]
    with pytest.raises(CapabilityError):
        ours.prior()
