"""The evidence lower bound with a weight β on its KL term, and free bits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from latentlab.codec import Terms
from latentlab.objectives.objective import Loss, unchanged


@dataclass(frozen=True)
class ELBO:
    """loss = −log p(x|z) + β KL(q(z|x) ‖ p(z)); β rises linearly from 0 over `warmup_epochs`.

    With β = 1 the loss is the negative ELBO, an upper bound on −log p(x).

    With free bits, Σ_j max(λ, mean over the batch of KL_j) takes the place of the KL: a latent dimension whose mean KL
    is below λ = `free_nats` costs λ whatever it says, so that nothing drives it to say less. Where a KL does not fall
    apart into dimensions, each block has λ. The parts that are reported stay as they are.

    References:
        I. Higgins et al., "beta-VAE", ICLR 2017 (β); S. R. Bowman et al., "Generating Sentences from a Continuous
        Space", 2015, arXiv:1511.06349 (warm-up); D. P. Kingma et al., "Improving Variational Inference with Inverse
        Autoregressive Flow", 2016, arXiv:1606.04934 (free bits).
    """

    kind: Literal["elbo"] = "elbo"
    beta: float = 1.0
    warmup_epochs: float = 0.0
    free_nats: float = 0.0

    seen = unchanged

    def __post_init__(self) -> None:
        if not 0 <= self.beta < math.inf or not 0 <= self.warmup_epochs < math.inf:
            raise ValueError(f"beta, warmup_epochs: expected 0 or more, got {self.beta} and {self.warmup_epochs}")
        if not 0 <= self.free_nats < math.inf:
            raise ValueError(f"free_nats: expected 0 or more, got {self.free_nats}")

    def weight(self, epoch: float) -> float:
        """β after `epoch` epochs; fractions of an epoch count."""
        return self.beta * min(1.0, epoch / self.warmup_epochs) if self.warmup_epochs else self.beta

    def __call__(self, terms: Terms, epoch: float) -> Loss:
        reconstruction = -terms.log_likelihood
        total = reconstruction
        parts = {"reconstruction": reconstruction}
        for block, kl in terms.kl.items():
            if not self.free_nats:
                total = total + self.weight(epoch) * kl
            parts["kl" if len(terms.kl) == 1 else f"kl_{block}"] = kl
        if self.free_nats and terms.kl:
            total = total + self.weight(epoch) * _at_least(self.free_nats, terms)
        for name, term in terms.auxiliary.items():
            total = total + term
            parts[name] = term
        return Loss(total, parts)


def _at_least(free: float, terms: Terms) -> Tensor:
    """The KL an image with free bits, of shape (n,): its mean over images is Σ_j max(λ, mean KL_j)."""
    groups = torch.stack(list(terms.kl.values()), dim=1) if terms.kl_dimensions is None else terms.kl_dimensions
    return torch.where(groups.mean(dim=0) > free, groups, torch.full_like(groups, free)).sum(dim=1)
