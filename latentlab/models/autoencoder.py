"""The plain autoencoder: a code, no distribution over it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NoReturn

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentlab.codec import Block, ConditionSpec, ImageSpec, LatentSpec, Terms
from latentlab.errors import CapabilityError
from latentlab.models.condition import refuse_condition
from latentlab.nn import MLP, Network
from latentlab.nn.bound import check_sides, check_width
from latentlab.nn.observation import Likelihood, Observation, widen


@dataclass(frozen=True)
class AutoencoderConfig:
    """An autoencoder: the images that it takes, the size of its code, its networks and its likelihood."""

    image: ImageSpec
    family: Literal["autoencoder"] = "autoencoder"
    latent: int = 16
    network: Network = field(default_factory=MLP)
    likelihood: Observation = field(default_factory=Observation)

    def __post_init__(self) -> None:
        check_width("latent", self.latent)
        check_sides(self.image)

    @property
    def convolutions(self) -> bool:
        """Whether it is made of convolutions: they have memory and number formats of their own."""
        return not isinstance(self.network, MLP)

    def build(self) -> Autoencoder:
        """A new model with random weights, drawn from torch's current generator."""
        return Autoencoder(self)


class Autoencoder(nn.Module):
    """z = f(x), p(x|z) as configured; nothing says how z is distributed.

    References:
        G. E. Hinton, R. R. Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", Science 313,
        2006.
    """

    condition: ConditionSpec | None = None

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.image = config.image
        self.latent = LatentSpec((Block("z", (config.latent,)),))
        self.encoder, width = config.network.build_encoder(config.image)
        self.to_code = nn.Linear(width, config.latent)
        self.decoder = config.network.build_decoder(config.latent, config.image)
        self.observe = config.likelihood.build()

    def encode(self, x: Float[Tensor, "n c h w"], condition: Tensor | None = None) -> Float[Tensor, "n d"]:
        """Codes of shape (n, d) of images (n, c, h, w)."""
        refuse_condition(self.config.family, condition)
        return widen(self.to_code(self.encoder(x)))

    def decode(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Float[Tensor, "n c h w"]:
        """Mean images of shape (n, c, h, w) in [0, 1] of codes (n, d)."""
        return self.likelihood(z, condition).mean

    def likelihood(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Likelihood:
        """p(x|z) of codes (n, d)."""
        refuse_condition(self.config.family, condition)
        return self.observe(self.decoder(z))

    def posterior(self, x: Float[Tensor, "n c h w"], condition: Tensor | None = None) -> NoReturn:
        """An autoencoder has no posterior.

        Raises:
            CapabilityError: always.
        """
        raise _no_distribution("posterior")

    def prior(self, condition: Tensor | None = None) -> NoReturn:
        """An autoencoder has no prior.

        Raises:
            CapabilityError: always.
        """
        raise _no_distribution("prior")

    def terms(
        self,
        x: Float[Tensor, "n c h w"],
        condition: Tensor | None = None,
        generator: torch.Generator | None = None,
        seen: Float[Tensor, "n c h w"] | None = None,
    ) -> Terms:
        """log p(x|f(seen)) of shape (n,), in nats, where `seen` is x itself by default; there is no KL."""
        z = self.encode(x if seen is None else seen, condition)
        return Terms(log_likelihood=self.likelihood(z).log_prob(x), code=z)


def _no_distribution(what: str) -> CapabilityError:
    return CapabilityError(
        f"an autoencoder has no {what}; the family 'vae' has one (sample --from aggregate works here)"
    )
