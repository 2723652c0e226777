"""The distribution that is certain: what an encoder without noise says of a latent."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Point:
    """All probability on one latent a row.

    Over discrete latents this is a posterior like any other: KL(q ‖ p) = −log p(mean), which makes the ELBO
    log p(x|mean) + log p(mean) ≤ log p(x). Over continuous ones it has no density, and no KL.

    Args:
        mean: of shape (n, d).
    """

    mean: Float[Tensor, "n d"]

    @property
    def logvar(self) -> None:
        """None: there is no variance to take the logarithm of."""
        return

    def sample(self, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """The latents themselves, of shape (n, d)."""
        return self.mean

    def log_prob(self, value: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """0 for the latent itself and −∞ for every other, in nats, of shape (n,)."""
        same = (value == self.mean).all(dim=1)
        return torch.zeros_like(self.mean[:, 0]).masked_fill(~same, -torch.inf)
