"""Distributions over a latent z with a condition y behind it: flat latents are [z, y]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import torch
from jaxtyping import Float
from torch import Tensor

from latentlab.distributions.condition import Attributes, OneClass
from latentlab.distributions.normal import DiagonalNormal, StandardNormal
from latentlab.distributions.point import Point
from latentlab.errors import CapabilityError, DataError

Condition = OneClass | Attributes | Point


@dataclass(frozen=True)
class ConditionalPosterior:
    """q(y|x) q(z|x, y) of n images; a `Point` in the place of q(y|x) where y is given.

    It is no normal distribution: `mean` is [E[z|x, y = E[y]], E[y]], and there is no `logvar`; `within(y)` is normal.

    Args:
        condition: q(y|x).
        within: q(z|x, y) for conditions of shape (n, k).
    """

    condition: Condition
    within: Callable[[Tensor], DiagonalNormal]

    @property
    def mean(self) -> Float[Tensor, "n d"]:
        """The mean of z where the condition is its own mean, and that mean, of shape (n, d + k)."""
        y = self.condition.mean
        return torch.cat([self.within(y).mean, y], dim=1)

    @property
    def logvar(self) -> None:
        """None: a choice of a class has no variance that a normal distribution would have."""
        return

    def sample(self, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """A condition, then a latent that goes with it, of shape (n, d + k); gradients reach q(z|x, y) alone."""
        y = self.condition.sample(generator)
        return torch.cat([self.within(y).sample(generator), y], dim=1)

    def log_prob(self, value: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log q(y|x) + log q(z|x, y) of latents (n, d + k), in nats, of shape (n,)."""
        size = value.shape[1] - self.condition.mean.shape[1]
        z, y = value[:, :size], value[:, size:]
        return self.within(y).log_prob(z) + self.condition.log_prob(y)

    def kl_to_standard(self) -> NoReturn:
        """The prior of a condition is how often it was seen, and no standard normal distribution.

        Raises:
            CapabilityError: always.
        """
        raise CapabilityError(
            "the posterior of the family 'conditional' has no closed KL to N(0, 1), for a part of its latent is a "
            "condition; terms(x).kl has its KL, and the family 'vae' has one to N(0, 1)"
        )


@dataclass(frozen=True)
class ConditionalPrior:
    """p(y) N(z; 0, 1); a `Point` in the place of p(y) where y is given.

    Args:
        size: the dimensions of z.
        condition: p(y), of one row for all draws or of a row each.
    """

    size: int
    condition: Condition

    def sample(
        self, count: int, generator: torch.Generator | None = None, temperature: float = 1.0
    ) -> Float[Tensor, "n d"]:
        """Draws of shape (count, d + k), on the generator's device.

        Args:
            count: how many.
            generator: of the noise.
            temperature: scales z; a condition is what it is.

        Raises:
            DataError: when another number of conditions is given.
        """
        y = self._rows(count).sample(generator)
        z = temperature * StandardNormal(self.size).sample(count, generator)
        return torch.cat([z, y.to(z)], dim=1)

    def log_prob(self, value: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log p(y) + log N(z; 0, 1) of latents (n, d + k), in nats, of shape (n,).

        Where y is given, log N(z; 0, 1) for that y, and −∞ for every other.
        """
        z, y = value[:, : self.size], value[:, self.size :]
        return StandardNormal(self.size).log_prob(z) + self._rows(len(value)).log_prob(y)

    def _rows(self, count: int) -> Condition:
        """The distribution of the condition for so many latents."""
        values = self.condition.mean if isinstance(self.condition, Point) else self.condition.logits
        if len(values) not in (1, count):
            raise DataError(f"expected one condition, or one for each of {count} latents, got {len(values)}")
        return type(self.condition)(values.expand(count, -1))
