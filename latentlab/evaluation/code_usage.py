"""How much of its codebook, or else of its latent, a model uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latentlab.evaluation.usage import active_units

if TYPE_CHECKING:
    from latentlab.codec import LatentSpec


@dataclass(frozen=True)
class CodeUsage:
    """How often each of K codes was chosen.

    Args:
        shares: of the choices, of shape (K,); they add up to 1.
    """

    shares: np.ndarray

    @property
    def size(self) -> int:
        """K."""
        return len(self.shares)

    @property
    def used(self) -> int:
        """The number of codes that were chosen at all."""
        return int((self.shares > 0).sum())

    @property
    def perplexity(self) -> float:
        """exp(−Σ p log p): 1 where one code is chosen always, K where all are chosen equally often."""
        chosen = self.shares[self.shares > 0]
        return float(np.exp(-(chosen * np.log(chosen)).sum()))


def code_usage(numbers: np.ndarray, codes: int) -> CodeUsage:
    """Count codes.

    Args:
        numbers: code numbers from 0 to codes − 1, of any shape, at least one.
        codes: K.
    """
    counts = np.bincount(np.asarray(numbers).ravel().astype(np.int64), minlength=codes)
    return CodeUsage(counts / counts.sum())


def latent_usage(latent: LatentSpec, latents: np.ndarray) -> dict[str, float]:
    """How much of its latent a model uses on images, as scores with names.

    Args:
        latent: its blocks.
        latents: flat, of shape (n, d).

    Returns:
        `active_units` of a continuous latent; of codes `codebook_size`, `codes_used` and `codebook_perplexity`.
    """
    for block, place in zip(latent.blocks, latent.slices().values(), strict=True):
        if block.codes is not None:
            usage = code_usage(latents[:, place], block.codes)
            return {"codebook_size": usage.size, "codes_used": usage.used, "codebook_perplexity": usage.perplexity}
    return {"active_units": int(active_units(latents).sum())}
