"""What a path may know of the space that it crosses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Where along a path: takes times (m,) from 0 to 1, returns latents (m, d) in float64.
Curve = Callable[[np.ndarray], np.ndarray]
# What a path costs in pictures: takes its points (m, d), returns the energy and its gradient (m, d).
Energy = Callable[[np.ndarray], tuple[float, np.ndarray]]

# Points of a geodesic where nothing else is asked for, its ends included.
POINTS = 33
# The search for it ends when a step promises less than this share of the energy: half as much of the length.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Space:
    """What a path may know of the space that it crosses.

    Args:
        center: the mean of the aggregate posterior, float64 of shape (d,).
        energy: of the decoder, or None where there is none.
        points: of which a geodesic is made, its ends included; at least 3.
        tolerance: the share of the energy that a step towards the geodesic has to promise.
    """

    center: np.ndarray
    energy: Energy | None = None
    points: int = POINTS
    tolerance: float = TOLERANCE


# A kind of path takes two ends, float64 of shape (d,), and returns the curve between them.
Path = Callable[[np.ndarray, np.ndarray, Space], Curve]
