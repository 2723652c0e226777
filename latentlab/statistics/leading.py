"""The few principal axes of many wide rows, such as images, exactly and without a second copy of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from latentlab.errors import DataError

# Values that are held in double precision at once: 32 MB.
CHUNK = 2**22
# Rows of the matrix whose eigenvectors are taken: it has 2 GB in double precision.
MOST_ROWS = 16_384


@dataclass(frozen=True)
class Leading:
    """The mean of n rows, and the directions in which they vary most.

    Args:
        mean: of shape (d,).
        axes: orthonormal rows, greatest variance first, the largest loading of each positive; of shape (k, d).
        variances: along each axis (divided by n), of shape (k,), above 0.
        total: the sum of the variances of all d columns.
    """

    mean: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    total: float


def leading_axes(rows: np.ndarray, most: int) -> Leading:
    """The principal axes of greatest variance, in double precision.

    Eigenvectors of the covariance Σ (x − m)(x − m)ᵀ / n; where there are fewer rows than columns, by way of the
    products between rows, which have the same eigenvalues.

    Args:
        rows: of shape (n, d), n ≥ 2, of any number type; they are converted a part at a time.
        most: the number of axes; fewer come where the rows vary in fewer directions.

    Raises:
        DataError: when there are fewer than two rows, or too many of both rows and columns for an exact answer.

    References:
        K. Pearson, "On Lines and Planes of Closest Fit to Systems of Points in Space", Philosophical Magazine 2, 1901.
    """
    n, d = rows.shape
    if n < 2:
        raise DataError(f"expected at least two images to find principal axes of, got {n}")
    if min(n, d) > MOST_ROWS:
        raise DataError(
            f"expected at most {MOST_ROWS:,} images, or at most {MOST_ROWS:,} values an image, to find principal axes "
            f"of, got {n:,} images of {d:,} values; take fewer or smaller ones"
        )
    mean = rows.mean(axis=0, dtype=np.float64)
    matrix = np.zeros((min(n, d), min(n, d)))
    total = 0.0
    # Parts of rows add up to a covariance, parts of columns to the products between rows.
    by_rows = d <= n
    for part in _parts(rows, mean, by_rows):
        total += float((part**2).sum())
        matrix += part.T @ part if by_rows else part @ part.T
    values, vectors = np.linalg.eigh(matrix / n)
    values, vectors = values[::-1][:most], vectors[:, ::-1][:, :most]
    varied = values > max(values[0], 0.0) * max(n, d) * np.finfo(np.float64).eps
    values, vectors = values[varied], vectors[:, varied]
    if by_rows:
        axes = vectors.T
    else:
        axes = np.concatenate([vectors.T @ part for part in _parts(rows, mean, by_rows)], axis=1)
        axes /= np.sqrt(n * values)[:, None]
    signs = np.where(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)] < 0, -1.0, 1.0)
    return Leading(mean, axes * signs[:, None], values, total / n)


def _parts(rows: np.ndarray, mean: np.ndarray, by_rows: bool) -> Iterator[np.ndarray]:
    """Some rows, or some columns, of the rows less their mean at a time, as float64."""
    n, d = rows.shape
    step = max(1, CHUNK // (d if by_rows else n))
    for start in range(0, n if by_rows else d, step):
        stop = start + step
        yield rows[start:stop] - mean if by_rows else rows[:, start:stop] - mean[start:stop]
