"""Plain convolutional encoders and decoders: one strided convolution a stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from latentlab.codec import ImageSpec
from latentlab.nn.activation import ActivationName, build_activation
from latentlab.nn.bound import MOST_STAGES, MOST_WIDTH, check_numbers, check_width
from latentlab.nn.pyramid import build_down, build_up, halvings


@dataclass(frozen=True)
class Conv:
    """Channels a stage, each stage halving the image; `hidden` is a fully connected layer at the end, 0 for none."""

    kind: Literal["conv"] = "conv"
    channels: tuple[int, ...] = (32, 64)
    hidden: int = 256
    activation: ActivationName = "relu"

    def __post_init__(self) -> None:
        check_numbers("channels", self.channels, least=1, most=MOST_WIDTH, lengths=range(1, MOST_STAGES + 1))
        check_width("hidden", self.hidden, least=0)

    def build_encoder(self, image: ImageSpec) -> tuple[nn.Module, int]:
        """Images (n, c, h, w) to features (n, width); returns the module and the width."""
        height, width = halvings(image, len(self.channels))[-1]
        layers: list[nn.Module] = []
        for before, after in zip((image.channels, *self.channels), self.channels, strict=False):
            layers += [build_down(before, after), build_activation(self.activation)]
        layers.append(nn.Flatten())
        features = self.channels[-1] * height * width
        if self.hidden:
            layers += [nn.Linear(features, self.hidden), build_activation(self.activation)]
        return nn.Sequential(*layers), self.hidden or features

    def build_decoder(self, latent: int, image: ImageSpec) -> nn.Module:
        """Latents (n, d) to unbounded outputs (n, c, h, w)."""
        sizes = halvings(image, len(self.channels))
        height, width = sizes[-1]
        layers: list[nn.Module] = []
        if self.hidden:
            layers += [nn.Linear(latent, self.hidden), build_activation(self.activation)]
        start = self.channels[-1]
        layers += [
            nn.Linear(self.hidden or latent, start * height * width),
            build_activation(self.activation),
            nn.Unflatten(1, (start, height, width)),
        ]
        upwards = (*reversed(self.channels[:-1]), image.channels)
        for before, after, target in zip(reversed(self.channels), upwards, reversed(sizes[:-1]), strict=True):
            layers += [build_up(before, after, target), build_activation(self.activation)]
        return nn.Sequential(*layers[:-1])
