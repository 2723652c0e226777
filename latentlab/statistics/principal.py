"""Principal axes of a cloud of points, with signs that do not depend on the library."""

from __future__ import annotations

import numpy as np


def principal_axes(z: np.ndarray, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The orthonormal directions of greatest variance, greatest first.

    The largest loading of each axis is positive. Axes beyond the rank of the points complete the basis, with
    deviation 0.

    Args:
        z: of shape (n, d), n ≥ 2.
        most: how many are wanted; None for all d. Beyond the rank of the points there are none of a few.

    Returns:
        The axes as rows, of shape (d, d), or (k, d) with k ≤ most; and the standard deviation along each.

    References:
        K. Pearson, "On Lines and Planes of Closest Fit to Systems of Points in Space", Philosophical Magazine 2, 1901.
    """
    z = np.asarray(z, np.float64)
    # R of a QR has the singular values of the whole and at most d rows.
    reduced = np.linalg.qr(z - z.mean(axis=0), mode="r")
    # All axes of a wide latent are d² numbers, of which few mean anything.
    _, values, axes = np.linalg.svd(reduced, full_matrices=most is None)
    values, axes = values[:most], axes[:most]
    deviations = np.zeros(len(axes))
    deviations[: len(values)] = values / np.sqrt(len(z))
    return _signed(axes), deviations


def covariance_axes(matrix: np.ndarray, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The same directions of points whose covariance alone is known.

    Args:
        matrix: symmetric, of shape (d, d).
        most: how many are wanted; None for all d.

    Returns:
        As `principal_axes`: of shape (k, d), k = min(most, d), and the standard deviation along each.
    """
    values, vectors = np.linalg.eigh(np.asarray(matrix, np.float64))
    # Greatest first; rounding may leave the least below 0.
    values, axes = np.maximum(values[::-1], 0.0)[:most], vectors.T[::-1][:most]
    return _signed(axes), np.sqrt(values)


def _signed(axes: np.ndarray) -> np.ndarray:
    """The same axes with the largest loading of each positive."""
    return axes * np.where(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)] < 0, -1.0, 1.0)[:, None]
