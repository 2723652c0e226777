"""The path that changes the picture as little as it can."""

from __future__ import annotations

import numpy as np

from latentlab.editing.paths.descent import lower_energy
from latentlab.editing.paths.line import line
from latentlab.editing.paths.space import Curve, Space
from latentlab.errors import UsageError

# Points with which the search begins, at most.
FEWEST = 12


def geodesic(start: np.ndarray, end: np.ndarray, space: Space) -> Curve:
    """The path of least energy in pictures, E = (N − 1) Σᵢ ‖f(cᵢ₊₁) − f(cᵢ)‖² with f the decoder.

    Of all curves through N points the one of least energy is the shortest, walked at an even pace. The search begins
    at the line and ends at the nearest such curve: a shorter one on the other side of a hill may be missed.

    Args:
        start: of shape (d,).
        end: of shape (d,).
        space: with the energy of a decoder, and the number of points N; between these the path is straight.

    Raises:
        UsageError: when the space has no energy, or there are fewer than 3 points.

    References:
        G. Arvanitidis, L. K. Hansen, S. Hauberg, "Latent Space Oddity: on the Curvature of Deep Generative Models",
        2017, arXiv:1710.11379.
        H. Shao, A. Kumar, P. T. Fletcher, "The Riemannian Geometry of Deep Generative Models", 2017, arXiv:1711.08014.
    """
    if space.energy is None:
        raise UsageError("expected the energy of a decoder for a geodesic, got none; give it, or take another path")
    if space.points < 3:
        raise UsageError(f"expected at least 3 points for a geodesic, got {space.points}")
    if np.array_equal(start, end):
        return line(start, end, space)
    # From the same end whichever is named first, so that the way back is the way there to the last bit.
    turned = tuple(end) < tuple(start)
    curve = line(end, start, space) if turned else line(start, end, space)
    # Few points find the way round, more make it smooth: most iterations are the cheap ones.
    for count in _levels(space.points):
        points = lower_energy(curve(np.linspace(0, 1, count)), space.energy, space.tolerance)
        curve = polyline(points)
    return polyline(points[::-1]) if turned else curve


def polyline(points: np.ndarray) -> Curve:
    """The curve that goes straight from each of its points, of shape (m, d), to the next, in equal times."""

    def curve(t: np.ndarray) -> np.ndarray:
        place = np.asarray(t, np.float64) * (len(points) - 1)
        before = np.minimum(place.astype(int), len(points) - 2)
        share = (place - before)[:, None]
        return (1 - share) * points[before] + share * points[before + 1]

    return curve


def _levels(points: int) -> list[int]:
    """Numbers of points, each nearly twice the one before, up to the last.

    >>> _levels(33)
    [9, 17, 33]
    """
    levels = [points]
    while levels[0] > FEWEST:
        levels.insert(0, levels[0] // 2 + 1)
    return levels
