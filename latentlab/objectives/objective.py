"""What an objective makes of the terms of a model: one loss an image, and its parts by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """What training minimises, one value an image, and the parts that people watch.

    Args:
        total: of shape (n,), in nats.
        parts: by name, each of shape (n,), in nats, unweighted.
    """

    total: Float[Tensor, " n"]
    parts: Mapping[str, Float[Tensor, " n"]]


def unchanged(self: object, x: Tensor, generator: torch.Generator) -> Tensor:
    """What the encoder gets: the images as they are."""
    return x
