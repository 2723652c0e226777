"""A model that was trained elsewhere: its networks layer by layer, and what must be known to use them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, NoReturn

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentlab.codec import Block, ConditionSpec, ImageSpec, LatentSpec, Terms
from latentlab.distributions import DiagonalNormal, StandardNormal
from latentlab.errors import CapabilityError
from latentlab.models.adopted_parts import LEAST_LOGVAR, MOST_LOGVAR, code_parts, conditional_parts
from latentlab.models.condition import refuse_condition
from latentlab.models.conditional import CONDITION, LONGEST_NAME, Conditional
from latentlab.models.vq import VQ
from latentlab.nn.bound import MOST_SIDE, MOST_WIDTH, check_numbers, check_sides, check_width
from latentlab.nn.layer import Layer, build_layers, check_layers, has_convolutions
from latentlab.nn.observation import Likelihood, Observation, Output, widen

Range = Literal["unit", "signed"]


@dataclass(frozen=True)
class AdoptedConfig:
    """A model that was trained elsewhere.

    Args:
        image: the images that it takes.
        origin: who trains such models: `pythae`, `diffusers`, ….
        encoder: from an image to what mean and log-variance are read from.
        mean: the posterior mean, or the code.
        logvar: its log-variance; none: the model has no posterior.
        decoder: from a latent to an image, or to logits.
        latent: the shape of the latent as the networks have it: (d,), or (c, h, w).
        takes: the range of the pixels that the encoder takes: [0, 1] or [−1, 1].
        gives: what the decoder puts out: logits, or pixels in [0, 1] or [−1, 1], which are held to that range.
        likelihood: of images, where it is known; where it is not, a Gaussian whose σ is a unit and no measurement.
        classes: of a conditional model the names of what its networks are told, as a 1 among zeros behind the latent.
        told: whether its encoder is told the class too, behind the image, or the decoder alone.
        codes: of a model of codes the size K of its codebook; 0 for all others.
        dimension: c, the size of an embedding of a code.
    """

    image: ImageSpec
    family: Literal["adopted"] = "adopted"
    origin: str = ""
    encoder: tuple[Layer, ...] = ()
    mean: tuple[Layer, ...] = ()
    logvar: tuple[Layer, ...] = ()
    decoder: tuple[Layer, ...] = ()
    latent: tuple[int, ...] = (1,)
    takes: Range = "unit"
    gives: Output = "logits"
    likelihood: Observation = field(default_factory=Observation)
    classes: tuple[str, ...] = ()
    told: bool = True
    codes: int = 0
    dimension: int = 1

    def __post_init__(self) -> None:
        check_sides(self.image)
        check_numbers("latent", self.latent, least=1, most=max(MOST_WIDTH, MOST_SIDE), lengths=range(1, 4))
        for name in ("encoder", "mean", "logvar", "decoder"):
            check_layers(name, getattr(self, name))
        if self.gives != "logits" and self.likelihood.kind != "gaussian":
            raise ValueError(f"likelihood: expected gaussian for a decoder of pixels, got {self.likelihood.kind}")
        if self.classes:
            self._check_classes()
        if self.codes:
            check_width("codes", self.codes, least=2)
            check_width("dimension", self.dimension)
            if self.logvar or len(self.latent) != 2:
                raise ValueError(f"latent: expected a grid of codes without a log-variance, got {self.latent}")

    def _check_classes(self) -> None:
        names = self.classes
        if not self.logvar or len(self.latent) != 1 or self.codes:
            raise ValueError(f"latent: expected a vector with a log-variance beside classes, got {self.latent}")
        if len(set(names)) < len(names) or not all(0 < len(name) <= LONGEST_NAME for name in names):
            raise ValueError(f"classes: expected names of their own of 1 to {LONGEST_NAME} letters, got {names[:9]}")
        if not 2 <= len(names) <= MOST_WIDTH:
            raise ValueError(f"classes: expected 2 to {MOST_WIDTH} names, got {len(names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """What the numbers of the condition stand for."""
        return self.classes

    @property
    def spec(self) -> ConditionSpec | None:
        """What the model is told, and which block of the latent carries it; None where it is told nothing."""
        return ConditionSpec(self.classes, "class", CONDITION) if self.classes else None

    @property
    def convolutions(self) -> bool:
        """Whether it is made of convolutions: they have memory and number formats of their own."""
        return has_convolutions(self.encoder) or has_convolutions(self.decoder)

    def build(self) -> Adopted | Conditional | VQ:
        """A new model with random weights, drawn from torch's current generator."""
        encoder, mean, decoder = (build_layers(layers) for layers in (self.encoder, self.mean, self.decoder))
        logvar = build_layers(self.logvar) if self.logvar else None
        if self.codes:
            return VQ(self, code_parts(self, encoder, mean, decoder))
        if logvar is not None and self.classes:
            return Conditional(self, conditional_parts(self, encoder, mean, logvar, decoder))
        return Adopted(self, Parts(encoder, mean, logvar, decoder))


