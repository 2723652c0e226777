"""The VQ-VAE: a grid of codes from a learned codebook, with an autoregressive prior over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentlab.codec import Block, ConditionSpec, ImageSpec, LatentSpec, Terms
from latentlab.distributions.point import Point
from latentlab.models.condition import refuse_condition
from latentlab.nn.autoregressive import Autoregressive
from latentlab.nn.bound import check_sides, check_width
from latentlab.nn.grid import Grid
from latentlab.nn.observation import Likelihood, Observation, widen
from latentlab.nn.quantizer import Quantizer


@dataclass(frozen=True)
class VQConfig:
    """A VQ-VAE: the images that it takes, its codebook, its networks, its likelihood and its prior.

    Args:
        image: the images.
        codes: K, the size of the codebook.
        dimension: c, the size of an embedding.
        network: from images to a grid of vectors and back.
        likelihood: p(x|z).
        prior: p(z).
        commitment: β, the weight of ‖z_e − e‖², which keeps the encoder near the codes that it chose.
        decay: γ of the moving averages that codes are.
        restart: below which share of a fair number of choices a code is put elsewhere.
    """

    image: ImageSpec
    family: Literal["vq"] = "vq"
    codes: int = 128
    dimension: int = 8
    network: Grid = field(default_factory=Grid)
    likelihood: Observation = field(default_factory=Observation)
    prior: Autoregressive = field(default_factory=Autoregressive)
    commitment: float = 0.25
    decay: float = 0.95
    restart: float = 0.1

    def __post_init__(self) -> None:
        check_width("codes", self.codes, least=2)
        check_width("dimension", self.dimension)
        check_sides(self.image)
        if not 0 < self.commitment < 1e6:
            raise ValueError(f"commitment: expected a number above 0 and below 1000000, got {self.commitment}")
        for name in ("decay", "restart"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name}: expected a number between 0 and 1, got {getattr(self, name)}")

    @property
    def convolutions(self) -> bool:
        """Whether it is made of convolutions: they have memory and number formats of their own."""
        return True

    @property
    def latent(self) -> int:
        """The length d of the flat latent: the number of codes of an image."""
        height, width = self.network.size(self.image)
        return height * width

    def build(self) -> VQ:
        """A new model with random weights, drawn from torch's current generator."""
        grid = self.network.size(self.image)
        parts = VQParts(
            grid=grid,
            encoder=self.network.build_encoder(self.image, self.dimension),
            quantizer=Quantizer(self.codes, self.dimension, self.decay, self.restart),
            decoder=self.network.build_decoder(self.dimension, self.image),
            observe=self.likelihood.build(),
            prior=self.prior.build(self.codes, grid[0] * grid[1]),
            commitment=self.commitment,
        )
        return VQ(self, parts)


class VQParts(NamedTuple):
    """What a VQ-VAE is made of.

    Args:
        grid: (h, w) of the codes of an image.
        encoder: images to grids of vectors (n, c, h, w), flat or not.
        quantizer: vectors (n, c) to the numbers of their codes; has the `codebook`, of shape (K, c).
        decoder: grids of vectors to what `observe` takes.
        observe: p(x|z).
        prior: p(z): `log_probs` and `sample` of code numbers.
        commitment: the weight of ‖z_e − e‖² in training.
    """

    grid: tuple[int, int]
    encoder: nn.Module
    quantizer: Any
    decoder: nn.Module
    observe: nn.Module
    prior: Any
    commitment: float = 0.0


