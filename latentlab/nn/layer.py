"""Networks that are written down layer by layer: what somebody else's weights are read into.

Every architecture that latentlab opens without its author's code is a list of these layers. A list is data: it stands
in a checkpoint's header, is checked like everything else there, and builds a module whose weights have plain names.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentlab.nn.activation import ActivationName, build_activation
from latentlab.nn.bound import MOST_SIDE, MOST_WIDTH, check_numbers, check_width

MOST_KERNEL, MOST_DEPTH, MOST_LISTED = 63, 4, 512


@dataclass(frozen=True)
class LinearLayer:
    """y = Wx + b over the last dimension."""

    kind: Literal["linear"] = "linear"
    inputs: int = 1
    outputs: int = 1
    bias: bool = True

    def __post_init__(self) -> None:
        # A flattened image may be wider than any layer that is trained here.
        check_numbers("inputs", (self.inputs,), least=1, most=MOST_WIDTH * 16, lengths=range(1, 2))
        check_numbers("outputs", (self.outputs,), least=1, most=MOST_WIDTH * 16, lengths=range(1, 2))

    def build(self) -> nn.Module:
        return nn.Linear(self.inputs, self.outputs, bias=self.bias)


@dataclass(frozen=True)
class ConvLayer:
    """A convolution, or a transposed one; square kernels."""

    kind: Literal["conv"] = "conv"
    inputs: int = 1
    outputs: int = 1
    kernel: int = 3
    stride: int = 1
    padding: int = 0
    transposed: bool = False
    output_padding: int = 0
    bias: bool = True

    def __post_init__(self) -> None:
        check_width("inputs", self.inputs)
        check_width("outputs", self.outputs)
        check_numbers("kernel, stride", (self.kernel, self.stride), least=1, most=MOST_KERNEL, lengths=range(2, 3))
        pads = (self.padding, self.output_padding)
        check_numbers("padding, output_padding", pads, least=0, most=MOST_KERNEL, lengths=range(2, 3))
        if self.output_padding and not (self.transposed and self.output_padding < self.stride):
            raise ValueError("output_padding: expected less than the stride of a transposed convolution")

    def build(self) -> nn.Module:
        sizes = (self.inputs, self.outputs, self.kernel, self.stride, self.padding)
        if self.transposed:
            return nn.ConvTranspose2d(*sizes, output_padding=self.output_padding, bias=self.bias)
        return nn.Conv2d(*sizes, bias=self.bias)


@dataclass(frozen=True)
class NormLayer:
    """Normalisation over a batch (1 or 2 dimensions, by what it gets) or over groups of channels."""

    kind: Literal["norm"] = "norm"
    over: Literal["batch", "group"] = "batch"
    channels: int = 1
    groups: int = 32
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        check_width("channels", self.channels)
        if not 0 < self.epsilon < 1:
            raise ValueError(f"epsilon: expected a number between 0 and 1, got {self.epsilon}")
        if self.over == "group" and (self.groups < 1 or self.channels % self.groups):
            raise ValueError(f"groups: expected a divisor of {self.channels}, got {self.groups}")

    def build(self) -> nn.Module:
        if self.over == "group":
            return nn.GroupNorm(self.groups, self.channels, eps=self.epsilon)
        return BatchNorm(self.channels, self.epsilon)


@dataclass(frozen=True)
class ActivationLayer:
    """An activation by name; `slope` is that of a leaky rectifier."""

    kind: Literal["activation"] = "activation"
    name: ActivationName = "relu"
    slope: float = 0.01

    def __post_init__(self) -> None:
        if not math.isfinite(self.slope):
            raise ValueError(f"slope: expected a finite number, got {self.slope}")

    def build(self) -> nn.Module:
        return nn.LeakyReLU(self.slope) if self.name == "leaky-relu" else build_activation(self.name)


@dataclass(frozen=True)
class SqueezeLayer:
    """y = a tanh(x / a): keeps latents in (−a, a)."""

    kind: Literal["squeeze"] = "squeeze"
    limit: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.limit < math.inf:
            raise ValueError(f"limit: expected a number above 0, got {self.limit}")

    def build(self) -> nn.Module:
        return Squeeze(self.limit)


@dataclass(frozen=True)
class ShapeLayer:
    """Each value gets this shape; one of a single number flattens."""

    kind: Literal["shape"] = "shape"
    shape: tuple[int, ...] = (-1,)

    def __post_init__(self) -> None:
        if self.shape != (-1,):
            check_numbers("shape", self.shape, least=1, most=MOST_WIDTH * 16, lengths=range(1, 4))

    def build(self) -> nn.Module:
        return nn.Flatten() if self.shape == (-1,) else nn.Unflatten(1, self.shape)


@dataclass(frozen=True)
class ResizeLayer:
    """Each pixel becomes factor × factor, or an image is padded on the right and below."""

    kind: Literal["resize"] = "resize"
    factor: int = 1
    pad: int = 0

    def __post_init__(self) -> None:
        check_numbers("factor", (self.factor,), least=1, most=16, lengths=range(1, 2))
        check_numbers("pad", (self.pad,), least=0, most=MOST_SIDE, lengths=range(1, 2))

    def build(self) -> nn.Module:
        return Resize(self.factor, self.pad)


@dataclass(frozen=True)
class AttentionLayer:
    """x + attention over the places of a grid, after a normalisation over groups of channels."""

    kind: Literal["attention"] = "attention"
    channels: int = 1
    heads: int = 1
    groups: int = 32
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        NormLayer(over="group", channels=self.channels, groups=self.groups, epsilon=self.epsilon)
        if self.heads < 1 or self.channels % self.heads:
            raise ValueError(f"heads: expected a divisor of {self.channels}, got {self.heads}")

    def build(self) -> nn.Module:
        return Attention(self)


@dataclass(frozen=True)
class ResidualLayer:
    """after(shortcut(x) + body(x)); no shortcut is x itself, and nothing after is the sum as it is."""

    kind: Literal["residual"] = "residual"
    body: tuple[Layer, ...] = ()
    shortcut: tuple[Layer, ...] = ()
    after: tuple[Layer, ...] = ()

    def build(self) -> nn.Module:
        return Residual(build_layers(self.body), build_layers(self.shortcut), build_layers(self.after))


Layer = (
    LinearLayer | ConvLayer | NormLayer | ActivationLayer | SqueezeLayer | ShapeLayer | ResizeLayer | AttentionLayer
    | ResidualLayer
)  # fmt: skip


def build_layers(layers: tuple[Layer, ...]) -> nn.Sequential:
    """One module of a list of layers; the weights of the i-th are called `i.…`."""
    return nn.Sequential(*(layer.build() for layer in layers))


def check_layers(name: str, layers: tuple[Layer, ...]) -> None:
    """Refuse a list that no network needs.

    Raises:
        ValueError: with the key `name`, when layers are too many or nested too deeply.
    """
    count, depth = 0, 0
    for _, level in _walk(layers, 1):
        count, depth = count + 1, max(depth, level)
    if count > MOST_LISTED or depth > MOST_DEPTH:
        raise ValueError(f"{name}: expected at most {MOST_LISTED} layers, {MOST_DEPTH} deep, got {count}, {depth} deep")


def has_convolutions(layers: tuple[Layer, ...]) -> bool:
    """Whether there is a convolution among them."""
    return any(isinstance(layer, ConvLayer) for layer, _ in _walk(layers, 1))


def _walk(layers: tuple[Layer, ...], level: int) -> Iterator[tuple[Layer, int]]:
    for layer in layers:
        yield layer, level
        if isinstance(layer, ResidualLayer):
            for part in (layer.body, layer.shortcut, layer.after):
                yield from _walk(part, level + 1)


class BatchNorm(nn.BatchNorm2d):
    """Normalisation over a batch of vectors (n, c) or of grids (n, c, h, w)."""

    def __init__(self, channels: int, epsilon: float) -> None:
        super().__init__(channels, eps=epsilon)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in (2, 4):
            raise ValueError(f"expected vectors or grids, got {input.ndim} dimensions")


class Squeeze(nn.Module):
    """y = a tanh(x / a)."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / self.limit) * self.limit