@dataclass(frozen=True)
class ProgramConfig:
    """What must be known to use a program; the program itself lies in its own file.

    Args:
        image: the images that it takes.
        origin: what kind of program: `torchscript`, `onnx`, `loader`.
        latent: the shape of the latent as the program has it: (d,), or (c, h, w).
        takes: the range of the pixels that it encodes: [0, 1] or [−1, 1].
        gives: the range of those that it decodes; what is outside of it is held to it.
        likelihood: a Gaussian whose σ is a unit and no measurement: a program gives pixels, and no spread.
    """

    image: ImageSpec
    family: Literal["program"] = "program"
    origin: str = ""
    latent: tuple[int, ...] = (1,)
    takes: Range = "unit"
    gives: Range = "unit"
    likelihood: Observation = field(default_factory=lambda: Observation("gaussian", 1.0))

    def __post_init__(self) -> None:
        check_sides(self.image)
        check_numbers("latent", self.latent, least=1, most=max(MOST_WIDTH, MOST_SIDE), lengths=range(1, 4))

    @property
    def convolutions(self) -> bool:
        """Unknown, and of no use: nobody trains a program."""
        return False

    def build(self) -> NoReturn:
        """Refuse: a configuration is not the program.

        Raises:
            CapabilityError: always.
        """
        raise CapabilityError(
            f"expected layers, got a program ({self.origin}): it cannot be made anew or written as a checkpoint of "
            "latentlab's own; open its own file each time"
        )


class Parts(NamedTuple):
    """The networks of a model: from an image, then to the mean and to the log-variance, and from a latent."""

    encoder: nn.Module
    mean: nn.Module
    logvar: nn.Module | None
    decoder: nn.Module


class Adopted(nn.Module):
    """Encoder and decoder as somebody trained them; latents are flat here, and of their own shape inside.

    With a log-variance it is a VAE with a standard normal prior; without one it encodes and decodes, no more.
    """

    condition: ConditionSpec | None = None

    def __init__(self, config: AdoptedConfig | ProgramConfig, parts: Parts) -> None:
        super().__init__()
        self.config = config
        self.image = config.image
        self.latent = LatentSpec((Block("z", config.latent),))
        self.encoder, self.to_mean, self.to_logvar, self.decoder = parts
        self.observe = config.likelihood.build(config.gives)

    def encode(self, x: Float[Tensor, "n c h w"], condition: Tensor | None = None) -> Float[Tensor, "n d"]:
        """Posterior means, or codes, of shape (n, d) of images (n, c, h, w) in [0, 1]."""
        refuse_condition(self.config.family, condition)
        return self._flat(self.to_mean(self._features(x)))

    def decode(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Float[Tensor, "n c h w"]:
        """Images of shape (n, c, h, w) in [0, 1] of latents (n, d)."""
        return self.likelihood(z, condition).mean

    def posterior(self, x: Float[Tensor, "n c h w"], condition: Tensor | None = None) -> DiagonalNormal:
        """q(z|x) of images (n, c, h, w).

        Raises:
            CapabilityError: when the model has no log-variance.
        """
        refuse_condition(self.config.family, condition)
        if self.to_logvar is None:
            self._refuse("posterior")
        features = self._features(x)
        mean, logvar = (self._flat(head(features)) for head in (self.to_mean, self.to_logvar))
        return DiagonalNormal(mean, logvar.clamp(LEAST_LOGVAR, MOST_LOGVAR))

    def prior(self, condition: Tensor | None = None) -> StandardNormal:
        """p(z) = N(0, 1) in d dimensions.

        Raises:
            CapabilityError: when the model has no log-variance.
        """
        refuse_condition(self.config.family, condition)
        if self.to_logvar is None:
            self._refuse("prior")
        return StandardNormal(self.latent.size)

    def likelihood(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Likelihood:
        """p(x|z) of latents (n, d)."""
        refuse_condition(self.config.family, condition)
        return self.observe(self.decoder(self.latent.unflatten(z)["z"]))

    def terms(
        self,
        x: Float[Tensor, "n c h w"],
        condition: Tensor | None = None,
        generator: torch.Generator | None = None,
        seen: Float[Tensor, "n c h w"] | None = None,
    ) -> Terms:
        """log p(x|z), of shape (n,), in nats, and KL(q(z|x) ‖ p(z)) where there is a posterior; q sees `seen`."""
        seen = x if seen is None else seen
        if self.to_logvar is None:
            z = self.encode(seen, condition)
            return Terms(log_likelihood=self.likelihood(z).log_prob(x), code=z)
        posterior = self.posterior(seen, condition)
        z = posterior.sample(generator)
        kl = posterior.kl_to_standard()
        return Terms(
            self.likelihood(z).log_prob(x), {"z": kl.sum(dim=1)}, code=z, posterior=posterior, kl_dimensions=kl
        )

    def _flat(self, grid: Tensor) -> Any:
        return self.latent.flatten({"z": widen(grid)})

    def _features(self, x: Tensor) -> Any:
        return self.encoder(x if self.config.takes == "unit" else 2 * x - 1)

    def _refuse(self, what: str) -> NoReturn:
        raise CapabilityError(
            f"{self.config.origin or 'this model'} has no log-variance, so there is no {what}; "
            "the family 'vae' has one (sample --from aggregate works here)"
        )
