"""From latents to draws of images, where a decoder has more to draw than one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentlab.errors import CapabilityError
from latentlab.latents.batch import in_batches
from latentlab.runtime import torch_generator

if TYPE_CHECKING:
    from latentlab.codec import Codec


def fill_latents(codec: Codec, latents: np.ndarray, seed: int = 0) -> np.ndarray:
    """Draw one image x ~ p(x|z) for each latent.

    Args:
        codec: a model of the family `lossy`, whose decoder fills in what the code leaves open.
        latents: of shape (n, d).
        seed: of the draws.

    Returns:
        float32 of shape (n, c, h, w), in [0, 1] but for likelihoods that reach over it.

    Raises:
        CapabilityError: when the decoder fills nothing in: its pixels are independent given the latent.
    """
    if not hasattr(codec, "fill"):
        family = getattr(getattr(codec, "config", None), "family", type(codec).__name__)
        raise CapabilityError(
            f"expected a decoder that fills in what the code leaves open, as the family 'lossy' has, got {family!r}, "
            "whose pixels are independent of each other given the latent"
        )
    generator = torch_generator(seed)
    return in_batches(lambda z: codec.fill(z, generator), codec, latents)
