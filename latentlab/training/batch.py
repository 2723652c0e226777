"""Batches in a seeded order, cut from images that lie in memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from latentlab.runtime import as_tensor


class Batches:
    """Shuffled batches of a set of images; the order depends on the seed and the epoch alone.

    Images stay as they are stored (uint8 where they can) and become floats a batch at a time, on the device.
    A last batch that is smaller than half is left out of that epoch: its gradient would be too noisy.

    Args:
        pixels: of shape (n, c, h, w), uint8 or float32.
        size: images a batch.
        seed: of the order.
        device: where batches are wanted.
        channels_last: whether they are wanted in that memory format.
        conditions: what a conditional model is told of each, of shape (n, k); None for others.
    """

    def __init__(
        self,
        pixels: np.ndarray,
        size: int,
        seed: int,
        device: torch.device,
        channels_last: bool = False,
        conditions: np.ndarray | None = None,
    ) -> None:
        self.pixels = as_tensor(np.ascontiguousarray(pixels))
        self.told = None if conditions is None else as_tensor(np.ascontiguousarray(conditions))
        self.size = min(size, len(pixels))
        self.seed = seed
        self.device = device
        self.format = torch.channels_last if channels_last else torch.contiguous_format

    def __len__(self) -> int:
        """The number of batches an epoch."""
        whole, rest = divmod(len(self.pixels), self.size)
        return whole + (rest >= self.size / 2)

    @property
    def smallest(self) -> int:
        """The number of images of the smallest batch."""
        rest = len(self.pixels) % self.size
        return rest if rest and rest >= self.size / 2 else self.size

    def rows(self, number: int, start: int = 0) -> Iterator[Tensor]:
        """The rows of the batches of one epoch, from batch `start` on."""
        order = np.random.default_rng([self.seed, number]).permutation(len(self.pixels))
        for batch in range(start, len(self)):
            yield torch.from_numpy(order[batch * self.size : (batch + 1) * self.size])

    def images(self, rows: Tensor) -> Tensor:
        """The given rows as float32 in [0, 1], on the device."""
        batch = self.pixels[rows].to(self.device, non_blocking=True)
        if batch.dtype == torch.uint8:
            batch = batch.float().div_(255)
        return batch.contiguous(memory_format=self.format)

    def conditions(self, rows: Tensor) -> Tensor | None:
        """What a conditional model is told of the given rows, on the device; None for other models."""
        return None if self.told is None else self.told[rows].to(self.device, non_blocking=True)
