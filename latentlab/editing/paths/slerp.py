"""The arc round the middle of the latents."""

from __future__ import annotations

import numpy as np

from latentlab.editing.paths.line import line
from latentlab.editing.paths.space import Curve, Space

# Below this sine of the angle two ends are parallel or opposite as far as float32 latents can tell.
TINY = 1e-7


def slerp(start: np.ndarray, end: np.ndarray, space: Space) -> Curve:
    """The arc round a center whose distance from it changes evenly.

    z(t) = c + ((1 − t)‖u‖ + t‖v‖)·(cos(tω)·û + sin(tω)·p̂), with u and v the ends seen from c, p̂ the unit
    vector across û towards v̂, and ω = 2·atan2(‖û − v̂‖, ‖û + v̂‖), which is exact at every angle.
    Parallel ends, and ends in the center, are joined by a line; opposite ones by an arc through the
    axis that is most nearly across.

    Args:
        start: of shape (d,).
        end: of shape (d,).
        space: of which the center is turned round.

    References:
        K. Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985.
        T. White, "Sampling Generative Networks", 2016, arXiv:1609.04468.
    """
    u, v = start - space.center, end - space.center
    u_norm, v_norm = float(np.linalg.norm(u)), float(np.linalg.norm(v))
    if min(u_norm, v_norm) <= TINY * max(u_norm, v_norm, TINY):
        return line(start, end, space)
    u, v = u / u_norm, v / v_norm
    omega = 2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))
    across = v - (v @ u) * u
    if np.linalg.norm(across) < TINY:
        if omega < 1:
            return line(start, end, space)
        # The same axis from either end, so that the way back is the way there.
        axis = np.eye(len(u))[np.argmin(np.abs(u))]
        across = axis - (axis @ u) * u
        if np.linalg.norm(across) < TINY:
            return line(start, end, space)
    across /= np.linalg.norm(across)
    across -= (across @ u) * u
    across /= np.linalg.norm(across)

    def arc(t: np.ndarray) -> np.ndarray:
        turned = np.cos(t * omega)[:, None] * u + np.sin(t * omega)[:, None] * across
        return space.center + ((1 - t) * u_norm + t * v_norm)[:, None] * turned

    return arc
