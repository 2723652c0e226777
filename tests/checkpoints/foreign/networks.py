"""Small models as their authors wrote them: what programs and loaders are made from."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from latentlab.checkpoints.foreign import Contents, Part


class Plain(nn.Module):
    """Dense, images as vectors inside; encodes to a mean alone."""

    def __init__(self, side: int = 6, latent: int = 3) -> None:
        super().__init__()
        self.side = side
        self.inner = nn.Linear(side * side, latent)
        self.outer = nn.Linear(latent, side * side)

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        return self.inner(x.flatten(1))

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.outer(z)).reshape(-1, 1, self.side, self.side)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class Spatial(nn.Module):
    """Convolutional, latents (2, h / 2, w / 2); encodes to a mean and a log-variance."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, 4, 4, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(2, channels, 4, stride=2, padding=1)

    @torch.jit.export
    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, logvar = self.down(x).chunk(2, dim=1)
        return mean, logvar

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.up(z))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x)[0])


class Half(nn.Module):
    """One half of a model, as its own forward."""

    def __init__(self, whole: nn.Module, method: str) -> None:
        super().__init__()
        self.whole, self.method = whole, method

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return getattr(self.whole, self.method)(x)


def holding(*files: Path, container: str = "torchscript") -> Contents:
    """What a container finds of programs: their files."""
    return Contents(files[0].parent, tuple(Part(file, container) for file in files))


def images(shape: tuple[int, int, int], count: int = 3) -> Tensor:
    """Seeded images in [0, 1]."""
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))
