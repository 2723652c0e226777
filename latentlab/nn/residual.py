"""Residual encoders and decoders without normalisation layers.

Batch statistics would make one image's latent depend on its neighbours while training, and cost more than
the convolutions on a CPU. Each block starts as the identity instead (its last convolution is zero), so that
depth does not hurt at the start: Zhang, Dauphin, Ma, "Fixup Initialization: Residual Learning Without
Normalization", 2019, arXiv:1901.09321; De, Smith, "Batch Normalization Biases Residual Blocks Towards the
Identity Function in Deep Networks", 2020, arXiv:2002.10444.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from latentlab.codec import ImageSpec
from latentlab.nn.activation import ActivationName, build_activation
from latentlab.nn.bound import MOST_BLOCKS, MOST_STAGES, MOST_WIDTH, check_numbers, check_width
from latentlab.nn.pyramid import build_down, build_up, halvings


class ResidualBlock(nn.Module):
    """x + f(x) with f two activated 3×3 convolutions, the second zero at the start."""

    def __init__(self, channels: int, activation: str) -> None:
        super().__init__()
        last = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        nn.init.zeros_(last.weight)
        if last.bias is not None:
            nn.init.zeros_(last.bias)
        self.body = nn.Sequential(
            build_activation(activation),
            nn.Conv2d(channels, channels, kernel_size=3, padding=1),
            build_activation(activation),
            last,
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return x + self.body(x)


@dataclass(frozen=True)
class Residual:
    """Stages that halve the image, each with residual blocks.

    Args:
        channels: the channels of each stage, from the image towards the latent.
        blocks: the residual blocks in each stage.
        hidden: a fully connected layer between the last stage and the latent, 0 for none.
        head: the channels at full resolution, before the decoder's last convolution.
    """

    kind: Literal["residual"] = "residual"
    channels: tuple[int, ...] = (32, 64)
    blocks: tuple[int, ...] = (1, 1)
    hidden: int = 256
    head: int = 32
    activation: ActivationName = "silu"

    def __post_init__(self) -> None:
        stages = range(1, MOST_STAGES + 1)
        check_numbers("channels", self.channels, least=1, most=MOST_WIDTH, lengths=stages)
        check_numbers("blocks", self.blocks, least=0, most=MOST_BLOCKS, lengths=stages)
        if len(self.blocks) != len(self.channels):
            raise ValueError(
                f"blocks: expected one number for each of the {len(self.channels)} stages, got {list(self.blocks)}"
            )
        check_width("hidden", self.hidden, least=0)
        check_width("head", self.head)

    def build_encoder(self, image: ImageSpec) -> tuple[nn.Module, int]:
        """Images (n, c, h, w) to features (n, width); returns the module and the width."""
        height, width = halvings(image, len(self.channels))[-1]
        layers: list[nn.Module] = []
        before = image.channels
        for after, count in zip(self.channels, self.blocks, strict=True):
            layers += [build_down(before, after)]
            layers += [ResidualBlock(after, self.activation) for _ in range(count)]
            layers += [build_activation(self.activation)]
            before = after
        layers.append(nn.Flatten())
        features = before * height * width
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
        before = self.channels[-1]
        layers += [nn.Linear(self.hidden or latent, before * height * width), nn.Unflatten(1, (before, height, width))]
        upwards = (*reversed(self.channels[:-1]), self.head)
        for count, after, target in zip(reversed(self.blocks), upwards, reversed(sizes[:-1]), strict=True):
            layers += [ResidualBlock(before, self.activation) for _ in range(count)]
            layers += [build_activation(self.activation), build_up(before, after, target)]
            before = after
        layers += [build_activation(self.activation), nn.Conv2d(before, image.channels, kernel_size=3, padding=1)]
        return nn.Sequential(*layers)
