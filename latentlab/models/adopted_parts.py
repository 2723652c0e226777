"""What conditional models and models of codes are made of that were trained elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentlab.distributions import DiagonalNormal
from latentlab.models.conditional import ConditionalParts
from latentlab.models.vq import VQParts
from latentlab.nn.observation import widen
from latentlab.nn.quantizer import nearest

if TYPE_CHECKING:
    from latentlab.models.adopted import AdoptedConfig

# Log-variances outside of this are those of a network that has gone astray; diffusers has the same limits.
LEAST_LOGVAR, MOST_LOGVAR = -30.0, 20.0


def conditional_parts(
    config: AdoptedConfig, encoder: nn.Module, mean: nn.Module, logvar: nn.Module, decoder: nn.Module
) -> ConditionalParts:
    """The parts of a conditional VAE without a head that reads the class from an image."""
    count = len(config.classes)
    posterior = ClassPosterior(encoder, mean, logvar, 0 if config.told else count)
    observe = config.likelihood.build(config.gives)
    flat = FlatImages(config.takes == "signed")
    return ConditionalParts(
        config.latent[0], flat, ByBayes(posterior, decoder, observe, config, count), posterior, decoder, observe
    )


def code_parts(config: AdoptedConfig, encoder: nn.Module, mean: nn.Module, decoder: nn.Module) -> VQParts:
    """The parts of a VQ-VAE whose prior nobody has trained."""
    height, width = config.latent
    return VQParts(
        grid=(height, width),
        encoder=VectorEncoder(encoder, mean, config.takes == "signed"),
        quantizer=Codebook(config.codes, config.dimension),
        decoder=decoder,
        observe=config.likelihood.build(config.gives),
        prior=UniformCodes(config.codes, height * width),
    )


class FlatImages(nn.Module):
    """Images in [0, 1] as vectors, in [−1, 1] where that is what networks take."""

    def __init__(self, signed: bool) -> None:
        super().__init__()
        self.signed = signed

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n p"]:
        return (2 * x - 1 if self.signed else x).flatten(1)


class ClassPosterior(nn.Module):
    """Mean and log-variance of q(z|x, y) of a vector image with its class behind it.

    Args:
        encoder: what both are read from.
        to_mean: of its output.
        to_logvar: likewise.
        untold: how many numbers of the class the encoder does not take: all of them, or none.
    """

    def __init__(self, encoder: nn.Module, to_mean: nn.Module, to_logvar: nn.Module, untold: int) -> None:
        super().__init__()
        self.encoder, self.to_mean, self.to_logvar, self.untold = encoder, to_mean, to_logvar, untold

    def forward(self, told: Float[Tensor, "n w"]) -> Float[Tensor, "n d"]:
        hidden = self.encoder(told[:, : told.shape[1] - self.untold])
        logvar = widen(self.to_logvar(hidden)).clamp(LEAST_LOGVAR, MOST_LOGVAR)
        return torch.cat([widen(self.to_mean(hidden)), logvar], dim=1)


class ByBayes(nn.Module):
    """Logits of the class of an image where no network reads it: q(y|x) ∝ exp ELBO(x|y), all as likely before.

    The ELBO is taken at the posterior mean. That takes as many decodings as there are classes.
    """

    def __init__(
        self, posterior: nn.Module, decoder: nn.Module, observe: nn.Module, config: AdoptedConfig, count: int
    ) -> None:
        super().__init__()
        # In a tuple: they are parts of the model already, and weights have one name each.
        self.networks = (posterior, decoder, observe)
        self.signed, self.image, self.count = config.takes == "signed", config.image, count

    def forward(self, features: Float[Tensor, "n p"]) -> Float[Tensor, "n k"]:
        posterior, decoder, observe = self.networks
        flat = (features + 1) / 2 if self.signed else features
        x = flat.unflatten(1, self.image.shape)
        bounds = []
        for y in torch.eye(self.count, device=features.device):
            told = y.expand(features.shape[0], -1).to(features)
            mean, logvar = posterior(torch.cat([features, told], dim=1)).chunk(2, dim=1)
            picture = observe(decoder(torch.cat([mean, told], dim=1))).log_prob(x)
            bounds.append(picture - DiagonalNormal(mean, logvar).kl_to_standard().sum(dim=1))
        return torch.stack(bounds, dim=1)


class VectorEncoder(nn.Module):
    """Images to grids of vectors."""

    def __init__(self, encoder: nn.Module, to_mean: nn.Module, signed: bool) -> None:
        super().__init__()
        self.encoder, self.to_mean, self.signed = encoder, to_mean, signed

    def forward(self, x: Float[Tensor, "n c h w"]) -> Tensor:
        return self.to_mean(self.encoder(2 * x - 1 if self.signed else x))


class Codebook(nn.Module):
    """K codes e_k in c dimensions, as training left them; a vector z becomes the code argmin_k ‖z − e_k‖²."""

    codebook: Tensor

    def __init__(self, codes: int, dimension: int) -> None:
        super().__init__()
        self.register_buffer("codebook", torch.randn(codes, dimension))

    def forward(self, z: Float[Tensor, "n c"]) -> Tensor:
        """The numbers of the nearest codes, of shape (n,)."""
        return nearest(self.codebook, z)


class UniformCodes(nn.Module):
    """All sequences of d of K codes alike, as a VQ-VAE has it before a prior is learned.

    Args:
        codes: K.
        length: d.
    """

    def __init__(self, codes: int, length: int) -> None:
        super().__init__()
        self.codes, self.length = codes, length

    def log_probs(self, value: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """−log K for each code, in nats, of shape (n, d)."""
        return -torch.full_like(value, self.codes).log()

    def log_prob(self, value: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """−d log K, in nats, of shape (n,)."""
        return self.log_probs(value).sum(dim=1)

    def sample(
        self, count: int, generator: torch.Generator | None = None, temperature: float = 1.0
    ) -> Float[Tensor, "n d"]:
        """Code numbers as floats, of shape (count, d); at temperature 0 the first code, for all are as likely."""
        device = torch.device("cpu") if generator is None else generator.device
        drawn = torch.randint(self.codes, (count, self.length), generator=generator, device=device)
        return (drawn if temperature else torch.zeros_like(drawn)).float()
