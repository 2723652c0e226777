"""The hierarchical VAE: two or more levels of latents, inferred from the top down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentlab.codec import Block, ConditionSpec, ImageSpec, LatentSpec, Terms
from latentlab.distributions.normal import DiagonalNormal
from latentlab.distributions.top_down import Choice, Level, TopDownPosterior, TopDownPrior, Way
from latentlab.models.condition import refuse_condition
from latentlab.nn import MLP, Network
from latentlab.nn.bound import MOST_LAYERS, MOST_WIDTH, check_numbers, check_sides
from latentlab.nn.ladder import Climb, Descent, Head, build_steps, count_steps, join_steps
from latentlab.nn.observation import Likelihood, Observation, widen

# Log-variances run out softly there: what a head says once, far from anything it knows, must not overflow.
LARGEST_LOGVAR = 10.0


@dataclass(frozen=True)
class HierarchicalConfig:
    """A hierarchical VAE: the images that it takes, the sizes of its levels, its networks and its likelihood.

    Args:
        image: the images.
        latent: the size of each level, the top first. With convolutions the top is a vector of so many values, and each
            further level a grid of so many channels, on the smallest grid of the network and then one finer each; with
            a fully connected network every level is a vector, beside the last hidden layer and then one before it each.
        network: the networks on the way up and on the way down.
        likelihood: p(x|z).
    """

    image: ImageSpec
    family: Literal["hierarchical"] = "hierarchical"
    latent: tuple[int, ...] = (8, 8)
    network: Network = field(default_factory=lambda: MLP(hidden=(256, 128)))
    likelihood: Observation = field(default_factory=Observation)

    def __post_init__(self) -> None:
        check_numbers("latent", self.latent, least=1, most=MOST_WIDTH, lengths=range(2, MOST_LAYERS + 1))
        check_sides(self.image)
        steps = count_steps(self.network)
        if len(self.latent) > steps:
            kind, has = ("hidden layers", steps) if isinstance(self.network, MLP) else ("stages", steps - 1)
            raise ValueError(
                f"latent: expected at most {steps} levels with a network of {has} {kind}, got {len(self.latent)}; "
                "give it more"
            )

    @property
    def convolutions(self) -> bool:
        """Whether it is made of convolutions: they have memory and number formats of their own."""
        return not isinstance(self.network, MLP)

    def build(self) -> Hierarchical:
        """A new model with random weights, drawn from torch's current generator.

        Raises:
            ValueError: when the image is too small for the network, or the levels have too many values.
        """
        return Hierarchical(self)


class Hierarchical(nn.Module):
    """p(x, z) = p(x|z_1 … z_L) p(z_1) Π p(z_l|z_<l) and q(z|x) = q(z_1|x) Π q(z_l|x, z_<l), both from the top down.

    p(z_1) = N(0, 1); the others are normal, with means and diagonal covariances that depend on all levels above. The
    posterior of a level sees the features of the image on its own step of the ladder and what lies above it, and is
    given in units of its prior. The blocks of the latent are z1 (the top) to zL.

    Images climb without noise to the features of every level, as in ladder VAEs; inference goes down the generator's
    own way, as in ResNet VAEs, and shares everything with it but the heads of the posterior.

    References:
        C. K. Sønderby, T. Raiko, L. Maaløe, S. K. Sønderby, O. Winther, "Ladder Variational Autoencoders", 2016,
        arXiv:1602.02282; D. P. Kingma, T. Salimans, R. Jozefowicz, X. Chen, I. Sutskever, M. Welling, "Improving
        Variational Inference with Inverse Autoregressive Flow", 2016, arXiv:1606.04934 (ResNet VAE); A. Vahdat,
        J. Kautz, "NVAE: A Deep Hierarchical Variational Autoencoder", 2020, arXiv:2007.03898 (posteriors in units of
        the prior).
    """

    condition: ConditionSpec | None = None

    def __init__(self, config: HierarchicalConfig) -> None:
        super().__init__()
        self.config = config
        self.image = config.image
        steps = join_steps(build_steps(config.network, config.image), len(config.latent))
        levels = list(zip(config.latent, (step.shape for step in steps), strict=True))
        self.latent = LatentSpec(
            tuple(Block(f"z{number}", (size, *shape[1:])) for number, (size, shape) in enumerate(levels, 1))
        )
        if self.latent.size > MOST_WIDTH:
            raise ValueError(f"latent: expected at most {MOST_WIDTH} values in all levels, got {self.latent.size}")
        self.encoder = Climb(steps)
        self.decoder = Descent(steps, config.latent)
        activation = config.network.activation
        self.to_posterior = nn.ModuleList(
            Head(shape, size, activation, inputs=2 if above else 1) for above, (size, shape) in enumerate(levels)
        )
        # Every level begins with the prior N(0, 1), whatever is above it.
        self.to_prior = nn.ModuleList(Head(shape, size, activation, zero=True) for size, shape in levels[1:])
        self.observe = config.likelihood.build()

    def encode(self, x: Float[Tensor, "n c h w"], condition: Tensor | None = None) -> Float[Tensor, "n d"]:
        """Latents of shape (n, d) of images (n, c, h, w): each level's posterior mean, given the means above it."""
        return self.posterior(x, condition).mean

    def decode(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Float[Tensor, "n c h w"]:
        """Mean images of shape (n, c, h, w) in [0, 1] of latents (n, d), every level as it is given."""
        return self.likelihood(z, condition).mean

    def posterior(self, x: Float[Tensor, "n c h w"], condition: Tensor | None = None) -> TopDownPosterior:
        """q(z|x) of images (n, c, h, w); they are encoded once, however often it is drawn from."""
        refuse_condition(self.config.family, condition)
        return TopDownPosterior(partial(self._descend, features=self.encoder(x)), self._sizes)

    def prior(self, condition: Tensor | None = None) -> TopDownPrior:
        """p(z) = p(z_1) Π p(z_l|z_<l) in d dimensions."""
        refuse_condition(self.config.family, condition)
        return TopDownPrior(self._descend, self._sizes)

    def likelihood(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Likelihood:
        """p(x|z) of latents (n, d)."""
        refuse_condition(self.config.family, condition)
        return self.observe(self.decoder(list(self.latent.unflatten(z).values())))

    def terms(
        self,
        x: Float[Tensor, "n c h w"],
        condition: Tensor | None = None,
        generator: torch.Generator | None = None,
        seen: Float[Tensor, "n c h w"] | None = None,
    ) -> Terms:
        """log p(x|z) at one sample z ~ q(z|x), and the KL of each level given the sample above it; q sees `seen`.

        KL(q(z_l|x, z_<l) ‖ p(z_l|z_<l)) is in closed form; its mean over samples of the levels above is the level's
        share of KL(q(z|x) ‖ p(z)). All are of shape (n,), in nats.
        """
        posterior = self.posterior(x if seen is None else seen, condition)
        way = posterior.descend(lambda _, level: level.posterior.sample(generator))
        output = self._step(len(way.levels) - 1, way.context, way.latents[-1])
        kl = [level.kl for level in way.levels]
        return Terms(
            log_likelihood=self.observe(output).log_prob(x),
            kl={block.name: part.sum(dim=1) for block, part in zip(self.latent.blocks, kl, strict=True)},
            code=way.flat,
            posterior=posterior,
            kl_dimensions=torch.cat(kl, dim=1),
        )

    def _descend(self, choose: Choice, count: int = 0, features: Sequence[Tensor] = ()) -> Way:
        """Go from the top to the lowest level, choosing the latents of one after the other.

        Args:
            choose: gives the latents of a level.
            count: how many ways to go, where there are no images.
            features: those of images on every level, the top first; none: without images.
        """
        weight = next(self.parameters())
        still = torch.zeros(features[0].shape[0] if features else count, self.latent.blocks[0].size).to(weight)
        levels: list[Level] = []
        latents: list[Tensor] = []
        context: Tensor | None = None
        for number in range(len(self.latent.blocks)):
            if number:
                context = self._step(number - 1, context, latents[-1])
            prior = DiagonalNormal(still, still) if context is None else _normal(self.to_prior[number - 1](context))
            relative = None
            if features:
                told = features[number] if context is None else torch.cat([features[number], context], dim=1)
                relative = _normal(self.to_posterior[number](told))
            levels.append(Level(prior, relative))
            latents.append(choose(number, levels[-1]))
        return Way(levels, latents, context)

    def _step(self, number: int, context: Tensor | None, z: Tensor) -> Tensor:
        """What the level below the one of this number is told, or the decoder's output."""
        return self.decoder.step(number, context, z.reshape(-1, *self.latent.blocks[number].shape))

    @property
    def _sizes(self) -> dict[str, int]:
        return {block.name: block.size for block in self.latent.blocks}


def _normal(parameters: tuple[Tensor, Tensor]) -> DiagonalNormal:
    mean, logvar = (widen(values) for values in parameters)
    return DiagonalNormal(mean, LARGEST_LOGVAR * torch.tanh(logvar / LARGEST_LOGVAR))
