"""Convolutional networks between images and a grid of vectors: no layer that sees the whole image at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from latentlab.codec import ImageSpec
from latentlab.nn.activation import ActivationName, build_activation
from latentlab.nn.bound import MOST_BLOCKS, MOST_STAGES, MOST_WIDTH, check_numbers
from latentlab.nn.pyramid import Size, build_down, build_up, halvings
from latentlab.nn.residual import ResidualBlock


@dataclass(frozen=True)
class Grid:
    """Stages that halve the image, then residual blocks on the grid that is left; the decoder mirrors them.

    Args:
        channels: the channels of each stage, from the image towards the grid.
        blocks: the residual blocks of the encoder, and as many of the decoder.
    """

    kind: Literal["grid"] = "grid"
    channels: tuple[int, ...] = (32, 64)
    blocks: int = 2
    activation: ActivationName = "silu"

    def __post_init__(self) -> None:
        check_numbers("channels", self.channels, least=1, most=MOST_WIDTH, lengths=range(1, MOST_STAGES + 1))
        check_numbers("blocks", (self.blocks,), least=0, most=MOST_BLOCKS, lengths=range(1, 2))

    def size(self, image: ImageSpec) -> Size:
        """(h', w') of the grid.

        Raises:
            ValueError: when the image is too small to be halved so often.
        """
        return halvings(image, len(self.channels))[-1]

    def build_encoder(self, image: ImageSpec, dimension: int) -> nn.Module:
        """Images (n, c, h, w) to a grid of vectors (n, dimension, h', w')."""
        halvings(image, len(self.channels))
        layers: list[nn.Module] = []
        before = image.channels
        for after in self.channels:
            layers += [build_down(before, after), build_activation(self.activation)]
            before = after
        # Blocks begin with their own activation.
        layers = layers[:-1] if self.blocks else layers
        return nn.Sequential(*layers, *self._body(), nn.Conv2d(before, dimension, kernel_size=1))

    def build_decoder(self, dimension: int, image: ImageSpec) -> nn.Module:
        """A grid of vectors (n, dimension, h', w') to unbounded outputs (n, c, h, w)."""
        sizes = halvings(image, len(self.channels))
        layers: list[nn.Module] = [nn.Conv2d(dimension, self.channels[-1], kernel_size=3, padding=1), *self._body()]
        layers += [] if self.blocks else [build_activation(self.activation)]
        upwards = (*reversed(self.channels[:-1]), image.channels)
        for before, after, target in zip(reversed(self.channels), upwards, reversed(sizes[:-1]), strict=True):
            layers += [build_up(before, after, target), build_activation(self.activation)]
        return nn.Sequential(*layers[:-1])

    def _body(self) -> list[nn.Module]:
        blocks: list[nn.Module] = [ResidualBlock(self.channels[-1], self.activation) for _ in range(self.blocks)]
        return [*blocks, build_activation(self.activation)] if blocks else []
