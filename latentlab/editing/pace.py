"""The pace of a path: frames where the picture changes as much from each to the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from latentlab.editing.paths.space import Curve

Decode = Callable[[np.ndarray], np.ndarray]

# Points at which the length of a leg is measured, at least, and for each frame.
LEAST_DENSE, DENSE = 65, 4
# Rounds in which frames are moved until the steps between them, and not only the way, are equal.
ROUNDS = 12
# Steps whose deviation is less than this share of their mean are equal to every eye.
EVEN = 2e-3
# Pictures that are held at once.
HELD = 256


def measure(curve: Curve, times: np.ndarray, decode: Decode) -> np.ndarray:
    """How far the picture has changed from the start to each time: Σ rms(xᵢ₊₁ − xᵢ).

    Args:
        curve: a path.
        times: ascending, of shape (m,).
        decode: makes pictures (m, …) of latents (m, d).

    Returns:
        Of shape (m,), beginning with 0.
    """
    steps = []
    before: np.ndarray | None = None
    for start in range(0, len(times), HELD):
        images = decode(curve(times[start : start + HELD]).astype(np.float32))
        flat = images.reshape(len(images), -1).astype(np.float64)
        joined = flat if before is None else np.concatenate([before, flat])
        steps.append(np.sqrt(((joined[1:] - joined[:-1]) ** 2).mean(axis=1)))
        before = flat[-1:]
    return np.concatenate([[0.0], np.cumsum(np.concatenate(steps))])


def even_times(curve: Curve, hops: int, decode: Decode) -> np.ndarray:
    """The times at which the picture changes equally from frame to frame.

    The first guess divides the way in pictures, measured on a dense walk, into equal parts. Where that way bends
    between two frames, the step from one to the other is shorter than the way: a few rounds move the frames until the
    steps are equal too, and the most even round is kept.

    Args:
        curve: a path.
        hops: steps, one fewer than frames.
        decode: makes pictures of latents.

    Returns:
        Ascending from 0 to 1, of shape (hops + 1,); evenly spaced where the picture never changes.
    """
    times, way = dense(curve, hops, decode)
    best, least = np.linspace(0, 1, hops + 1), np.inf
    if way[-1] <= 0:
        return best
    along = np.linspace(0, way[-1], hops + 1)
    for _ in range(ROUNDS):
        chosen = np.interp(along, way, times)
        chosen[0], chosen[-1] = 0.0, 1.0
        stepped = measure(curve, chosen, decode)
        variation = float(np.diff(stepped).std() / max(stepped[-1] / hops, np.finfo(float).tiny))
        if variation < least:
            best, least = chosen, variation
        if variation < EVEN:
            break
        along = np.interp(np.linspace(0, stepped[-1], hops + 1), stepped, along)
    return best


def dense(curve: Curve, hops: int, decode: Decode) -> tuple[np.ndarray, np.ndarray]:
    """Times all along a path, and how far the picture has changed until each."""
    times = np.linspace(0, 1, max(LEAST_DENSE, DENSE * hops + 1))
    return times, measure(curve, times, decode)


def share_hops(lengths: Sequence[float], hops: int) -> list[int]:
    """Divide steps among the legs of a path, so that the longest step is as short as can be.

    >>> share_hops([3.0, 1.0], 8)
    [6, 2]
    """
    shared = [1] * len(lengths)
    for _ in range(hops - len(lengths)):
        longest = max(range(len(lengths)), key=lambda leg: lengths[leg] / shared[leg])
        shared[longest] += 1
    return shared
