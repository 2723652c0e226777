"""What a path looks like: how far it goes in pictures, how evenly, and whether the model takes them back."""

from __future__ import annotations

import numpy as np

from latentlab.errors import DataError


def frame_scores(images: np.ndarray) -> dict[str, float]:
    """Score the frames of a path by the steps between them, sᵢ = rms(xᵢ₊₁ − xᵢ).

    Args:
        images: of shape (m, c, h, w) in [0, 1], m ≥ 2.

    Returns:
        `image_length` (Σsᵢ, root-mean-square change of a pixel value), `straight_length` (that between the two
        ends), `largest_step` (max sᵢ), `speed_variation` (sd of sᵢ over their mean; 0 is an even pace).

    Raises:
        DataError: when there are fewer than 2 frames.
    """
    if len(images) < 2:
        raise DataError(f"expected at least 2 frames to score a path, got {len(images)}")
    flat = images.reshape(len(images), -1).astype(np.float64)
    steps = np.sqrt(((flat[1:] - flat[:-1]) ** 2).mean(axis=1))
    mean = float(steps.mean())
    return {
        "image_length": float(steps.sum()),
        "straight_length": float(np.sqrt(((flat[-1] - flat[0]) ** 2).mean())),
        "largest_step": float(steps.max()),
        "speed_variation": float(steps.std()) / mean if mean > 0 else 0.0,
    }


def cycle_error(latents: np.ndarray, returned: np.ndarray) -> float:
    """How far latents come back from where they went: mean ‖encode(decode(z)) − z‖ over mean ‖z − z̄‖.

    The mean distance of the latents from their own mean is the yardstick: at 1 and above the model
    takes the frames for something else than they were meant to be.

    Args:
        latents: z of shape (m, d).
        returned: encode(decode(z)) of shape (m, d).

    Returns:
        A ratio, 0 or more; the plain mean distance when all latents are the same.

    Raises:
        DataError: when the two differ in shape.
    """
    if latents.shape != returned.shape:
        raise DataError(f"expected as many latents back as went in, {latents.shape}, got {returned.shape}")
    missed = float(np.linalg.norm(returned.astype(np.float64) - latents, axis=1).mean())
    spread = float(np.linalg.norm(latents - latents.mean(axis=0, dtype=np.float64), axis=1).mean())
    return missed / spread if spread > 0 else missed
