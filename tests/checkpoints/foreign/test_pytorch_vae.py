"""PyTorch-VAE's VanillaVAE, against its architecture written down again."""

from __future__ import annotations

import itertools
from collections import OrderedDict

import pytest
import torch
from torch import nn

from latentlab.checkpoints.foreign import Claims
from latentlab.checkpoints.foreign.open import open_foreign
from latentlab.errors import CapabilityError


class Vanilla(nn.Module):
    def __init__(self, channels: int, latent: int, widths: tuple[int, ...], start: int) -> None:
        super().__init__()
        ends = (channels, *widths)
        self.start = start
        self.encoder = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(i, o, 3, stride=2, padding=1), nn.BatchNorm2d(o), nn.LeakyReLU())
                for i, o in itertools.pairwise(ends)
            )
        )
        self.fc_mu = nn.Linear(widths[-1] * start**2, latent)
        self.fc_var = nn.Linear(widths[-1] * start**2, latent)
        self.decoder_input = nn.Linear(latent, widths[-1] * start**2)
        back = widths[::-1]
        self.decoder = nn.Sequential(*(self.up(i, o) for i, o in itertools.pairwise(back)))
        self.final_layer = nn.Sequential(
            *self.up(back[-1], back[-1]), nn.Conv2d(back[-1], channels, 3, padding=1), nn.Tanh()
        )

    def up(self, inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(
            nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(),
        )

    def encode(self, x):
        h = self.encoder(x).flatten(1)
        return self.fc_mu(h), self.fc_var(h)

    def decode(self, z):
        h = self.decoder_input(z)
        h = h.view(len(z), -1, self.start, self.start)
        return self.final_layer(self.decoder(h))


class EarlyStopping:
    """Stands for an object of the trainer's own, whose class is not there when the file is opened."""

    def __init__(self) -> None:
        self.patience = 3


def lightning(model: nn.Module) -> dict[str, object]:
    return {
        "epoch": 4,
        "global_step": 100,
        "pytorch-lightning_version": "1.5.6",
        "state_dict": OrderedDict((f"model.{name}", tensor) for name, tensor in model.state_dict().items()),
        "callbacks": {EarlyStopping: EarlyStopping()},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(3)}}}],
        "lr_schedulers": [],
        "hyper_parameters": {"LR": 0.005, "kld_weight": 0.00025},
    }


@pytest.mark.parametrize(
    ("channels", "latent", "widths", "start"), [(3, 7, (4, 5, 6, 7, 8), 2), (1, 3, (6, 5), 3), (3, 2, (4,), 8)]
)
def test_a_lightning_checkpoint_is_the_same_function(channels, latent, widths, start, saved, trained, agree):
    model = trained(Vanilla(channels, latent, widths, start))
    side = start * 2 ** len(widths)
    opened, ours = open_foreign(saved(lightning(model), "last.ckpt"))
    assert opened.origin == "PyTorch-VAE" and ours.image.shape == (channels, side, side)
    x = torch.rand(3, channels, side, side)
    agree(ours, x, model.encode, lambda z: model.decode(z).clamp(0, 1))
    _, signed = open_foreign(saved(model.state_dict(), "bare.pt"), Claims(range="signed"))
    agree(signed, x, lambda x: model.encode(2 * x - 1), lambda z: (model.decode(z) + 1) / 2)


def test_another_of_its_models_is_refused(saved):
    weights = Vanilla(3, 2, (4, 5), 2).state_dict()
    with pytest.raises(CapabilityError, match=r"embed_class\.weight"):
        open_foreign(saved({**weights, "embed_class.weight": torch.zeros(16, 10)}))
