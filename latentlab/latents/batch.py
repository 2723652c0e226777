"""Functions of tensors for arrays of latents, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.latents.encode import codec_device
from latentlab.runtime import as_tensor, batch_rows

if TYPE_CHECKING:
    from torch import Tensor


def in_batches(function: Callable[[Tensor], Tensor], codec: Any, latents: np.ndarray) -> np.ndarray:
    """What a function of tensors answers to latents, where the codec is.

    Args:
        function: rows to as many rows.
        codec: where its parameters are, the function is computed.
        latents: of shape (n, d); with none of them the function is asked once, for what a row of its answer is like.

    Returns:
        Of shape (n, …).
    """
    import torch

    device = codec_device(codec)
    step = batch_rows(codec.image.size)
    latents = np.ascontiguousarray(latents, np.float32)
    with torch.inference_mode():
        parts = [
            function(as_tensor(latents[start : start + step]).to(device)).cpu().numpy()
            for start in range(0, max(1, len(latents)), step)
        ]
    return np.concatenate(parts)
