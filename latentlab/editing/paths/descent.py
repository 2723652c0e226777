"""Pulling a curve tight: its inner points move until its energy falls no further."""

from __future__ import annotations

from collections import deque

import numpy as np

from latentlab.editing.paths.space import TOLERANCE, Energy

ITERATIONS = 200
# Earlier steps from which the curvature of the energy is guessed.
REMEMBERED = 12
# Of the fall that the gradient promises, the least share that a step has to bring, and how often it is halved.
LEAST_SHARE, HALVINGS = 1e-4, 25


def lower_energy(
    curve: np.ndarray, energy: Energy, tolerance: float = TOLERANCE, iterations: int = ITERATIONS
) -> np.ndarray:
    """Move the inner points of a curve to where its energy is least, by L-BFGS.

    Near a line the energy's second derivative is 2(N − 1) K ⊗ G with K = tridiag(−1, 2, −1) over the points and G the
    decoder's metric. K⁻¹ is known in closed form and stands in for the inverse at first, so that the number of
    iterations does not grow with that of the points.

    Args:
        curve: of shape (m, d), m ≥ 3; the ends stay.
        energy: takes a curve, returns its energy and the gradient of it, of shape (m, d).
        tolerance: stops when a step promises less than this share of the energy.
        iterations: at most.

    Returns:
        float64 of shape (m, d), of no more energy than `curve`. The same on every call.

    References:
        J. Nocedal, "Updating quasi-Newton matrices with limited storage", Mathematics of Computation 35, 1980.
    """
    curve = np.array(curve, np.float64)
    value, gradient = _inner(energy, curve)
    if not np.isfinite(value) or value <= 0:
        return curve
    smooth = _inverse_laplacian(len(curve) - 2)
    scale = float(((curve[-1] - curve[0]) ** 2).sum()) / (2 * (len(curve) - 1) * value)
    steps: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=REMEMBERED)
    for _ in range(iterations):
        direction = -_apply_inverse(gradient, steps, smooth, scale)
        slope = float((direction * gradient).sum())
        if not -slope > tolerance * value:
            break
        length = 1.0
        for _ in range(HALVINGS):
            moved = curve.copy()
            moved[1:-1] += length * direction
            lower, changed = _inner(energy, moved)
            # False for NaN: too far out for the decoder.
            if lower <= value + LEAST_SHARE * length * slope:
                break
            length /= 2
        else:
            break
        step, turn = length * direction, changed - gradient
        bend = float((step * turn).sum())
        if bend > 0:
            steps.append((step, turn, bend))
            scale = bend / float((turn * (smooth @ turn)).sum())
        curve, value, gradient = moved, lower, changed
    return curve


def _inner(energy: Energy, curve: np.ndarray) -> tuple[float, np.ndarray]:
    """The energy, and its gradient by the inner points alone."""
    value, gradient = energy(curve)
    return float(value), np.asarray(gradient, np.float64)[1:-1]


def _inverse_laplacian(count: int) -> np.ndarray:
    """The inverse of tridiag(−1, 2, −1) of shape (n, n): min(i, j)·(n + 1 − max(i, j)) / (n + 1), counted from 1."""
    index = np.arange(1.0, count + 1)
    return np.minimum.outer(index, index) * (count + 1 - np.maximum.outer(index, index)) / (count + 1)


def _apply_inverse(
    gradient: np.ndarray, steps: deque[tuple[np.ndarray, np.ndarray, float]], smooth: np.ndarray, scale: float
) -> np.ndarray:
    """The guessed inverse of the second derivative, applied to the gradient: Nocedal's two loops."""
    rest = gradient.copy()
    shares = []
    for step, turn, bend in reversed(steps):
        shares.append(float((step * rest).sum()) / bend)
        rest -= shares[-1] * turn
    rest = scale * (smooth @ rest)
    for (step, turn, bend), share in zip(steps, reversed(shares), strict=True):
        rest += (share - float((turn * rest).sum()) / bend) * step
    return rest
