"""The variational autoencoder with a standard normal prior."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentlab.codec import Block, ConditionSpec, ImageSpec, LatentSpec, Terms
from latentlab.distributions import DiagonalNormal, StandardNormal
from latentlab.models.condition import refuse_condition
from latentlab.nn import MLP, Network
from latentlab.nn.bound import check_sides, check_width
from latentlab.nn.observation import Likelihood, Observation, widen


@dataclass(frozen=True)
class VAEConfig:
    """A VAE: the images that it takes, the size of its latent, its networks and its likelihood."""

    image: ImageSpec
    family: Literal["vae"] = "vae"
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

    def build(self) -> VAE:
        """A new model with random weights, drawn from torch's current generator."""
        return VAE(self)


class VAE(nn.Module):
    """q(z|x) = N(mean(x), exp(logvar(x))), p(z) = N(0, 1), p(x|z) as configured.

    References:
        D. P. Kingma, M. Welling, "Auto-Encoding Variational Bayes", 2013, arXiv:1312.6114.
    """

    condition: ConditionSpec | None = None

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        self.image = config.image
        self.latent = LatentSpec((Block("z", (config.latent,)),))
        self.encoder, width = config.network.build_encoder(config.image)
        self.to_posterior = nn.Linear(width, 2 * config.latent)
        self.decoder = config.network.build_decoder(config.latent, config.image)
        self.observe = config.likelihood.build()

    def encode(self, x: Float[Tensor, "n c h w"], condition: Tensor | None = None) -> Float[Tensor, "n d"]:
        """Posterior means of shape (n, d) of images (n, c, h, w)."""
        return self.posterior(x, condition).mean

    def decode(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Float[Tensor, "n c h w"]:
        """Mean images of shape (n, c, h, w) in [0, 1] of latents (n, d)."""
        return self.likelihood(z, condition).mean

    def posterior(self, x: Float[Tensor, "n c h w"], condition: Tensor | None = None) -> DiagonalNormal:
        """q(z|x) of images (n, c, h, w)."""
        refuse_condition(self.config.family, condition)
        mean, logvar = widen(self.to_posterior(self.encoder(x))).chunk(2, dim=1)
        return DiagonalNormal(mean, logvar)

    def prior(self, condition: Tensor | None = None) -> StandardNormal:
        """p(z) = N(0, 1) in d dimensions."""
        refuse_condition(self.config.family, condition)
        return StandardNormal(self.latent.size)

    def likelihood(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Likelihood:
        """p(x|z) of latents (n, d)."""
        refuse_condition(self.config.family, condition)
        return self.observe(self.decoder(z))

    def terms(
        self,
        x: Float[Tensor, "n c h w"],
        condition: Tensor | None = None,
        generator: torch.Generator | None = None,
        seen: Float[Tensor, "n c h w"] | None = None,
    ) -> Terms:
        """log p(x|z) at one sample z ~ q(z|x), and KL(q(z|x) ‖ p(z)), of shape (n,), in nats; q sees `seen`."""
        posterior = self.posterior(x if seen is None else seen, condition)
        z = posterior.sample(generator)
        kl = posterior.kl_to_standard()
        return Terms(
            log_likelihood=self.likelihood(z, condition).log_prob(x),
            kl={"z": kl.sum(dim=1)},
            code=z,
            posterior=posterior,
            kl_dimensions=kl,
        )
