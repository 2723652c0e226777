"""Between code numbers and the vectors that they stand for."""

from __future__ import annotations

from typing import Any

import numpy as np

from latentlab.latents.batch import in_batches


def embed_latents(codec: Any, latents: np.ndarray) -> np.ndarray:
    """Latents between which distances and means say something: embeddings of codes, all others as they are.

    Args:
        codec: any codec; one of codes has `embed`.
        latents: flat, of shape (n, d).

    Returns:
        float32 of shape (n, e); e = d for continuous latents.
    """
    return latents if codec.latent.continuous else in_batches(codec.embed, codec, latents)


def nearest_codes(embedded: Any, vectors: np.ndarray) -> np.ndarray:
    """The code numbers nearest to vectors of shape (n, e), as float32 of shape (n, d).

    Args:
        embedded: a `models.embedded.Embedded`.
        vectors: of its latents.
    """
    return in_batches(embedded.codes, embedded, vectors)
