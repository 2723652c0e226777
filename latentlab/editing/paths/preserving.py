"""The mixture of two latents that is distributed as latents are."""

from __future__ import annotations

import numpy as np

from latentlab.editing.paths.line import line
from latentlab.editing.paths.space import Curve, Space


def preserving(start: np.ndarray, end: np.ndarray, space: Space) -> Curve:
    """The path whose every point has the mean and the covariance of the latents.

    z(t) = (1 − s/r)·μ + (w₁·start + w₂·end)/r with w = (1 − t, t), s = w₁ + w₂ = 1, r = √(w₁² + w₂²): where both ends
    are drawn from N(μ, Σ) and know nothing of each other, so is z(t). A line between them has half the variance in its
    middle. Means of classes lie nearer to μ than images do, and the path carries them out to where images are. Equal
    ends stay where they are.

    Args:
        start: of shape (d,).
        end: of shape (d,).
        space: of which the center is μ.

    References:
        E. Bodin, A. Stere, D. D. Margineantu, C. H. Ek, H. Moss, "Linear combinations of latents in generative models:
        subspaces and beyond", 2024, arXiv:2408.08558.
    """
    if np.array_equal(start, end):
        return line(start, end, space)

    def mixture(t: np.ndarray) -> np.ndarray:
        shrunk = np.sqrt((1 - t) ** 2 + t**2)[:, None]
        straight = (1 - t)[:, None] * (start - space.center) + t[:, None] * (end - space.center)
        return space.center + straight / shrunk

    return mixture
