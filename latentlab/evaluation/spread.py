"""How much room latents take: what varies, in how many directions, and which dimensions go together."""

from __future__ import annotations

import numpy as np


def effective_dimension(covariance: np.ndarray) -> float:
    """The participation ratio (Σλ)² / Σλ² = (tr Σ)² / ‖Σ‖² of the eigenvalues of a covariance.

    d where latents spread alike in all directions, 1 where they lie on a line.

    Args:
        covariance: of shape (d, d), with a trace above 0.
    """
    return float(np.trace(covariance) ** 2 / (covariance**2).sum())


def axes_for(covariance: np.ndarray, share: float) -> int:
    """How many principal axes together hold a share of the variance.

    Args:
        covariance: of shape (d, d).
        share: between 0 and 1.
    """
    values = np.maximum(np.linalg.eigvalsh(covariance)[::-1], 0.0)
    # Rounding may leave the sum short of the whole.
    return int(np.searchsorted(np.cumsum(values), share * values.sum() * (1 - 1e-12))) + 1


def largest_correlations(
    covariance: np.ndarray, count: int, alive: np.ndarray | None = None
) -> list[tuple[int, int, float]]:
    """The pairs of dimensions that go together most, as (first, second, r), largest |r| first.

    Args:
        covariance: of shape (d, d).
        count: pairs, at most.
        alive: the dimensions that are looked at, bool of shape (d,); None for all that vary.
    """
    deviations = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
    numbers = np.flatnonzero(deviations > 0 if alive is None else alive & (deviations > 0))
    scale = deviations[numbers]
    correlation = covariance[np.ix_(numbers, numbers)] / np.outer(scale, scale)
    first, second = np.triu_indices(len(numbers), 1)
    r = correlation[first, second]
    order = np.argsort(-np.abs(r), kind="stable")[:count]
    return [(int(numbers[first[pair]]), int(numbers[second[pair]]), float(r[pair])) for pair in order]
