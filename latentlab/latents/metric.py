"""What a small step in the latent space does to the picture: the metric that a decoder pulls back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from latentlab.errors import CapabilityError
from latentlab.latents.encode import codec_device
from latentlab.runtime import as_tensor

if TYPE_CHECKING:
    from torch import Tensor

    from latentlab.codec import Codec

# Pixel values of one pass through the decoder: 64 MB of float32, which intermediate layers multiply.
PASS_VALUES = 1 << 24
# Beyond so many dimensions (spatial latents) a metric takes d² numbers and d derivatives at every latent.
MOST_DIMENSIONS = 1024
# Latents in one pass.
PASS_ROWS = 256


def decoder_metric(codec: Codec) -> Callable[[np.ndarray], np.ndarray]:
    """Build the function z ↦ J(z)ᵀJ(z), J = ∂decode/∂z.

    ‖decode(z + ε) − decode(z)‖² ≈ εᵀJᵀJε. Columns of J come from forward-mode differentiation, as many at once as fit
    in memory; a decoder that does not know forward mode is differentiated backwards twice.

    Args:
        codec: any codec with continuous latents whose decoder treats each row on its own.

    Returns:
        A function of latents of shape (m, d) that returns float32 of shape (m, d, d).

    Raises:
        CapabilityError: when the latents are codes, between which there are no steps, or too long.

    References:
        Latent Space Oddity: on the Curvature of Deep Generative Models (Arvanitidis et al., 2017), arXiv:1710.11379.
    """
    if not codec.latent.continuous:
        raise CapabilityError(
            "expected continuous latents for the metric of a decoder, got codes; take a model of another family"
        )

    if codec.latent.size > MOST_DIMENSIONS:
        raise CapabilityError(
            f"expected latents of at most {MOST_DIMENSIONS:,} dimensions for the metric of a decoder, got "
            f"{codec.latent.size:,}; take pca, which looks at the latents alone"
        )

    def metric(z: np.ndarray) -> np.ndarray:
        import torch

        out = np.empty((len(z), z.shape[1], z.shape[1]), np.float32)
        with torch.inference_mode(False):
            points = as_tensor(np.ascontiguousarray(z, dtype=np.float32)).to(codec_device(codec))
            for row in range(len(z)):
                jacobian = _jacobian(codec, points[row])
                out[row] = (jacobian @ jacobian.T).cpu().numpy()
        return out

    return metric


def _jacobian(codec: Codec, point: Tensor) -> Tensor:
    """J(z)ᵀ of shape (d, pixels) at one latent of shape (d,)."""
    import torch

    size = len(point)
    step = min(size, PASS_ROWS, max(1, PASS_VALUES // codec.image.size))
    basis = torch.eye(size, device=point.device)
    columns = []
    for start in range(0, size, step):
        tangents = basis[start : start + step]
        rows = point.expand(len(tangents), size).contiguous()
        columns.append(_pushed(codec, rows, tangents).flatten(1))
    return torch.cat(columns)


def _pushed(codec: Codec, rows: Tensor, tangents: Tensor) -> Tensor:
    """The derivative of each picture along its own tangent."""
    import torch

    with torch.enable_grad():
        try:
            moved = torch.func.jvp(codec.decode, (rows,), (tangents,))[1]
        except (NotImplementedError, RuntimeError):
            moved = torch.autograd.functional.jvp(codec.decode, (rows,), (tangents,))[1]
    return moved.detach()
