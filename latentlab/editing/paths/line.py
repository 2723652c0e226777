"""The straight line."""

from __future__ import annotations

import numpy as np

from latentlab.editing.paths.space import Curve, Space


def line(start: np.ndarray, end: np.ndarray, space: Space) -> Curve:
    """The straight line z(t) = (1 − t)·start + t·end.

    Args:
        start: of shape (d,).
        end: of shape (d,).
        space: a line has no use for it.
    """
    return lambda t: (1 - t)[:, None] * start + t[:, None] * end
