"""Edits: z' = z + αv. One α a direction, or a sweep over several."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from latentlab.errors import DataError, UsageError

MAXIMUM_ALPHAS = 200


def sweep(z: np.ndarray, steps: Mapping[str, tuple[np.ndarray, Sequence[float] | np.ndarray]]) -> np.ndarray:
    """Move latents by each of k steps: z'ⱼ = z + Σᵢ αᵢⱼvᵢ.

    Args:
        z: latents of shape (n, d).
        steps: for each attribute its vector, of shape (d,), and its alphas in class gaps: k of them, or one that
            stays, for all latents alike; or of shape (n, k) or (n, 1), for each its own.

    Returns:
        float32 of shape (n, k, d).

    Raises:
        DataError: when a vector does not fit the latents.
        UsageError: when an α is not a finite number, or attributes have different numbers of alphas.
    """
    alphas = {name: np.atleast_2d(np.asarray(values, np.float64)) for name, (_, values) in steps.items()}
    length = max((values.shape[1] for values in alphas.values()), default=1)
    total = np.zeros((len(z), length, z.shape[1]))
    for name, values in alphas.items():
        vector = _checked(name, steps[name][0], z)
        if values.shape[1] not in (1, length):
            raise UsageError(
                f"expected 1 or {length} alphas for {name!r}, got {values.shape[1]}; give each attribute as many"
            )
        if not np.isfinite(values).all():
            raise UsageError(f"expected a finite alpha for {name!r}, got {values[~np.isfinite(values)][0]}")
        total += values[..., None] * vector
    return (z[:, None].astype(np.float64) + total).astype(np.float32)


def _checked(name: str, vector: np.ndarray, z: np.ndarray) -> np.ndarray:
    """A vector as float64, when it fits latents of shape (n, d)."""
    if vector.shape != z.shape[1:]:
        raise DataError(
            f"expected a direction of {z.shape[1]} values for {name!r}, got {vector.shape}; it belongs to another model"
        )
    return vector.astype(np.float64)


def parse_alphas(text: str) -> tuple[float, ...]:
    """Read alphas: one number, several with commas, or `from:to:count`.

    Args:
        text: as in `1.5`, `0,1,2` or `-2:2:9`.

    Returns:
        1 to 200 finite numbers.

    Raises:
        UsageError: when it is none of these.

    >>> parse_alphas("-2:2:5")
    (-2.0, -1.0, 0.0, 1.0, 2.0)
    """
    parts = text.split(":")
    if len(parts) == 1:
        alphas = tuple(_number(part, text) for part in text.split(","))
        if len(alphas) > MAXIMUM_ALPHAS:
            raise UsageError(f"expected at most {MAXIMUM_ALPHAS} alphas, got {len(alphas)}")
        return alphas
    if len(parts) != 3:
        raise _malformed(text)
    first, last = _number(parts[0], text), _number(parts[1], text)
    try:
        count = int(parts[2])
    except ValueError:
        raise _malformed(text) from None
    if not 2 <= count <= MAXIMUM_ALPHAS:
        raise UsageError(f"expected from 2 to {MAXIMUM_ALPHAS} alphas, got {count} in {text!r}")
    # Rounded, so that a symmetric sweep passes through 0 itself and captions stay short.
    return tuple(round(float(alpha), 12) + 0.0 for alpha in np.linspace(first, last, count))


def _number(part: str, text: str) -> float:
    try:
        number = float(part)
    except ValueError:
        raise _malformed(text) from None
    if not math.isfinite(number):
        raise UsageError(f"expected finite alphas, got {part.strip()} in {text!r}")
    return number


def _malformed(text: str) -> UsageError:
    return UsageError(f"expected alpha as a number, a list as in 0,1,2 or a range as in -2:2:9, got {text!r}")
