"""Paths: ordered latents between given ends, in a straight line or round a center."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from latentlab.errors import DataError, UsageError, unknown_name

# Below this sine of the angle two ends are parallel or opposite as far as float32 latents can tell.
TINY = 1e-7


def line(start: np.ndarray, end: np.ndarray, t: np.ndarray, center: np.ndarray) -> np.ndarray:
    """The straight line z(t) = (1 − t)·start + t·end.

    Args:
        start: of shape (d,).
        end: of shape (d,).
        t: of shape (m,), from 0 to 1.
        center: of shape (d,); a line has no use for it.

    Returns:
        float64 of shape (m, d).
    """
    return (1 - t)[:, None] * start + t[:, None] * end


def slerp(start: np.ndarray, end: np.ndarray, t: np.ndarray, center: np.ndarray) -> np.ndarray:
    """The arc round a center whose distance from it changes evenly.

    z(t) = c + ((1 − t)‖u‖ + t‖v‖)·(cos(tω)·û + sin(tω)·p̂), with u and v the ends seen from c, p̂ the unit
    vector across û towards v̂, and ω = 2·atan2(‖û − v̂‖, ‖û + v̂‖), which is exact at every angle.
    Parallel ends, and ends in the center, are joined by a line; opposite ones by an arc through the
    axis that is most nearly across.

    Args:
        start: of shape (d,).
        end: of shape (d,).
        t: of shape (m,), from 0 to 1.
        center: of shape (d,), such as the mean of the aggregate posterior.

    Returns:
        float64 of shape (m, d).

    References:
        Animating Rotation with Quaternion Curves (Shoemake, 1985).
        Sampling Generative Networks (White, 2016), arXiv:1609.04468.
    """
    u, v = start - center, end - center
    u_norm, v_norm = float(np.linalg.norm(u)), float(np.linalg.norm(v))
    if min(u_norm, v_norm) <= TINY * max(u_norm, v_norm, TINY):
        return line(start, end, t, center)
    u, v = u / u_norm, v / v_norm
    omega = 2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))
    across = v - (v @ u) * u
    if np.linalg.norm(across) < TINY:
        if omega < 1:
            return line(start, end, t, center)
        # The same axis from either end, so that the way back is the way there.
        axis = np.eye(len(u))[np.argmin(np.abs(u))]
        across = axis - (axis @ u) * u
        if np.linalg.norm(across) < TINY:
            return line(start, end, t, center)
    across /= np.linalg.norm(across)
    across -= (across @ u) * u
    across /= np.linalg.norm(across)
    turned = np.cos(t * omega)[:, None] * u + np.sin(t * omega)[:, None] * across
    return center + ((1 - t) * u_norm + t * v_norm)[:, None] * turned


# A path takes two ends (d,), times (m,) from 0 to 1 and a center (d,), and returns latents (m, d).
Path = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]

PATHS: dict[str, Path] = {
    "line": line,
    "slerp": slerp,
}


def key_frames(ends: int, steps: int) -> list[int]:
    """The frames at which a path of `steps` frames is at each of its ends, as evenly spread as they go.

    >>> key_frames(3, 9)
    [0, 4, 8]
    """
    # Rounded half up, in whole numbers.
    return [(2 * index * (steps - 1) + ends - 1) // (2 * (ends - 1)) for index in range(ends)]


def walk(ends: np.ndarray, steps: int, kind: str = "line", center: np.ndarray | None = None) -> np.ndarray:
    """Walk from end to end, through every one of them exactly.

    Args:
        ends: latents of shape (k, d), k ≥ 2.
        steps: the number of frames, ends included, at least k; see `key_frames` for where the ends come.
        kind: a name in PATHS.
        center: what `slerp` turns round, of shape (d,); None for the origin.

    Returns:
        float32 of shape (steps, d).

    Raises:
        UsageError: when there are too few ends or steps.
        DataError: when an end is not finite, or the center does not fit.
        UnknownNameError: when `kind` is not known.
    """
    if kind not in PATHS:
        raise unknown_name("path", kind, PATHS)
    exact = np.asarray(ends, dtype=np.float32)
    if exact.ndim != 2 or len(exact) < 2:
        raise UsageError(f"expected at least 2 ends, got {len(exact) if exact.ndim == 2 else 1}; name another one")
    if steps < len(exact):
        raise UsageError(f"expected at least {len(exact)} steps for {len(exact)} ends, got {steps}; raise --steps")
    if not np.isfinite(exact).all():
        raise DataError("expected finite ends, got NaN or infinity")
    middle = np.zeros(exact.shape[1]) if center is None else np.asarray(center, dtype=np.float64)
    if middle.shape != exact.shape[1:]:
        raise DataError(f"expected a center of {exact.shape[1]} values, got {middle.shape}")
    keys = key_frames(len(exact), steps)
    frames = np.empty((steps, exact.shape[1]), dtype=np.float32)
    for index, (first, last) in enumerate(pairwise(keys)):
        start, end = exact[index].astype(np.float64), exact[index + 1].astype(np.float64)
        times = np.linspace(0, 1, last - first + 1)
        frames[first : last + 1] = PATHS[kind](start, end, times, middle)
    frames[keys] = exact
    return frames
