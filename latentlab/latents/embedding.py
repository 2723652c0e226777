"""Between code numbers and the vectors that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.latents.encode import codec_device
from latentlab.runtime import BATCH, as_tensor

if TYPE_CHECKING:
    from torch import Tensor


def embed_latents(codec: Any, latents: np.ndarray) -> np.ndarray:
    """Latents between which distances and means say something: embeddings of codes, all others as they are.

    Args:
        codec: any codec; one of codes has `embed`.
        latents: flat, of shape (n, d).

    Returns:
        float32 of shape (n, e); e = d for continuous latents.
    """
    return latents if codec.latent.continuous else _in_batches(codec.embed, codec, latents)


def nearest_codes(embedded: Any, vectors: np.ndarray) -> np.ndarray:
    """The code numbers nearest to vectors of shape (n, e), as float32 of shape (n, d).

    Args:
        embedded: a `models.embedded.Embedded`.
        vectors: of its latents.
    """
    return _in_batches(embedded.codes, embedded, vectors)


def _in_batches(function: Callable[[Tensor], Tensor], codec: Any, values: np.ndarray) -> np.ndarray:
    import torch

    device = codec_device(codec)
    values = np.asarray(values, np.float32)
    with torch.inference_mode():
        parts = [
            function(as_tensor(values[start : start + BATCH]).to(device)).cpu().numpy()
            for start in range(0, max(1, len(values)), BATCH)
        ]
    return np.concatenate(parts)
