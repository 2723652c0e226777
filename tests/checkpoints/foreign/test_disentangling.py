"""Burgess' networks with interleaved heads, against their architecture written down again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from latentlab.checkpoints.foreign import Claims
from latentlab.checkpoints.foreign.open import open_foreign
from latentlab.errors import CapabilityError, FileFormatError


class Encoder(nn.Module):
    def __init__(self, channels: int, side: int, latent: int, hid: int, hidden: int) -> None:
        super().__init__()
        self.latent = latent
        self.conv1 = nn.Conv2d(channels, hid, 4, stride=2, padding=1)
        self.conv2 = nn.Conv2d(hid, hid, 4, stride=2, padding=1)
        self.conv3 = nn.Conv2d(hid, hid, 4, stride=2, padding=1)
        if side == 64:
            self.conv_64 = nn.Conv2d(hid, hid, 4, stride=2, padding=1)
        self.lin1 = nn.Linear(hid * 16, hidden)
        self.lin2 = nn.Linear(hidden, hidden)
        self.mu_logvar_gen = nn.Linear(hidden, 2 * latent)

    def forward(self, x):
        for name in ("conv1", "conv2", "conv3", "conv_64"):
            if hasattr(self, name):
                x = torch.relu(getattr(self, name)(x))
        x = torch.relu(self.lin2(torch.relu(self.lin1(x.flatten(1)))))
        return self.mu_logvar_gen(x).view(-1, self.latent, 2).unbind(-1)


class Decoder(nn.Module):
    def __init__(self, channels: int, side: int, latent: int, hid: int, hidden: int) -> None:
        super().__init__()
        self.hid = hid
        self.lin1 = nn.Linear(latent, hidden)
        self.lin2 = nn.Linear(hidden, hidden)
        self.lin3 = nn.Linear(hidden, hid * 16)
        if side == 64:
            self.convT_64 = nn.ConvTranspose2d(hid, hid, 4, stride=2, padding=1)
        self.convT1 = nn.ConvTranspose2d(hid, hid, 4, stride=2, padding=1)
        self.convT2 = nn.ConvTranspose2d(hid, hid, 4, stride=2, padding=1)
        self.convT3 = nn.ConvTranspose2d(hid, channels, 4, stride=2, padding=1)

    def forward(self, z):
        for name in ("lin1", "lin2", "lin3"):
            z = torch.relu(getattr(self, name)(z))
        z = z.view(-1, self.hid, 4, 4)
        for name in ("convT_64", "convT1", "convT2"):
            if hasattr(self, name):
                z = torch.relu(getattr(self, name)(z))
        return torch.sigmoid(self.convT3(z))


class Model(nn.Module):
    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(*sizes), Decoder(*sizes)


@pytest.fixture
def results(tmp_path: Path):
    """A results folder as that project leaves one."""

    def write(model: nn.Module, specs: dict | None) -> Path:
        torch.save(model.state_dict(), tmp_path / "model.pt", _use_new_zipfile_serialization=False)
        torch.save(model.state_dict(), tmp_path / "model-10.pt", _use_new_zipfile_serialization=False)
        (tmp_path / "train_losses.log").write_text("Epoch,Loss,Value\n")
        if specs is not None:
            (tmp_path / "specs.json").write_text(json.dumps(specs))
        return tmp_path

    return write


@pytest.mark.parametrize("sizes", [(1, 32, 10, 32, 256), (1, 64, 3, 6, 20), (3, 64, 12, 8, 30)])
def test_a_results_folder_is_the_same_function(sizes: tuple[int, ...], results, trained, agree):
    model = trained(Model(*sizes))
    channels, side, latent = sizes[:3]
    specs = {"dataset": "dsprites", "latent_dim": latent, "img_size": [channels, side, side], "model_type": "Burgess"}
    opened, ours = open_foreign(results(model, specs))
    assert ours.image.shape == (channels, side, side) and not opened.warnings
    assert any("dsprites" in line for line in opened.told)
    agree(ours, torch.rand(3, channels, side, side), model.encoder, model.decoder)


def test_weights_are_believed_before_specs(results, trained):
    opened, ours = open_foreign(results(trained(Model(1, 32, 4, 5, 6)), {"latent_dim": 9}), Claims())
    assert ours.latent.size == 4 and "latent_dim 9" in opened.warnings[0]


def test_what_it_has_no_layers_for(tmp_path: Path):
    weights = Model(1, 32, 4, 5, 6).state_dict()
    torch.save({**weights, "encoder.extra.weight": torch.zeros(3, 3)}, tmp_path / "model.pt")
    with pytest.raises(CapabilityError, match=r"encoder\.extra\.weight"):
        open_foreign(tmp_path)
    del weights["encoder.lin2.bias"], weights["encoder.lin2.weight"]
    torch.save(weights, tmp_path / "model.pt")
    with pytest.raises(FileFormatError, match=r"encoder\.lin2\.weight"):
        open_foreign(tmp_path)
