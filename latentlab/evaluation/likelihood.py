"""How well a model explains images: the ELBO and its parts, one value an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from latentlab.data.dataset import as_unit
from latentlab.latents.encode import codec_device
from latentlab.runtime import Progress, as_tensor, batch_rows, silent, torch_generator, tracked

if TYPE_CHECKING:
    from latentlab.codec import LatentModel

# Images that are decoded and compared at once.
CHUNK = 1_000

# What nats of an image are of: a density over grey values, a probability of black and white pixels, or neither.
Nats = Literal["density", "probability", "pseudo"]


@dataclass(frozen=True)
class Likelihood:
    """The terms of the bound for n images, each averaged over some posterior samples.

    Args:
        reconstruction_nats: −log p(x|z), of shape (n,).
        kl_nats: KL(q(z|x) ‖ p(z)), of shape (n,); zeros for a model without a posterior.
        kl_dimensions: the mean KL of each latent dimension, of shape (d,), in nats; None where it has no parts.
    """

    reconstruction_nats: np.ndarray
    kl_nats: np.ndarray
    kl_dimensions: np.ndarray | None

    @property
    def negative_elbo_nats(self) -> np.ndarray:
        """−ELBO = −log p(x|z) + KL(q(z|x) ‖ p(z)), an upper bound on −log p(x), of shape (n,)."""
        return self.reconstruction_nats + self.kl_nats


def kind_of_nats(likelihood: str, pixels: np.ndarray) -> Nats:
    """What −log p(x) is of: only numbers of one kind compare, and those of densities of one range of pixels.

    Grey pixels are no coin tosses: under a Bernoulli they make a pseudo-likelihood, which is neither a probability nor
    a density.

    Args:
        likelihood: by its name, such as `bernoulli`.
        pixels: of the images, uint8, or float32 in [0, 1].
    """
    if likelihood != "bernoulli":
        return "density"
    top = 255 if pixels.dtype == np.uint8 else 1
    return "probability" if bool(((pixels == 0) | (pixels == top)).all()) else "pseudo"


def mean_square_error(pixels: np.ndarray, latents: np.ndarray, decode: Callable[[np.ndarray], np.ndarray]) -> float:
    """The mean over images and pixels of (x − decode(z))².

    Args:
        pixels: of shape (n, c, h, w), uint8 or float32 in [0, 1].
        latents: the latents of the images, of shape (n, d).
        decode: latents (n, d) to pictures (n, c, h, w).
    """
    total = 0.0
    for start in range(0, len(pixels), CHUNK):
        rows = slice(start, start + CHUNK)
        squared = (as_unit(pixels[rows]) - decode(latents[rows])) ** 2
        total += float(squared.mean(dtype=np.float64)) * len(squared)
    return total / len(pixels)


def score_likelihood(
    model: LatentModel,
    pixels: np.ndarray,
    *,
    samples: int = 1,
    seed: int = 0,
    progress: Progress = silent,
) -> Likelihood:
    """Score images under a model.

    Args:
        model: anything with `terms`.
        pixels: of shape (n, c, h, w), uint8 or float32 in [0, 1].
        samples: posterior samples an image, averaged: the estimate of the mean over images wanders less.
        seed: of the posterior samples.
        progress: told of every batch.

    Returns:
        The terms, in nats, summed over pixels.

    References:
        D. P. Kingma, M. Welling, "Auto-Encoding Variational Bayes", 2013, arXiv:1312.6114.
    """
    import torch

    generator = torch_generator(seed)
    device = codec_device(model)
    reconstruction, kl, dimensions = [], [], []
    with torch.inference_mode():
        step = batch_rows(model.image.size)
        for start in tracked(range(0, len(pixels), step), "scoring", progress):
            x = as_tensor(as_unit(pixels[start : start + step])).to(device)
            drawn = [model.terms(x, generator=generator) for _ in range(samples)]
            reconstruction.append(np.mean([-terms.log_likelihood.double().cpu().numpy() for terms in drawn], axis=0))
            blocks = [[value.double().cpu().numpy() for value in terms.kl.values()] for terms in drawn]
            kl.append(np.mean([np.sum(values, axis=0) for values in blocks], axis=0) if blocks[0] else np.zeros(len(x)))
            parts = [terms.kl_dimensions for terms in drawn if terms.kl_dimensions is not None]
            if parts:
                dimensions.append(np.mean([part.double().cpu().numpy() for part in parts], axis=0))
    return Likelihood(
        np.concatenate(reconstruction),
        np.concatenate(kl),
        np.concatenate(dimensions).mean(axis=0) if dimensions else None,
    )