class VQ(nn.Module):
    """q(z|x) puts all its probability on the codes k nearest to what the encoder puts out; p(x|z) as configured.

    The flat latent of an image is its code numbers, as floats, row by row. Since q is a point,
    KL(q(z|x) ‖ p(z)) = −log p(k), and log p(x|k) + log p(k) ≤ log p(x) is an ELBO like that of a VAE, with the learned
    prior p. (The uniform prior of the paper would make the KL d·log K for every image.)

    One loss trains all: −log p(x|k) reaches the encoder straight through the choice of codes, −log p(k) reaches the
    prior alone, for codes have no gradient, so that the prior learns beside the codes without pulling at them, and
    the commitment β‖z_e − sg[e_k]‖² is an auxiliary term, summed over the grid. The codebook follows the encoder in
    every training step (see `Quantizer`). An objective without the KL leaves the prior as it began.

    References:
        A. van den Oord, O. Vinyals, K. Kavukcuoglu, "Neural Discrete Representation Learning", 2017, arXiv:1711.00937.
    """

    condition: ConditionSpec | None = None

    def __init__(self, config: Any, parts: VQParts) -> None:
        super().__init__()
        self.config = config
        self.image = config.image
        self.grid, self.encoder, self.quantizer, self.decoder, self.observe, self.code_prior, self.commitment = parts
        self.latent = LatentSpec((Block("codes", self.grid, codes=config.codes),))

    def encode(self, x: Float[Tensor, "n c h w"], condition: Tensor | None = None) -> Float[Tensor, "n d"]:
        """Code numbers of shape (n, d) of images (n, c, h, w)."""
        refuse_condition(self.config.family, condition)
        return self.round_embedding(self._vectors(x))

    def decode(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Float[Tensor, "n c h w"]:
        """Mean images of shape (n, c, h, w) in [0, 1] of code numbers (n, d)."""
        return self.likelihood(z, condition).mean

    def posterior(self, x: Float[Tensor, "n c h w"], condition: Tensor | None = None) -> Point:
        """q(z|x) of images (n, c, h, w): certain of their codes."""
        return Point(self.encode(x, condition))

    def prior(self, condition: Tensor | None = None) -> Any:
        """p(z): its samples are code numbers of shape (n, d)."""
        refuse_condition(self.config.family, condition)
        return self.code_prior

    def likelihood(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Likelihood:
        """p(x|z) of code numbers (n, d)."""
        refuse_condition(self.config.family, condition)
        return self.embedding_likelihood(self.embed(z))

    def terms(
        self,
        x: Float[Tensor, "n c h w"],
        condition: Tensor | None = None,
        generator: torch.Generator | None = None,
        seen: Float[Tensor, "n c h w"] | None = None,
    ) -> Terms:
        """log p(x|k), KL = −log p(k), and the commitment, of shape (n,), at the codes k of `seen` (by default x).

        In training mode the codebook takes a step as well, with restarts drawn by the generator. The commitment is a
        weighted squared distance; the others are in nats.
        """
        refuse_condition(self.config.family, condition)
        vectors = self._vectors(x if seen is None else seen)
        z = self.round_embedding(vectors)
        embedding = self.embed(z)
        commitment = self.commitment * ((vectors - embedding) ** 2).sum(dim=1)
        # The gradient passes the choice of codes as if it had not been made.
        passed = vectors + (embedding - vectors).detach()
        surprise = -self.code_prior.log_probs(z)
        likelihood = self.embedding_likelihood(passed).log_prob(x)
        if self.training:
            self.quantizer.update(self._places(vectors.detach()), z.reshape(-1).long(), generator)
        return Terms(
            log_likelihood=likelihood,
            kl={"codes": surprise.sum(dim=1)},
            auxiliary={"commitment": commitment},
            code=z,
            posterior=Point(z),
            kl_dimensions=surprise,
        )

    def embed(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """The embeddings of code numbers (n, d): grids of shape (c, h', w'), flat, of shape (n, c · d)."""
        numbers = z.round().clamp(0, self.config.codes - 1).long()
        return self.quantizer.codebook[numbers].transpose(1, 2).flatten(1)

    def round_embedding(self, embedding: Float[Tensor, "n e"]) -> Float[Tensor, "n d"]:
        """The numbers of the codes nearest to the vectors of flat grids (n, c · d), of shape (n, d)."""
        chosen = self.quantizer(self._places(embedding))
        return chosen.reshape(embedding.shape[0], self.latent.size).to(embedding)

    def decode_embedding(self, embedding: Float[Tensor, "n e"]) -> Float[Tensor, "n c h w"]:
        """Mean images of flat grids of vectors (n, c · d) as they are, which need not be those of any code."""
        return self.embedding_likelihood(embedding).mean

    def embedding_likelihood(self, embedding: Float[Tensor, "n e"]) -> Likelihood:
        """p(x|·) of flat grids of vectors (n, c · d) as they are."""
        return self.observe(self.decoder(embedding.unflatten(1, (self.config.dimension, *self.grid))))

    def _vectors(self, x: Tensor) -> Tensor:
        """What the encoder puts out, as flat grids, of shape (n, c · d)."""
        return widen(self.encoder(x)).flatten(1)

    def _places(self, embedding: Tensor) -> Tensor:
        """The vectors of flat grids, those of an image row by row, of shape (n · d, c)."""
        return embedding.unflatten(1, (self.config.dimension, -1)).transpose(1, 2).flatten(0, 1)
