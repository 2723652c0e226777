"""What a walk through the latent space costs in pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from latentlab.errors import CapabilityError
from latentlab.latents.encode import codec_device
from latentlab.runtime import BATCH, as_tensor

if TYPE_CHECKING:
    from latentlab.codec import Codec

# Pixel values that are decoded at once: what the layers keep for the way back is many times this.
PASS_VALUES = 1 << 21


def decoder_energy(codec: Codec) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Build the function c ↦ E(c) = (N − 1) Σᵢ ‖f(cᵢ₊₁) − f(cᵢ)‖² with its gradient; ‖·‖ is the rms over pixels.

    √E is no less than the length of the curve in pictures, and as much where its pace is even.

    Args:
        codec: any codec with continuous latents whose decoder treats each row on its own.

    Returns:
        A function of a curve of shape (m, d), m ≥ 2, that returns its energy and the gradient of it, float64 of shape
        (m, d). Decodes as many points at once as fit in bounded memory.

    Raises:
        CapabilityError: when the latents are codes, between which there are no steps.

    References:
        G. Arvanitidis, L. K. Hansen, S. Hauberg, "Latent Space Oddity: on the Curvature of Deep Generative Models",
        2017, arXiv:1710.11379.
    """
    if not codec.latent.continuous:
        raise CapabilityError(
            "expected continuous latents for a geodesic, got codes; take another path, or a model of another family"
        )
    rows = min(BATCH, max(2, PASS_VALUES // codec.image.size))

    def energy(curve: np.ndarray) -> tuple[float, np.ndarray]:
        import torch

        count = len(curve)
        value = 0.0
        gradient = np.zeros(curve.shape)
        device = codec_device(codec)
        with torch.inference_mode(False), torch.enable_grad():
            points = as_tensor(np.ascontiguousarray(curve, dtype=np.float32))
            # Each pass begins with the last point of the one before: no step falls between two.
            for start in range(0, count - 1, rows - 1):
                some = points[start : start + rows].to(device).requires_grad_()
                images = codec.decode(some).flatten(1)
                part = (count - 1) * (images[1:] - images[:-1]).square().mean(dim=1).double().sum()
                (slope,) = torch.autograd.grad(part, some)
                value += part.item()
                gradient[start : start + rows] += slope.double().cpu().numpy()
        return value, gradient

    return energy
