"""Convolutions that see only what comes before a pixel in reading order: the rows above, and what is left of it.

A masked kernel keeps the weights that it may use and no others: what would look ahead does not exist. So the
receptive field of a stack of them is known from its kernels alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from latentlab.nn.activation import build_activation

Offset = tuple[int, int]


def seen_offsets(kernel: int, centre: bool) -> list[Offset]:
    """What a masked kernel sees, as (rows, columns) from its pixel, in reading order.

    Args:
        kernel: the side of the square that the kernel is cut from, odd.
        centre: whether it sees the pixel itself, as every layer but the first may.

    >>> seen_offsets(3, centre=False)
    [(-1, -1), (-1, 0), (-1, 1), (0, -1)]
    """
    reach = kernel // 2
    square = [(row, column) for row in range(-reach, 1) for column in range(-reach, reach + 1)]
    return square[: reach * kernel + reach + centre]


def seen_window(layers: Sequence[Sequence[Offset]]) -> Bool[Tensor, "rows columns"]:
    """What a pixel sees through layers of masked kernels, one after another.

    Args:
        layers: the offsets that each sees.

    Returns:
        True where a pixel is seen. The pixel that looks stands in the middle of the last row; there are as many rows
        above it, and columns on either side, as the layers reach together.
    """
    seen: set[Offset] = {(0, 0)}
    for offsets in layers:
        seen = {(row + down, column + right) for row, column in seen for down, right in offsets}
    reach = sum(max(max(-row, abs(column)) for row, column in offsets) for offsets in layers)
    window = torch.zeros(reach + 1, 2 * reach + 1, dtype=torch.bool)
    for row, column in seen:
        window[reach + row, reach + column] = True
    return window


class MaskedConv2d(nn.Module):
    """A convolution of which only the weights before the pixel exist (A), or those and its own (B).

    y[i, j] = b + Σ W[:, :, t] x[i + rowₜ, j + columnₜ] over the offsets t of `seen_offsets`; zeros stand outside.

    References:
        A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu, "Pixel Recurrent Neural Networks", 2016, arXiv:1601.06759.
    """

    def __init__(self, before: int, after: int, kernel: int, centre: bool) -> None:
        super().__init__()
        self.kernel = kernel
        self.offsets = seen_offsets(kernel, centre)
        self.weight = nn.Parameter(torch.empty(after, before, len(self.offsets)))
        self.bias = nn.Parameter(torch.zeros(after))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    @property
    def reach(self) -> int:
        """How many rows up, and columns to either side, it sees."""
        return self.kernel // 2

    def forward(self, x: Float[Tensor, "n before h w"]) -> Float[Tensor, "n after h w"]:
        """All pixels at once."""
        rows, columns = self.reach + 1, self.kernel
        weight = F.pad(self.weight, (0, rows * columns - len(self.offsets))).unflatten(2, (rows, columns))
        return F.conv2d(F.pad(x, (self.reach, self.reach, self.reach, 0)), weight, self.bias)

    def at(self, seen: Float[Tensor, "m features"]) -> Float[Tensor, "m after"]:
        """Single pixels, given what each sees: its offsets one after another, with all channels of each."""
        return F.linear(seen, self.weight.transpose(1, 2).flatten(1), self.bias)


class GatedBlock(nn.Module):
    """h + W (a ⊙ sigmoid(b)) with a and b masked convolutions of activation(h): one residual step.

    Args:
        channels: of h.
        kernel: of the masked convolutions; 1 sees the pixel's own features alone.
        activation: its name.

    References:
        A. van den Oord et al., "Conditional Image Generation with PixelCNN Decoders", 2016, arXiv:1606.05328 (gates);
        T. Salimans et al., "PixelCNN++", 2017, arXiv:1701.05517 (in residual blocks, with a linear a).
    """

    def __init__(self, channels: int, kernel: int, activation: str) -> None:
        super().__init__()
        self.activation = build_activation(activation)
        # Two convolutions: to cut one in halves costs more than it, channels last in bfloat16.
        self.content = MaskedConv2d(channels, channels, kernel, centre=True)
        self.gate = MaskedConv2d(channels, channels, kernel, centre=True)
        self.mix = nn.Conv2d(channels, channels, kernel_size=1)

    def forward(self, h: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """All pixels at once."""
        given = self.activation(h)
        return h + self.mix(self.content(given) * torch.sigmoid(self.gate(given)))

    def at(self, h: Float[Tensor, "m c"], seen: Float[Tensor, "m features"]) -> Float[Tensor, "m c"]:
        """Single pixels: `seen` is activation(h) at what the kernel sees."""
        gated = self.content.at(seen) * torch.sigmoid(self.gate.at(seen))
        return h + F.linear(gated, self.mix.weight.flatten(1), self.mix.bias)
