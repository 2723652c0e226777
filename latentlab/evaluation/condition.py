"""How well a conditional model reads conditions from images, and whether pictures show those that were asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

from latentlab.codec import ConditionSpec
from latentlab.latents.table import Latents


def condition_block(codec: Any, latents: np.ndarray) -> np.ndarray:
    """The part of flat latents of shape (n, d) that carries the condition, of shape (n, k)."""
    return latents[:, codec.latent.slices()[codec.condition.block]]


def read_as(condition: ConditionSpec, read: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Whether the probabilities that a head gives are on the side of what was asked, of shape (n,) or (n, k).

    Args:
        condition: what the numbers stand for.
        read: probabilities of shape (n, k).
        asked: conditions of shape (n, k), 0 and 1.

    Returns:
        For classes whether the likeliest is the one, of shape (n,); for attributes whether each is above or below one
        half as it should be, of shape (n, k).
    """
    if condition.kind == "class":
        return read.argmax(axis=1) == asked.argmax(axis=1)
    return (read > 0.5) == (asked > 0.5)


def score_condition(codec: Any, latents: Latents) -> dict[str, float]:
    """The share of images whose condition the model's head reads rightly, over those that have one.

    Args:
        codec: any codec.
        latents: of images with labels or attributes.

    Returns:
        `condition_accuracy` (over images, and over attributes where there are several), and `condition_images`, how
        many were read; nothing for a model without a condition, or images of which none is known.
    """
    condition = getattr(codec, "condition", None)
    if condition is None or not condition.block or not set(condition.names) <= set(latents.property_names()):
        return {}
    truth = np.stack([latents.truth(name) for name in condition.names], axis=1)
    known = ~np.isnan(truth).any(axis=1)
    if not known.any():
        return {}
    right = read_as(condition, condition_block(codec, latents.mean)[known], truth[known])
    return {"condition_accuracy": float(right.mean()), "condition_images": int(known.sum())}
