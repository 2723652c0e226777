"""Which number format and memory format pay off on a device."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager

import torch


def pick_precision(asked: str, device: torch.device, convolutions: bool) -> str:
    """Turn `auto` into `float32` or `bfloat16`.

    Convolutions gain from bfloat16 (1.6 × on a processor with AVX512-BF16), small fully connected layers lose to
    the conversions, and a processor without units for it computes it slowly.
    """
    if asked != "auto":
        return asked
    if not convolutions:
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
