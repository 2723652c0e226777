"""A model of codes seen through its embeddings: latents that can be averaged, mapped and moved along."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentlab.codec import Block, ConditionSpec, LatentSpec
from latentlab.distributions.point import Point
from latentlab.models.condition import refuse_condition
from latentlab.models.vq import VQ
from latentlab.nn.observation import Likelihood


class Embedded(nn.Module):
    """The same model, whose flat latents are the embeddings of its codes, grids of shape (c, h', w').

    Code 7 is no nearer to code 8 than to code 400, but embeddings lie near each other where their pictures are alike.
    What is decoded is decoded as it is, so that a picture follows its latent without jumps; a latent between codes is
    one that the decoder was never trained on, and `codes` says which of its own lie nearest.

    Args:
        model: its weights are shared, not copied.
    """

    condition: ConditionSpec | None = None

    def __init__(self, model: VQ) -> None:
        super().__init__()
        self.model = model
        self.config = model.config
        self.image = model.image
        self.latent = LatentSpec((Block("embedding", (model.config.dimension, *model.grid)),))

    def encode(self, x: Float[Tensor, "n c h w"], condition: Tensor | None = None) -> Float[Tensor, "n e"]:
        """The embeddings of the codes of images (n, c, h, w)."""
        return self.model.embed(self.model.encode(x, condition))

    def decode(self, z: Float[Tensor, "n e"], condition: Tensor | None = None) -> Float[Tensor, "n c h w"]:
        """Mean images of shape (n, c, h, w) in [0, 1] of vectors, as they are."""
        return self.likelihood(z, condition).mean

    def codes(self, z: Float[Tensor, "n e"]) -> Float[Tensor, "n d"]:
        """The numbers of the nearest codes: flat latents of the model itself."""
        return self.model.round_embedding(z)

    def posterior(self, x: Float[Tensor, "n c h w"], condition: Tensor | None = None) -> Point:
        """q(z|x): certain of the embeddings of its codes."""
        return Point(self.encode(x, condition))

    def prior(self, condition: Tensor | None = None) -> EmbeddedPrior:
        """p(z): that of the model, embedded."""
        refuse_condition(self.config.family, condition)
        return EmbeddedPrior(self.model)

    def likelihood(self, z: Float[Tensor, "n e"], condition: Tensor | None = None) -> Likelihood:
        """p(x|z) of vectors, as they are."""
        refuse_condition(self.config.family, condition)
        return self.model.embedding_likelihood(z)


@dataclass(frozen=True)
class EmbeddedPrior:
    """The prior of a model of codes, whose draws are embedded."""

    model: VQ

    def sample(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "n e"]:
        """Draws of shape (count, c · d)."""
        return self.model.embed(self.model.prior().sample(count, generator))
