"""Fully connected encoders and decoders: any image size."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

from torch import nn

from latentlab.codec import ImageSpec
from latentlab.nn.activation import ActivationName, build_activation
from latentlab.nn.bound import MOST_LAYERS, MOST_WIDTH, check_numbers


@dataclass(frozen=True)
class MLP:
    """Hidden widths from the image towards the latent; the decoder mirrors them.

    `hidden = []` is a linear encoder and decoder.
    """

    kind: Literal["mlp"] = "mlp"
    hidden: tuple[int, ...] = (400,)
    activation: ActivationName = "relu"

    def __post_init__(self) -> None:
        check_numbers("hidden", self.hidden, least=1, most=MOST_WIDTH, lengths=range(MOST_LAYERS + 1))

    def build_encoder(self, image: ImageSpec) -> tuple[nn.Module, int]:
        """Images (n, c, h, w) to features (n, width); returns the module and the width."""
        widths = (image.size, *self.hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), build_activation(self.activation)]
        return nn.Sequential(*layers), widths[-1]

    def build_decoder(self, latent: int, image: ImageSpec) -> nn.Module:
        """Latents (n, d) to unbounded outputs (n, c, h, w)."""
        widths = (latent, *reversed(self.hidden))
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), build_activation(self.activation)]
        layers += [nn.Linear(widths[-1], image.size), nn.Unflatten(1, image.shape)]
        return nn.Sequential(*layers)