class Resize(nn.Module):
    """Nearest-neighbour enlargement, and zeros on the right and below."""

    def __init__(self, factor: int, pad: int) -> None:
        super().__init__()
        self.factor, self.pad = factor, pad

    def forward(self, x: Tensor) -> Tensor:
        if self.factor > 1:
            x = F.interpolate(x, scale_factor=self.factor, mode="nearest")
        return F.pad(x, (0, self.pad, 0, self.pad)) if self.pad else x


class Residual(nn.Module):
    """after(shortcut(x) + body(x))."""

    def __init__(self, body: nn.Sequential, shortcut: nn.Sequential, after: nn.Sequential) -> None:
        super().__init__()
        self.body, self.shortcut, self.after = body, shortcut, after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.shortcut(x) + self.body(x))


class Attention(nn.Module):
    """x + attention over the places of a grid (n, c, h, w)."""

    def __init__(self, layer: AttentionLayer) -> None:
        super().__init__()
        self.heads = layer.heads
        self.norm = nn.GroupNorm(layer.groups, layer.channels, eps=layer.epsilon)
        self.query, self.key, self.value, self.out = (nn.Linear(layer.channels, layer.channels) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        places = self.norm(x).flatten(2).transpose(1, 2)
        q, k, v = (
            part(places).unflatten(2, (self.heads, -1)).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        seen = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return x + self.out(seen).transpose(1, 2).reshape(x.shape)
