"""Distributions over several levels of latents, each normal once those above it are chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

import torch
from jaxtyping import Float
from torch import Tensor

from latentlab.distributions.normal import DiagonalNormal
from latentlab.errors import CapabilityError, DataError, unknown_name


@dataclass(frozen=True)
class Level:
    """What is known of a level once those above it are chosen, one row an image.

    Args:
        prior: p(z_l|z_<l).
        relative: q(z_l|x, z_<l) in units of the prior, N(m, v) for N(mean_p + σ_p m, σ_p² v); None without an image.
    """

    prior: DiagonalNormal
    relative: DiagonalNormal | None = None

    @property
    def posterior(self) -> DiagonalNormal:
        """q(z_l|x, z_<l); p(z_l|z_<l) without an image."""
        if self.relative is None:
            return self.prior
        mean = self.prior.mean + self.prior.stddev * self.relative.mean
        return DiagonalNormal(mean, self.prior.logvar + self.relative.logvar)

    @property
    def kl(self) -> Float[Tensor, "n d"]:
        """KL(q(z_l|x, z_<l) ‖ p(z_l|z_<l)) a dimension, in nats: that of the relative posterior to N(0, 1)."""
        return torch.zeros_like(self.prior.mean) if self.relative is None else self.relative.kl_to_standard()


# Chooses the latents of a level, of shape (n, size), knowing its number (0 for the top) and its distributions.
Choice = Callable[[int, Level], Tensor]


@dataclass(frozen=True)
class Way:
    """A way from the top level to the lowest.

    Args:
        levels: what was known of each level, the top first.
        latents: what was chosen there, of shape (n, size) each.
        context: what the lowest level was told of those above it; None where it is the top.
    """

    levels: list[Level]
    latents: list[Tensor]
    context: Tensor | None

    @property
    def flat(self) -> Float[Tensor, "n d"]:
        """The latents of all levels, of shape (n, d)."""
        return torch.cat(self.latents, dim=1)


@dataclass(frozen=True)
class TopDownPosterior:
    """q(z|x) = q(z_1|x) Π q(z_l|x, z_<l) of n images.

    It is no normal distribution: `mean` and `logvar` are those of each level given the means of the levels above.

    Args:
        descend: goes from the top to the lowest level, choosing the latents of one after the other.
        sizes: of the levels, by the name of their block, the top first.
    """

    descend: Callable[[Choice], Way]
    sizes: Mapping[str, int]

    @property
    def mean(self) -> Float[Tensor, "n d"]:
        """The mean of each level given the means above it, of shape (n, d)."""
        return self._central.mean

    @property
    def logvar(self) -> Float[Tensor, "n d"]:
        """The log-variance of each level given the means above it, of shape (n, d)."""
        return self._central.logvar

    @cached_property
    def _central(self) -> DiagonalNormal:
        way = self.descend(lambda _, level: level.posterior.mean)
        return DiagonalNormal(way.flat, torch.cat([level.posterior.logvar for level in way.levels], dim=1))

    def sample(self, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """A draw an image, level by level from the top, of shape (n, d); gradients pass through it."""
        return self.descend(lambda _, level: level.posterior.sample(generator)).flat

    def log_prob(self, value: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log q(z_1|x) + Σ log q(z_l|x, z_<l) of latents (n, d), in nats, of shape (n,)."""
        way = self.descend(_given(value, self.sizes))
        return _sum(level.posterior.log_prob(z) for level, z in zip(way.levels, way.latents, strict=True))

    def kl(self, value: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """KL(q(z_l|x, z_<l) ‖ p(z_l|z_<l)) a dimension, with z_<l from latents (n, d), in nats, of shape (n, d)."""
        way = self.descend(_given(value, self.sizes))
        return torch.cat([level.kl for level in way.levels], dim=1)

    def kl_to_standard(self) -> NoReturn:
        """The prior of a hierarchy is learned, and no standard normal distribution.

        Raises:
            CapabilityError: always.
        """
        raise CapabilityError(
            "the posterior of the family 'hierarchical' has no closed KL to N(0, 1), for its prior is learned; "
            "terms(x).kl_dimensions has its KL, and the family 'vae' has one to N(0, 1)"
        )


@dataclass(frozen=True)
class TopDownPrior:
    """p(z) = p(z_1) Π p(z_l|z_<l).

    Args:
        descend: goes so many ways from the top to the lowest level, choosing the latents of one after the other.
        sizes: of the levels, by the name of their block, the top first.
    """

    descend: Callable[[Choice, int], Way]
    sizes: Mapping[str, int]

    def sample(
        self,
        count: int,
        generator: torch.Generator | None = None,
        held: Mapping[str, Tensor] | None = None,
        temperature: float = 1.0,
    ) -> Float[Tensor, "n d"]:
        """Draws of shape (count, d), level by level from the top, on the generator's device.

        Args:
            count: how many.
            generator: of the noise; a level that is held draws none.
            held: latents by the name of their block, of shape (count, size): such a level is taken as it is, and those
                below it are drawn to suit it. Levels above it are drawn as if nothing were held.
            temperature: scales the standard deviation of every level that is drawn.

        Raises:
            UnknownNameError: when there is no block of a name in `held`.
            DataError: when what is held has another shape.
        """
        kept = self._kept(count, held or {})

        def choose(number: int, level: Level) -> Tensor:
            mean = level.prior.mean
            if number in kept:
                return kept[number].to(mean)
            away = DiagonalNormal(torch.zeros_like(mean), level.prior.logvar).sample(generator)
            return mean + temperature * away

        drawn = self.descend(choose, count).flat
        return drawn if generator is None else drawn.to(generator.device)

    def log_prob(self, value: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log p(z_1) + Σ log p(z_l|z_<l) of latents (n, d), in nats, of shape (n,)."""
        way = self.descend(_given(value, self.sizes), len(value))
        return _sum(level.prior.log_prob(z) for level, z in zip(way.levels, way.latents, strict=True))

    def _kept(self, count: int, held: Mapping[str, Tensor]) -> dict[int, Tensor]:
        """What is held, by the number of its level."""
        names = list(self.sizes)
        kept: dict[int, Tensor] = {}
        for name, value in held.items():
            if name not in names:
                raise unknown_name("latent block", name, names)
            if tuple(value.shape) != (count, self.sizes[name]):
                raise DataError(f"held {name}: expected shape ({count}, {self.sizes[name]}), got {tuple(value.shape)}")
            kept[names.index(name)] = value
        return kept


def _given(value: Tensor, sizes: Mapping[str, int]) -> Choice:
    """The choice of latents that are there already."""
    parts = value.split(list(sizes.values()), dim=1)
    return lambda number, _: parts[number]


def _sum(parts: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum(dim=0)
