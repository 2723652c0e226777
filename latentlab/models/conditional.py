"""The conditional VAE: a part of the latent is what is known of an image, its class or its attributes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentlab.codec import Block, ConditionSpec, ImageSpec, LatentSpec, Terms
from latentlab.distributions.condition import Attributes, OneClass
from latentlab.distributions.conditional import ConditionalPosterior, ConditionalPrior
from latentlab.distributions.normal import DiagonalNormal
from latentlab.distributions.point import Point
from latentlab.errors import DataError
from latentlab.nn import MLP, Network
from latentlab.nn.activation import build_activation
from latentlab.nn.bound import MOST_WIDTH, check_sides, check_width
from latentlab.nn.observation import Likelihood, Observation, widen

CONDITION = "condition"
LONGEST_NAME = 100


@dataclass(frozen=True)
class ConditionalConfig:
    """A conditional VAE: the images that it takes, what it is told of them, its latent, networks and likelihood.

    Args:
        image: the images.
        latent: the dimensions of z.
        condition: "class", or the names of attributes that an image has or has not.
        classes: the names of the classes, which come with the data.
        head: the hidden layer that joins an image's features with its condition.
        network: encoder and decoder.
        likelihood: p(x|z, y).
    """

    image: ImageSpec
    family: Literal["conditional"] = "conditional"
    latent: int = 16
    condition: Literal["class"] | tuple[str, ...] = "class"
    classes: tuple[str, ...] = ()
    head: int = 128
    network: Network = field(default_factory=MLP)
    likelihood: Observation = field(default_factory=Observation)

    def __post_init__(self) -> None:
        check_width("latent", self.latent)
        check_width("head", self.head)
        check_sides(self.image)
        if not self.condition:
            raise ValueError('condition: expected "class" or names of attributes, got none')
        if self.condition != "class" and self.classes:
            raise ValueError(f"classes: expected none beside the attributes {list(self.condition)}, got some")
        names = self.names
        if len(set(names)) < len(names) or not all(0 < len(name) <= LONGEST_NAME for name in names):
            raise ValueError(f"condition: expected names of their own of 1 to {LONGEST_NAME} letters, got {names[:9]}")
        if len(names) > MOST_WIDTH:
            raise ValueError(f"condition: expected at most {MOST_WIDTH} names, got {len(names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """What the numbers of the condition stand for; none while the classes are not known."""
        return self.classes if self.condition == "class" else tuple(self.condition)

    @property
    def spec(self) -> ConditionSpec:
        """What the model is told, and which block of the latent carries it."""
        return ConditionSpec(self.names, "class" if self.condition == "class" else "attributes", CONDITION)

    @property
    def convolutions(self) -> bool:
        """Whether it is made of convolutions: they have memory and number formats of their own."""
        return not isinstance(self.network, MLP)

    def build(self) -> Conditional:
        """A new model with random weights, drawn from torch's current generator.

        Raises:
            ValueError: when the classes are not known yet.
        """
        if not self.names:
            raise ValueError("classes: expected the names of the classes, got none; they come with labelled images")
        size = len(self.names)
        encoder, width = self.network.build_encoder(self.image)
        parts = ConditionalParts(
            dimensions=self.latent,
            encoder=encoder,
            to_condition=nn.Linear(width, size),
            to_posterior=nn.Sequential(
                nn.Linear(width + size, self.head),
                build_activation(self.network.activation),
                nn.Linear(self.head, 2 * self.latent),
            ),
            decoder=self.network.build_decoder(self.latent + size, self.image),
            observe=self.likelihood.build(),
        )
        return Conditional(self, parts)


class ConditionalParts(NamedTuple):
    """What a conditional VAE is made of.

    Args:
        dimensions: of z.
        encoder: images to features (n, w).
        to_condition: features to logits of the condition, (n, k).
        to_posterior: features and condition (n, w + k) to mean and log-variance of z, (n, 2d).
        decoder: z and condition (n, d + k) to what `observe` takes.
        observe: p(x|z, y).
    """

    dimensions: int
    encoder: nn.Module
    to_condition: nn.Module
    to_posterior: nn.Module
    decoder: nn.Module
    observe: nn.Module


class Conditional(nn.Module):
    """p(x, z, y) = p(x|z, y) N(z; 0, 1) p(y) and q(z, y|x) = q(y|x) q(z|x, y).

    y is a block of the flat latent, behind z: a class as a vector with a single 1, or a 0 or 1 for each attribute. So
    `decode` takes latents like that of any family, with y as it stands in them, and whatever moves along latents moves
    along y as well. What is given as `condition`, of shape (n, k), takes the place of what the encoder reads from the
    image (`encode`, `posterior`), or of what stands in the latent (`decode`, `likelihood`).

    p(y) is how often each condition was among the training images, with one more seen of each kind (`count_conditions`,
    before training); attributes are taken to be independent.

    References:
        D. P. Kingma, D. J. Rezende, S. Mohamed, M. Welling, "Semi-supervised Learning with Deep Generative Models",
        2014, arXiv:1406.5298 (M2: the bound on log p(x, y), and the head that is trained beside it); K. Sohn, H. Lee,
        X. Yan, "Learning Structured Output Representation using Deep Conditional Generative Models", 2015.
    """

    condition: ConditionSpec | None
    frequency: Tensor

    def __init__(self, config: Any, parts: ConditionalParts) -> None:
        super().__init__()
        self.config = config
        self.image = config.image
        self.condition = config.spec
        size = len(config.names)
        self.dimensions, self.encoder, self.to_condition, self.to_posterior, self.decoder, self.observe = parts
        self.latent = LatentSpec((Block("z", (self.dimensions,)), Block(CONDITION, (size,))))
        self.register_buffer("frequency", torch.full((size,), 1 / size if config.spec.kind == "class" else 0.5))

    def count_conditions(self, condition: Float[Tensor, "n k"]) -> None:
        """Set p(y) to how often each condition is among those of the training images, of shape (n, k).

        (count + 1) / (n + k) for k classes, (count + 1) / (n + 2) for each attribute: what was never seen is rare, not
        impossible.
        """
        condition = self._checked(condition, len(condition))
        outcomes = len(self.config.names) if self.config.spec.kind == "class" else 2
        self.frequency.copy_((condition.double().sum(dim=0) + 1) / (len(condition) + outcomes))

    def encode(
        self, x: Float[Tensor, "n c h w"], condition: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "n d"]:
        """[E[z|x, y], y] of shape (n, d + k) of images (n, c, h, w), with y as given or else E[y|x]."""
        return self.posterior(x, condition).mean

    def decode(
        self, z: Float[Tensor, "n d"], condition: Float[Tensor, "n k"] | None = None
    ) -> Float[Tensor, "n c h w"]:
        """Mean images of shape (n, c, h, w) in [0, 1] of latents (n, d + k), with y as it stands there or as given."""
        return self.likelihood(z, condition).mean

    def posterior(
        self, x: Float[Tensor, "n c h w"], condition: Float[Tensor, "n k"] | None = None
    ) -> ConditionalPosterior:
        """q(y|x) q(z|x, y) of images (n, c, h, w); q(z|x, y) for the y that are given."""
        return self._posterior(self.encoder(x), condition)

    def prior(self, condition: Float[Tensor, "n k"] | None = None) -> ConditionalPrior:
        """p(y) N(z; 0, 1); N(z; 0, 1) beside the y that are given, of one row or of one a draw."""
        if condition is None:
            return ConditionalPrior(self.dimensions, self._seen)
        return ConditionalPrior(self.dimensions, Point(self._checked(condition, len(condition))))

    def likelihood(self, z: Float[Tensor, "n d"], condition: Float[Tensor, "n k"] | None = None) -> Likelihood:
        """p(x|z, y) of latents (n, d + k)."""
        if condition is not None:
            z = torch.cat([z[:, : self.dimensions], self._checked(condition, len(z))], dim=1)
        return self.observe(self.decoder(z))

    def terms(
        self,
        x: Float[Tensor, "n c h w"],
        condition: Float[Tensor, "n k"] | None = None,
        generator: torch.Generator | None = None,
        seen: Float[Tensor, "n c h w"] | None = None,
    ) -> Terms:
        """The terms of the bound at one sample z ~ q(z|x, y), of shape (n,), in nats; q sees `seen`.

        Where y is given: log p(x|z, y), KL(q(z|x, y) ‖ p(z)) and −log p(y), a bound on log p(x, y), which is at most
        log p(x); and beside it −log q(y|x), the loss of the head that reads conditions from images.

        Where it is not: y ~ q(y|x) as well, and KL(q(y|x) ‖ p(y)), a bound on log p(x). Either is comparable with the
        bound of a model that knows no conditions.
        """
        features = self.encoder(x if seen is None else seen)
        posterior, read = self._posterior(features, condition), self._read(features)
        y = posterior.condition.sample(generator)
        within = posterior.within(y)
        flat = torch.cat([within.sample(generator), y], dim=1)
        known = self._rows(len(x))
        if condition is None:
            rate, auxiliary = read.kl(known), {}  # type: ignore[arg-type]
        else:
            rate, auxiliary = known.parts(y), {"classification": -read.log_prob(y)}
        dimensions = within.kl_to_standard()
        return Terms(
            log_likelihood=self.likelihood(flat).log_prob(x),
            kl={"z": dimensions.sum(dim=1), CONDITION: rate.sum(dim=1)},
            auxiliary=auxiliary,
            code=flat,
            posterior=posterior,
            kl_dimensions=torch.cat([dimensions, rate], dim=1),
        )

    def _posterior(self, features: Tensor, condition: Tensor | None) -> ConditionalPosterior:
        told = self._read(features) if condition is None else Point(self._checked(condition, len(features)))
        return ConditionalPosterior(told, partial(self._within, features))

    def _within(self, features: Tensor, y: Tensor) -> DiagonalNormal:
        """q(z|x, y) from the features of x."""
        mean, logvar = widen(self.to_posterior(torch.cat([features, y.to(features)], dim=1))).chunk(2, dim=1)
        return DiagonalNormal(mean, logvar)

    def _read(self, features: Tensor) -> OneClass | Attributes:
        """q(y|x) from the features of x."""
        logits = widen(self.to_condition(features))
        return OneClass(logits) if self.config.spec.kind == "class" else Attributes(logits)

    @property
    def _seen(self) -> OneClass | Attributes:
        """p(y), in one row."""
        share = self.frequency[None]
        return OneClass(share.log()) if self.config.spec.kind == "class" else Attributes(torch.logit(share))

    def _rows(self, count: int) -> OneClass | Attributes:
        """p(y), in so many rows."""
        return type(self._seen)(self._seen.logits.expand(count, -1))

    def _checked(self, condition: Tensor, count: int) -> Tensor:
        """A condition for each of `count` images or latents, as numbers beside the weights.

        Raises:
            DataError: when its shape is another.
        """
        size = len(self.config.names)
        if condition.ndim != 2 or condition.shape != (count, size):
            raise DataError(f"expected a condition of shape ({count}, {size}), got {tuple(condition.shape)}")
        return condition.to(self.frequency)
