"""Which number format and memory format pay off on a device."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

import torch
from torch import nn

# Numbers in a matrix from which on bfloat16 gains more than the conversions cost.
WIDE = 2**16


def pick_precision(asked: str, device: torch.device, model: nn.Module) -> str:
    """Turn `auto` into `float32` or `bfloat16`.

    On a processor with AVX512-BF16 a training step gains from bfloat16 with convolutions (1.6 ×) and with wide fully
    connected layers (784 × 400: 1.3 ×, 784 × 512: 1.4 ×); small ones lose to the conversions (64 × 256: .8 ×), and a
    processor without units for it computes it slowly.
    """
    if asked != "auto":
        return asked
    if not any(weight.ndim == 4 or (weight.ndim == 2 and weight.numel() >= WIDE) for weight in model.parameters()):
        return "float32"
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    if device.type == "cpu":
        # Missing in older versions of torch: then float32 it is.
        able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
        return "bfloat16" if able.get("avx512_bf16") or able.get("amx_bf16") else "float32"
    return "float32"


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which the forward pass runs."""
    if precision == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
