"""Paired differences: two things measured under the same circumstances, several times."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from latentlab.errors import DataError

LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """The mean of n paired differences, with its interval.

    Args:
        mean: of a − b.
        low: where the interval begins; NaN where one pair says nothing of how pairs spread.
        high: where it ends.
        count: n.
        level: how often such an interval holds the true mean.
    """

    mean: float
    low: float
    high: float
    count: int
    level: float = LEVEL

    @property
    def decided(self) -> bool:
        """Whether the interval is known and leaves 0 out."""
        return self.low > 0 or self.high < 0


def paired_difference(a: np.ndarray, b: np.ndarray, level: float = LEVEL) -> Difference:
    """The mean of a − b with the t-interval: mean ± t(level; n − 1) s / √n.

    It holds as often as it says where the differences are independent and about normal.

    Args:
        a: of shape (n,).
        b: of shape (n,), measured under the same circumstances as the value of `a` in its place.
        level: of confidence, between 0 and 1.

    Raises:
        DataError: when there are no values, or not as many of each.

    References:
        Student, "The Probable Error of a Mean", Biometrika 6, 1908.

    >>> paired_difference(np.array([1.0, 2.0, 3.0]), np.zeros(3)).mean
    2.0
    """
    if a.ndim != 1 or a.shape != b.shape or not len(a):
        raise DataError(f"expected as many values of each, and at least one, got shapes {a.shape} and {b.shape}")
    apart = a.astype(np.float64) - b
    mean, count = float(apart.mean()), len(apart)
    if count == 1:
        return Difference(mean, math.nan, math.nan, 1, level)
    from scipy.stats import t

    half = float(t.ppf((1 + level) / 2, count - 1)) * float(apart.std(ddof=1)) / math.sqrt(count)
    return Difference(mean, mean - half, mean + half, count, level)
