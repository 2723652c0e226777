"""The variational lossy autoencoder: a decoder that draws pixel by pixel, so that the code need not say it all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from latentlab.codec import Block, ConditionSpec, ImageSpec, LatentSpec, Terms
from latentlab.distributions import DiagonalNormal
from latentlab.distributions.flow import AutoregressiveFlow, FlowPrior
from latentlab.distributions.normal import LOG_2PI
from latentlab.models.condition import refuse_condition
from latentlab.nn import MLP, Network
from latentlab.nn.bound import MOST_LAYERS, MOST_WIDTH, check_numbers, check_sides, check_width
from latentlab.nn.observation import Likelihood, Observation, ObservationHead, widen
from latentlab.nn.raster import Raster, RasterDecoder


@dataclass(frozen=True)
class Flow:
    """The prior: how many autoregressive steps, 0 for a standard normal, and the hidden widths of each."""

    steps: int = 2
    hidden: tuple[int, ...] = (64,)

    def __post_init__(self) -> None:
        check_numbers("steps", (self.steps,), least=0, most=MOST_LAYERS, lengths=range(1, 2))
        check_numbers("hidden", self.hidden, least=1, most=MOST_WIDTH, lengths=range(MOST_LAYERS + 1))


@dataclass(frozen=True)
class LossyConfig:
    """A variational lossy autoencoder.

    Args:
        image: the images that it takes.
        latent: the size of its code.
        network: encodes images, and draws the canvas from the code.
        raster: which pixels a pixel sees: the larger the window, the less is left to the code.
        prior: the flow over the code.
        likelihood: of one pixel, given the code and those it sees.
    """

    image: ImageSpec
    family: Literal["lossy"] = "lossy"
    latent: int = 16
    network: Network = field(default_factory=MLP)
    raster: Raster = field(default_factory=Raster)
    prior: Flow = field(default_factory=Flow)
    likelihood: Observation = field(default_factory=Observation)

    def __post_init__(self) -> None:
        check_width("latent", self.latent)
        check_sides(self.image)

    @property
    def convolutions(self) -> bool:
        """Whether it is made of convolutions: they have memory and number formats of their own."""
        return True

    def build(self) -> Lossy:
        """A new model with random weights, drawn from torch's current generator."""
        return Lossy(self)


@dataclass(frozen=True)
class PixelByPixel:
    """p(x|z) = Π p(x_i | x before i within the window, z), pixels in reading order.

    Args:
        decoder: the network.
        observe: from its output at a pixel to the distribution of that pixel.
        canvas: what z says of every pixel, of shape (n, features, h, w).
    """

    decoder: RasterDecoder
    observe: ObservationHead
    canvas: Float[Tensor, "n features h w"]

    @property
    def mean(self) -> Float[Tensor, "n c h w"]:
        """The picture without chance: each pixel is the mean of its distribution, given the means of those before it.

        Not E[x|z], which only many draws approach, and for which a model has no closed form; but it is one picture,
        the same each time, and it changes smoothly with z.
        """
        return self.decoder.draw(self.canvas, lambda output: self.observe(output).mean)

    def given(self, x: Float[Tensor, "n c h w"]) -> Likelihood:
        """The distribution of every pixel, given z and those before it in `x`."""
        return self.observe(self.decoder(x, self.canvas))

    def log_prob(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Σ log p(x_i | x before i, z) an image, in nats, of shape (n,)."""
        return self.given(x).log_prob(x)

    def sample(self, generator: torch.Generator | None = None) -> Float[Tensor, "n c h w"]:
        """Draws of shape (n, c, h, w), pixel by pixel, each given those drawn before it."""
        return self.decoder.draw(self.canvas, lambda output: self.observe(output).sample(generator))


class Lossy(nn.Module):
    """q(z|x) = N(mean(x), exp(logvar(x))), p(z) an autoregressive flow, p(x|z) = Π p(x_i | x before i in a window, z).

    What the window predicts, the decoder fills in by itself; the code holds what reaches further.

    References:
        X. Chen et al., "Variational Lossy Autoencoder", 2016, arXiv:1611.02731.
    """

    condition: ConditionSpec | None = None

    def __init__(self, config: LossyConfig) -> None:
        super().__init__()
        self.config = config
        self.image = config.image
        self.latent = LatentSpec((Block("z", (config.latent,)),))
        self.encoder, width = config.network.build_encoder(config.image)
        self.to_posterior = nn.Linear(width, 2 * config.latent)
        self.flow = AutoregressiveFlow(config.latent, config.prior.steps, config.prior.hidden)
        self.decoder = config.raster.build(config.network, config.latent, config.image)
        self.observe = config.likelihood.build()

    @property
    def window(self) -> Bool[Tensor, "rows columns"]:
        """What a pixel sees of those before it; it stands in the middle of the last row itself."""
        return self.decoder.window

    def encode(self, x: Float[Tensor, "n c h w"], condition: Tensor | None = None) -> Float[Tensor, "n d"]:
        """Posterior means of shape (n, d) of images (n, c, h, w)."""
        return self.posterior(x, condition).mean

    def decode(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Float[Tensor, "n c h w"]:
        """Pictures of shape (n, c, h, w) in [0, 1] of latents (n, d), drawn without chance: see `PixelByPixel.mean`."""
        return self.likelihood(z, condition).mean

    def fill(
        self, z: Float[Tensor, "n d"], generator: torch.Generator | None = None, condition: Tensor | None = None
    ) -> Float[Tensor, "n c h w"]:
        """One draw of x ~ p(x|z) for each latent, of shape (n, c, h, w): what the code leaves open, filled in."""
        return self.likelihood(z, condition).sample(generator)

    def posterior(self, x: Float[Tensor, "n c h w"], condition: Tensor | None = None) -> DiagonalNormal:
        """q(z|x) of images (n, c, h, w)."""
        refuse_condition(self.config.family, condition)
        mean, logvar = widen(self.to_posterior(self.encoder(x))).chunk(2, dim=1)
        return DiagonalNormal(mean, logvar)

    def prior(self, condition: Tensor | None = None) -> FlowPrior:
        """p(z), the flow."""
        refuse_condition(self.config.family, condition)
        return FlowPrior(self.flow)

    def likelihood(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> PixelByPixel:
        """p(x|z) of latents (n, d)."""
        refuse_condition(self.config.family, condition)
        return PixelByPixel(self.decoder, self.observe, self.decoder.canvas(z))

    def terms(
        self,
        x: Float[Tensor, "n c h w"],
        condition: Tensor | None = None,
        generator: torch.Generator | None = None,
        seen: Float[Tensor, "n c h w"] | None = None,
    ) -> Terms:
        """log p(x|z) and log q(z|x) − log p(z) at one sample z ~ q(z|x), of shape (n,), in nats; q sees `seen`.

        The KL divergence to a flow has no closed form: its mean over samples is the divergence, and that of a single
        image may be below 0.
        """
        posterior = self.posterior(x if seen is None else seen, condition)
        z = posterior.sample(generator)
        squared = (z - posterior.mean) ** 2 * torch.exp(-posterior.logvar)
        entropy = -0.5 * (squared + posterior.logvar + LOG_2PI)
        kl = entropy - self.prior().log_prob_dimensions(z)
        return Terms(
            log_likelihood=self.likelihood(z, condition).log_prob(x),
            kl={"z": kl.sum(dim=1)},
            code=z,
            posterior=posterior,
            kl_dimensions=kl,
        )
