"""Distributions over conditions: one of some classes, or several attributes that an image has or has not."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class OneClass:
    """One of k classes, as a vector with a single 1.

    Args:
        logits: log p_j but for a constant, of shape (n, k).
    """

    logits: Float[Tensor, "n k"]

    @property
    def mean(self) -> Float[Tensor, "n k"]:
        """p = softmax(logits), of shape (n, k)."""
        return torch.softmax(self.logits, dim=1)

    def sample(self, generator: torch.Generator | None = None) -> Float[Tensor, "n k"]:
        """Draws of shape (n, k), by the inverse of the distribution function; no gradient passes through them."""
        # Drawn on the generator's own device and moved, as for every distribution here.
        device = self.logits.device if generator is None else generator.device
        u = torch.rand(len(self.logits), 1, generator=generator, device=device).to(self.logits)
        number = (u >= self.mean.cumsum(dim=1)).sum(dim=1).clamp(max=self.logits.shape[1] - 1)
        return F.one_hot(number, self.logits.shape[1]).to(self.logits)

    def log_prob(self, value: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        """Σ y_j log p_j, in nats, of shape (n,): log p of the class where y is one, its mean where y is a mixture."""
        return (value * torch.log_softmax(self.logits, dim=1)).sum(dim=1)

    def kl(self, other: OneClass) -> Float[Tensor, "n k"]:
        """p_j (log p_j − log r_j) − p_j + r_j for each class, in nats, of shape (n, k): the sum over j is KL(p ‖ r).

        −p_j + r_j adds up to nothing, and makes every part at least 0.
        """
        ours, theirs = (torch.log_softmax(one.logits, dim=1) for one in (self, other))
        return ours.exp() * (ours - theirs - 1) + theirs.exp()

    def parts(self, value: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """−y_j log p_j, in nats, of shape (n, k): the sum over j is −log_prob(y)."""
        return -value * torch.log_softmax(self.logits, dim=1)


@dataclass(frozen=True)
class Attributes:
    """k attributes, each 1 with probability p_j and 0 without, independent of each other.

    Args:
        logits: log p_j − log(1 − p_j), of shape (n, k).
    """

    logits: Float[Tensor, "n k"]

    @property
    def mean(self) -> Float[Tensor, "n k"]:
        """p = sigmoid(logits), of shape (n, k)."""
        return torch.sigmoid(self.logits)

    def sample(self, generator: torch.Generator | None = None) -> Float[Tensor, "n k"]:
        """Draws of shape (n, k), each 0 or 1; no gradient passes through them."""
        device = self.logits.device if generator is None else generator.device
        u = torch.rand(self.logits.shape, generator=generator, device=device).to(self.logits)
        return (u < self.mean).to(self.logits)

    def log_prob(self, value: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        """Σ y_j log p_j + (1 − y_j) log(1 − p_j), in nats, of shape (n,)."""
        return -self.parts(value).sum(dim=1)

    def kl(self, other: Attributes) -> Float[Tensor, "n k"]:
        """KL of each attribute, in nats, of shape (n, k)."""
        p = self.mean
        with_ = F.logsigmoid(self.logits) - F.logsigmoid(other.logits)
        without = F.logsigmoid(-self.logits) - F.logsigmoid(-other.logits)
        return p * with_ + (1 - p) * without

    def parts(self, value: Float[Tensor, "n k"]) -> Float[Tensor, "n k"]:
        """−log p of each attribute, in nats, of shape (n, k)."""
        return -(value * F.logsigmoid(self.logits) + (1 - value) * F.logsigmoid(-self.logits))
