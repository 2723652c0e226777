"""The variational autoencoder, with a standard normal prior or a learned mixture of normals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentlab.codec import Block, ConditionSpec, ImageSpec, LatentSpec, Terms
from latentlab.distributions import DiagonalNormal, StandardNormal
from latentlab.distributions.mixture import NormalMixture
from latentlab.models.condition import refuse_condition
from latentlab.nn import MLP, Network
from latentlab.nn.bound import check_sides, check_width
from latentlab.nn.mixture import Mixture
from latentlab.nn.observation import Likelihood, Observation, widen
from latentlab.schema import LATER


@dataclass(frozen=True)
class VAEConfig:
    """A VAE: the images that it takes, the size of its latent, its networks, its likelihood and its prior.

    Args:
        image: the images.
        latent: the dimensions of the latent.
        network: encoder and decoder.
        likelihood: p(x|z).
        prior: N(0, 1), or a mixture of `components` normal distributions that is learned with the rest.
        components: of the mixture.
    """

    image: ImageSpec
    family: Literal["vae"] = "vae"
    latent: int = 16
    network: Network = field(default_factory=MLP)
    likelihood: Observation = field(default_factory=Observation)
    # Checkpoints are older than these: while they have their defaults, nothing is said of them.
    prior: Literal["standard", "mixture"] = field(default="standard", metadata=LATER)
    components: int = field(default=100, metadata=LATER)

    def __post_init__(self) -> None:
        check_width("latent", self.latent)
        check_width("components", self.components)
        check_sides(self.image)

    @property
    def convolutions(self) -> bool:
        """Whether it is made of convolutions: they have memory and number formats of their own."""
        return not isinstance(self.network, MLP)

    def build(self) -> VAE:
        """A new model with random weights, drawn from torch's current generator."""
        return VAE(self)


class VAE(nn.Module):
    """q(z|x) = N(mean(x), exp(logvar(x))), p(z) = N(0, 1) or a learned mixture, p(x|z) as configured.

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
        if config.prior == "mixture":
            self.mixture = Mixture(config.components, config.latent)

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

    def prior(self, condition: Tensor | None = None) -> StandardNormal | NormalMixture:
        """p(z) in d dimensions."""
        refuse_condition(self.config.family, condition)
        return self.mixture() if self.config.prior == "mixture" else StandardNormal(self.latent.size)

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
        """log p(x|z) at one sample z ~ q(z|x), and KL(q(z|x) ‖ p(z)), of shape (n,), in nats; q sees `seen`.

        The KL to a mixture is log q(z|x) − log p(z) at the same sample, and does not fall apart into dimensions.
        """
        posterior = self.posterior(x if seen is None else seen, condition)
        z = posterior.sample(generator)
        dimensions = posterior.kl_to_standard() if self.config.prior == "standard" else None
        kl = posterior.log_prob(z) - self.prior().log_prob(z) if dimensions is None else dimensions.sum(dim=1)
        return Terms(
            log_likelihood=self.likelihood(z, condition).log_prob(x),
            kl={"z": kl},
            code=z,
            posterior=posterior,
            kl_dimensions=dimensions,
        )
