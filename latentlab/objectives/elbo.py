"""The evidence lower bound with a weight β on its KL term."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from latentlab.codec import Terms
from latentlab.objectives.objective import Loss


@dataclass(frozen=True)
class ELBO:
    """loss = −log p(x|z) + β KL(q(z|x) ‖ p(z)); β rises linearly from 0 over `warmup_epochs`.

    With β = 1 the loss is the negative ELBO, an upper bound on −log p(x).

    References:
        I. Higgins et al., "beta-VAE", ICLR 2017 (β); S. R. Bowman et al., "Generating Sentences from a Continuous
        Space", 2015, arXiv:1511.06349 (warm-up).
    """

    kind: Literal["elbo"] = "elbo"
    beta: float = 1.0
    warmup_epochs: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.beta < math.inf or not 0 <= self.warmup_epochs < math.inf:
            raise ValueError(f"beta, warmup_epochs: expected 0 or more, got {self.beta} and {self.warmup_epochs}")

    def weight(self, epoch: float) -> float:
        """β after `epoch` epochs; fractions of an epoch count."""
        return self.beta * min(1.0, epoch / self.warmup_epochs) if self.warmup_epochs else self.beta

    def seen(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """What the encoder gets: the images as they are."""
        return x

    def __call__(self, terms: Terms, epoch: float) -> Loss:
        reconstruction = -terms.log_likelihood
        total = reconstruction
        parts = {"reconstruction": reconstruction}
        for block, kl in terms.kl.items():
            total = total + self.weight(epoch) * kl
            parts["kl" if len(terms.kl) == 1 else f"kl_{block}"] = kl
        for name, term in terms.auxiliary.items():
            total = total + term
            parts[name] = term
        return Loss(total, parts)
