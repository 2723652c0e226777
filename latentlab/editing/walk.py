"""Walks: a path from end to end, cut into frames."""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np

from latentlab.editing.pace import Decode, dense, even_times, share_hops
from latentlab.editing.paths import PATHS
from latentlab.editing.paths.space import POINTS, Curve, Energy, Space
from latentlab.errors import DataError, UsageError, unknown_name


def key_frames(ends: int, steps: int) -> list[int]:
    """The frames at which a path of `steps` frames is at each of its ends, as evenly spread as they go.

    >>> key_frames(3, 9)
    [0, 4, 8]
    """
    # Rounded half up, in whole numbers.
    return [(2 * index * (steps - 1) + ends - 1) // (2 * (ends - 1)) for index in range(ends)]


def walk(
    ends: np.ndarray,
    steps: int,
    kind: str = "line",
    center: np.ndarray | None = None,
    energy: Energy | None = None,
) -> np.ndarray:
    """Walk from end to end, through every one of them exactly, each leg in as many frames.

    Args:
        ends: latents of shape (k, d), k ≥ 2.
        steps: the number of frames, ends included, at least k; see `key_frames` for where the ends come.
        kind: a name in PATHS.
        center: the mean of the latents, of shape (d,), for `slerp` and `preserving`; None for the origin.
        energy: of the decoder, for `geodesic`: takes a curve (m, d), returns its energy and the gradient (m, d).

    Returns:
        float32 of shape (steps, d).

    Raises:
        UsageError: when there are too few ends or steps, or a geodesic is asked for without energy.
        DataError: when an end is not finite, or the center does not fit.
        UnknownNameError: when `kind` is not known.
    """
    exact, curves = _curves(ends, steps, kind, center, energy)
    keys = key_frames(len(exact), steps)
    times = [np.linspace(0, 1, last - first + 1) for first, last in pairwise(keys)]
    return _frames(exact, curves, times)


def walk_evenly(
    ends: np.ndarray,
    steps: int,
    kind: str,
    decode: Decode,
    center: np.ndarray | None = None,
    energy: Energy | None = None,
) -> tuple[np.ndarray, list[int]]:
    """Walk from end to end so that the picture changes as much from each frame to the next.

    Args:
        ends: as for `walk`.
        steps: as for `walk`.
        kind: as for `walk`.
        decode: makes pictures (m, …) of latents (m, d).
        center: as for `walk`.
        energy: as for `walk`.

    Returns:
        The latents, float32 of shape (steps, d), and the frames at which the ends come: a leg in which the picture
        changes more has more frames.

    Raises:
        LatentlabError: as for `walk`.
    """
    exact, curves = _curves(ends, steps, kind, center, energy)
    lengths = [float(dense(curve, steps - 1, decode)[1][-1]) for curve in curves] if len(curves) > 1 else [1.0]
    hops = share_hops(lengths, steps - 1)
    times = [even_times(curve, count, decode) for curve, count in zip(curves, hops, strict=True)]
    return _frames(exact, curves, times), list(accumulate(hops, initial=0))


def _curves(
    ends: np.ndarray, steps: int, kind: str, center: np.ndarray | None, energy: Energy | None
) -> tuple[np.ndarray, list[Curve]]:
    """The ends as float32, and the curve of every leg."""
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
    space = Space(middle, energy, max(POINTS, -(-(steps - 1) // (len(exact) - 1)) + 1))
    return exact, [PATHS[kind](start, end, space) for start, end in pairwise(exact.astype(np.float64))]


def _frames(exact: np.ndarray, curves: list[Curve], times: list[np.ndarray]) -> np.ndarray:
    """The latents at the times of every leg; neighbours share an end, and ends are what they were given as."""
    legs: list[np.ndarray] = []
    for curve, at, (start, end) in zip(curves, times, pairwise(exact), strict=True):
        leg = curve(at).astype(np.float32)
        leg[0], leg[-1] = start, end
        legs.append(leg if not legs else leg[1:])
    return np.concatenate(legs)
