"""Ladders: the networks of a hierarchy of latents, one step a resolution, made from the configuration of any network.

On the way up each step halves the image (or narrows a layer); on the way down its mirror undoes that. The top step is
a vector; a fully connected network has vectors on every step. Layers take what has not been activated yet and
activate it themselves, so that latents can be added in between (He et al. 2016, arXiv:1603.05027).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from latentlab.codec import ImageSpec
from latentlab.nn.activation import build_activation
from latentlab.nn.conv import Conv
from latentlab.nn.mlp import MLP
from latentlab.nn.pyramid import build_down, build_up, halvings
from latentlab.nn.residual import Residual, ResidualBlock

Shape = tuple[int, ...]
Network = MLP | Conv | Residual


@dataclass(frozen=True)
class Step:
    """One step of a ladder: `up` leads to it from the side of the image, `down` back to there.

    Args:
        up: features of the step below (or images) to those of this one.
        down: the context of this step to that of the step below (or to the decoder's output).
        shape: of the features and of the context: (width,), or (channels, height, width).
    """

    up: nn.Module
    down: nn.Module
    shape: Shape


def count_steps(network: Network) -> int:
    """How many steps the ladder of a network has: a hidden layer each, or a stage each and a vector above them."""
    return len(network.hidden) if isinstance(network, MLP) else len(network.channels) + 1


def build_steps(network: Network, image: ImageSpec) -> list[Step]:
    """The steps of a network for these images, the one beside the image first.

    Raises:
        ValueError: when the image is too small for the network's stages.
    """
    if isinstance(network, MLP):
        return _layers(network, image)
    return _stages(network, image)


def join_steps(steps: Sequence[Step], count: int) -> list[Step]:
    """As many steps as there are levels: those beside the image become one. The top comes first."""
    beside = steps[: len(steps) - count + 1]
    joined = Step(
        nn.Sequential(*(step.up for step in beside)),
        nn.Sequential(*(step.down for step in reversed(beside))),
        beside[-1].shape,
    )
    return [joined if len(beside) > 1 else beside[0], *steps[len(beside) :]][::-1]


class Climb(nn.Module):
    """Images to the features of every level, from the image to the top."""

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__()
        self.up = nn.ModuleList(step.up for step in reversed(steps))

    def forward(self, x: Float[Tensor, "n c h w"]) -> tuple[Tensor, ...]:
        features = []
        for up in self.up:
            x = up(x)
            features.append(x)
        return tuple(reversed(features))


class Descent(nn.Module):
    """Latents of every level to the decoder's output, from the top to the image.

    s₁ = f₁(z₁), c_l = down_{l−1}(s_{l−1}), s_l = c_l + f_l(z_l), and down_L(s_L) is the output: the context c_l is all
    that the levels below the (l−1)-th know of those above.
    """

    def __init__(self, steps: Sequence[Step], latents: Sequence[int]) -> None:
        super().__init__()
        self.enter = nn.ModuleList(
            _build_map(step.shape, size, step.shape[0]) for step, size in zip(steps, latents, strict=True)
        )
        self.down = nn.ModuleList(step.down for step in steps)

    def step(self, level: int, context: Tensor | None, z: Tensor) -> Tensor:
        """The context of the level below `level` (from 0), or the output behind the last one.

        Args:
            level: the number of the level, 0 for the top.
            context: its context; None at the top.
            z: its latents, of shape (n, *block shape).
        """
        entered = self.enter[level](z)
        return self.down[level](entered if context is None else context + entered)

    def forward(self, parts: Sequence[Tensor]) -> Float[Tensor, "n c h w"]:
        """Unbounded outputs (n, c, h, w) of the latents of all levels, the top first."""
        context = self.step(0, None, parts[0])
        for level, z in enumerate(parts[1:], 1):
            context = self.step(level, context, z)
        return context


class Head(nn.Module):
    """Features or contexts to the mean and log-variance of a level, each flat, of shape (n, size).

    Args:
        shape: of what it is given, one tensor after the other along its first axis.
        size: the latent's width, or channels.
        activation: what each tensor passes first.
        inputs: how many tensors it is given.
        zero: whether it says 0 and 0 to everything at the start.
    """

    def __init__(self, shape: Shape, size: int, activation: str, inputs: int = 1, zero: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = [build_activation(activation)]
        if inputs > 1:
            layers += [_build_map(shape, inputs * shape[0], shape[0], kernel=1), build_activation(activation)]
        last = _build_map(shape, shape[0], 2 * size)
        if zero:
            for weight in last.parameters():
                nn.init.zeros_(weight)
        self.body = nn.Sequential(*layers, last)

    def forward(self, values: Tensor) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        mean, logvar = self.body(values).chunk(2, dim=1)
        return mean.flatten(1), logvar.flatten(1)


def _build_map(shape: Shape, before: int, after: int, kernel: int = 3) -> nn.Linear | nn.Conv2d:
    """A linear layer between vectors, or a convolution between grids of the same size."""
    if len(shape) == 1:
        return nn.Linear(before, after)
    return nn.Conv2d(before, after, kernel_size=kernel, padding=kernel // 2)


def _layers(network: MLP, image: ImageSpec) -> list[Step]:
    steps: list[Step] = []
    for before, after in itertools.pairwise((image.size, *network.hidden)):
        up = [build_activation(network.activation) if steps else nn.Flatten(), nn.Linear(before, after)]
        down = [build_activation(network.activation), nn.Linear(after, before)]
        if not steps:
            down.append(nn.Unflatten(1, image.shape))
        steps.append(Step(nn.Sequential(*up), nn.Sequential(*down), (after,)))
    return steps


def _stages(network: Conv | Residual, image: ImageSpec) -> list[Step]:
    """A step a stage, and above them a vector.

    On the way down a stage passes half of its residual blocks (rounded down) before its latent is added, so that the
    prior of that latent is more than a linear function of what came from above, and the others after it.
    """
    sizes = halvings(image, len(network.channels))
    steps: list[Step] = []
    before: list[nn.Module] = []
    for stage, channels in enumerate(network.channels):
        first = [build_activation(network.activation)] if steps else []
        narrower = network.channels[stage - 1] if steps else image.channels
        up = [*first, build_down(narrower, channels), *_blocks(network, stage)]
        out = [build_up(channels, narrower, sizes[stage]), *before] if steps else _build_output(network, image)
        blocks = _blocks(network, stage)
        before, after = blocks[: len(blocks) // 2], blocks[len(blocks) // 2 :]
        down = [*after, build_activation(network.activation), *out]
        steps.append(Step(nn.Sequential(*up), nn.Sequential(*down), (channels, *sizes[stage + 1])))
    shape = steps[-1].shape
    features = math.prod(shape)
    up = [build_activation(network.activation), nn.Flatten()]
    down = [nn.Unflatten(1, shape), *before]
    if network.hidden:
        up.append(nn.Linear(features, network.hidden))
        down = [build_activation(network.activation), nn.Linear(network.hidden, features), *down]
    return [*steps, Step(nn.Sequential(*up), nn.Sequential(*down), (network.hidden or features,))]


def _build_output(network: Conv | Residual, image: ImageSpec) -> list[nn.Module]:
    size = (image.height, image.width)
    if isinstance(network, Conv):
        return [build_up(network.channels[0], image.channels, size)]
    return [
        build_up(network.channels[0], network.head, size),
        build_activation(network.activation),
        nn.Conv2d(network.head, image.channels, kernel_size=3, padding=1),
    ]


def _blocks(network: Conv | Residual, stage: int) -> list[nn.Module]:
    count = network.blocks[stage] if isinstance(network, Residual) else 0
    return [ResidualBlock(network.channels[stage], network.activation) for _ in range(count)]
