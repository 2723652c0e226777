"""What a trained model looks like to everything that uses one: images in, latents, images out.

A `Codec` encodes and decodes; that is enough for edits, paths and maps. A `LatentModel` is a codec
that is also a probabilistic model, and answers with distributions. Latents travel as one flat vector
an image; `LatentSpec` says which blocks it is made of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from latentlab.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    Array = np.ndarray | Tensor

Ink = Literal["any", "light", "dark"]


@dataclass(frozen=True)
class ImageSpec:
    """The images that a model takes: (channels, height, width), values in [0, 1].

    `ink` says which way a drawing runs where that is known: MNIST is light ink on a dark ground, and a
    photograph of dark ink on paper has to be turned round before such a model understands it.
    """

    channels: int
    height: int
    width: int
    ink: Ink = "any"

    def __post_init__(self) -> None:
        if self.channels not in (1, 3) or min(self.height, self.width) < 1:
            raise DataError(f"expected images of 1 or 3 channels and at least 1×1 pixels, got {self}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.channels, self.height, self.width

    @property
    def size(self) -> int:
        """The number of values in an image."""
        return math.prod(self.shape)

    def __str__(self) -> str:
        return f"{self.height}×{self.width} {'grey' if self.channels == 1 else 'RGB'}"


@dataclass(frozen=True)
class Block:
    """One named part of a latent: a vector, one level of a hierarchy, a grid of codes.

    `codes` is the size of the codebook of a discrete block, and None for a continuous one.
    """

    name: str
    shape: tuple[int, ...]
    codes: int | None = None

    @property
    def size(self) -> int:
        """The number of values in the block."""
        return math.prod(self.shape)

    @property
    def continuous(self) -> bool:
        """Whether the block's values can be averaged and moved along."""
        return self.codes is None


@dataclass(frozen=True)
class LatentSpec:
    """The blocks of a latent, in the order in which they stand in the flat vector.

    >>> spec = LatentSpec((Block("top", (4,)), Block("grid", (2, 3, 3))))
    >>> spec.size
    22
    """

    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        names = [block.name for block in self.blocks]
        if not names or len(set(names)) < len(names) or any(block.size < 1 for block in self.blocks):
            raise DataError(f"expected latent blocks with names of their own and at least one value, got {names}")

    @property
    def size(self) -> int:
        """The length d of the flat vector."""
        return sum(block.size for block in self.blocks)

    @property
    def continuous(self) -> bool:
        """Whether every block is continuous."""
        return all(block.continuous for block in self.blocks)

    def slices(self) -> dict[str, slice]:
        """Where each block stands in the flat vector."""
        ends: dict[str, slice] = {}
        start = 0
        for block in self.blocks:
            ends[block.name] = slice(start, start + block.size)
            start += block.size
        return ends

    def flatten(self, parts: Mapping[str, Array]) -> Array:
        """Join blocks of shape (n, *block.shape) into one array of shape (n, d)."""
        if set(parts) != {block.name for block in self.blocks}:
            raise DataError(f"expected latent blocks {[b.name for b in self.blocks]}, got {sorted(parts)}")
        flat = [parts[block.name].reshape(parts[block.name].shape[0], block.size) for block in self.blocks]
        if len(flat) == 1:
            return flat[0]
        if hasattr(flat[0], "new_tensor"):
            import torch

            return torch.cat(flat, dim=1)  # type: ignore[arg-type]
        import numpy as np

        return np.concatenate(flat, axis=1)

    def unflatten(self, flat: Array) -> dict[str, Array]:
        """Cut an array of shape (n, d) into its blocks, each of shape (n, *block.shape)."""
        if flat.ndim != 2 or flat.shape[1] != self.size:
            raise DataError(f"expected latents of shape (n, {self.size}), got {tuple(flat.shape)}")
        cuts = self.slices()
        return {block.name: flat[:, cuts[block.name]].reshape(flat.shape[0], *block.shape) for block in self.blocks}


@dataclass(frozen=True)
class ConditionSpec:
    """What a conditional model is told: one of some classes, or attribute values.

    `block` names the block of the latent that carries it; without one it has to be told beside the latent.
    """

    names: tuple[str, ...]
    kind: Literal["class", "attributes"] = "class"
    block: str = ""


@dataclass(frozen=True)
class Terms:
    """What objectives and scores are made of, one value an image, in nats.

    Args:
        log_likelihood: log p(x|z) at a sampled z, of shape (n,).
        kl: KL(q(z|x) ‖ p(z)) of each latent block, of shape (n,).
        auxiliary: further terms of a family by name, of shape (n,).
        code: the latents that were decoded, of shape (n, d): samples, or what an encoder without a posterior gave.
        posterior: q(z|x), for objectives that take the KL apart; None where there is none.
        kl_dimensions: the KL of each latent dimension, of shape (n, d), where it falls apart into them.
    """

    log_likelihood: Tensor
    kl: Mapping[str, Tensor] = field(default_factory=dict)
    auxiliary: Mapping[str, Tensor] = field(default_factory=dict)
    code: Tensor | None = None
    posterior: Any = None
    kl_dimensions: Tensor | None = None


class Distribution(Protocol):
    """A distribution over one event an image, as posteriors, priors and likelihoods return it."""

    @property
    def mean(self) -> Tensor:
        """The expected value of each event."""

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """One draw an event; gradients pass through it where the distribution allows."""

    def log_prob(self, value: Tensor) -> Tensor:
        """The log-density of each event in nats, of shape (n,)."""


@runtime_checkable
class Codec(Protocol):
    """Anything with `encode(x) -> z` and `decode(z) -> x`: enough for edits, paths and maps."""

    image: ImageSpec
    latent: LatentSpec
    condition: ConditionSpec | None

    def encode(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Images of shape (n, c, h, w) in [0, 1] to flat latents of shape (n, d): posterior means."""

    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Flat latents of shape (n, d) to images of shape (n, c, h, w) in [0, 1]."""


@runtime_checkable
class LatentModel(Codec, Protocol):
    """A codec that is also a probabilistic model: enough for ELBO, IWAE and active units."""

    def posterior(self, x: Tensor, condition: Tensor | None = None) -> Any:
        """q(z|x): its `mean`, `logvar` and samples are of shape (n, d)."""

    def prior(self, condition: Tensor | None = None) -> Any:
        """p(z): its samples are of shape (n, d)."""

    def likelihood(self, z: Tensor, condition: Tensor | None = None) -> Any:
        """p(x|z): its `mean` and samples are of shape (n, c, h, w)."""

    def terms(
        self,
        x: Tensor,
        condition: Tensor | None = None,
        generator: torch.Generator | None = None,
        seen: Tensor | None = None,
    ) -> Terms:
        """The terms of the bound at one sample of z, one value an image, in nats.

        `seen` is what the encoder gets in place of `x`: a corrupted copy, where a model learns to denoise.
        """
