"""The negative log-likelihood of the image given its code: what an autoencoder minimises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from latentlab.codec import Terms
from latentlab.objectives.objective import Loss


@dataclass(frozen=True)
class Reconstruction:
    """loss = −log p(x|z) at z = f(x), in nats."""

    kind: Literal["reconstruction"] = "reconstruction"

    def seen(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """What the encoder gets: the images as they are."""
        return x

    def __call__(self, terms: Terms, epoch: float) -> Loss:
        return Loss(-terms.log_likelihood, {"reconstruction": -terms.log_likelihood})
