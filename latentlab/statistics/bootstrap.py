"""How far a score, or a direction, would move if other images had been drawn."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from latentlab.errors import DataError
from latentlab.statistics.probe import auc

RESAMPLES = 500
# Vectors are dearer to estimate than scores are to rank.
DIRECTION_RESAMPLES = 30
MOST_ROWS = 5000
# An angle beyond this says that the direction is not known, and no longer by how much.
LARGEST_ANGLE_DEGREES = 80.0
# Resampled counts that are held at once: 8 bytes each.
CHUNK = 4_000_000


def auc_interval(
    scores: np.ndarray, y: np.ndarray, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """The percentile bootstrap interval of an AUC; images with and without are drawn apart.

    Args:
        scores: of shape (n,), finite.
        y: 1 with and 0 without, of shape (n,).
        level: the coverage aimed at.
        resamples: how often images are drawn again.
        seed: of the draws.

    Returns:
        (low, high). Where the AUC is 0 or 1 the interval has no width, and says nothing about the error.

    Raises:
        DataError: when all rows are of one kind, or a score is not finite.

    References:
        Bootstrap Methods: Another Look at the Jackknife (Efron, 1979).
    """
    auc(scores, y)
    positive = np.asarray(y) > 0.5
    levels, inverse = np.unique(scores, return_inverse=True)
    width = len(levels)
    share = [np.bincount(inverse[kind], minlength=width) / kind.sum() for kind in (positive, ~positive)]
    total = [int(positive.sum()), int((~positive).sum())]
    generator = np.random.default_rng(seed)
    drawn: list[np.ndarray] = []
    chunk = max(1, CHUNK // width)
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        with_, without = (generator.multinomial(n, p, size=size) for n, p in zip(total, share, strict=True))
        beaten = np.cumsum(without, axis=1) - without / 2
        drawn.append((with_ * beaten).sum(axis=1) / (total[0] * total[1]))
    low, high = np.quantile(np.concatenate(drawn), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def direction_angle(
    estimate: Callable[[np.ndarray], np.ndarray],
    count: int,
    resamples: int = DIRECTION_RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
    most: int = MOST_ROWS,
) -> float:
    """The angle within which a direction would stay if other images had been drawn.

    sin(angle) = q / ‖v̂‖, where q is the `level` quantile of ‖e⊥‖, and e⊥ is the part across v̂ of what drawing the rows
    again with replacement adds to v̂. The same noise has lengthened v̂ = v + e: it is the hypotenuse over the true v, so
    the tangent of the angle is taken over √(‖v̂‖² − ‖e⊥‖²). Where q reaches ‖v̂‖, v may be anything: 90 degrees. Of many
    rows only `most` are drawn, and e, which falls as 1/√n, is scaled by √(most / count). A draw without a direction
    (`DataError`) counts as 90 degrees.

    Args:
        estimate: gives the vector (d,) of some rows; rows may repeat.
        count: the number of rows.
        resamples: how often rows are drawn again.
        level: how often the direction of endless images lies within the angle.
        seed: of the draws.
        most: rows of one draw.

    Returns:
        Degrees, from 0 to 90. A direction of pure noise is near 90.

    Raises:
        DataError: when all rows together have no direction.

    References:
        Bootstrap Methods: Another Look at the Jackknife (Efron, 1979).
    """
    whole = np.asarray(estimate(np.arange(count)), np.float64)
    size = min(count, most)
    generator = np.random.default_rng(seed)
    length = float(np.linalg.norm(whole))
    if length == 0:
        return 90.0
    sines = np.ones(resamples)
    for draw in range(resamples):
        rows = np.sort(generator.integers(count, size=size))
        try:
            error = (np.asarray(estimate(rows), np.float64) - whole) / length
        except DataError:
            continue
        across = error - (error @ whole) / length**2 * whole
        sines[draw] = min(float(np.linalg.norm(across)) * math.sqrt(size / count), 1.0)
    # The next draw lies below a Weibull quantile as often as the level says; with few draws, below others less often.
    return math.degrees(math.asin(np.quantile(sines, level, method="weibull")))


def images_needed(count: int, angle_degrees: float, target_degrees: float = 20.0) -> int:
    """How many images bring the angle of a direction down to a target: n tan²(angle) / tan²(target).

    Args:
        count: the images that the angle was measured with.
        angle_degrees: from `direction_angle`; more than 80 counts as 80, so that the number is then a least one.
        target_degrees: the angle to reach, between 0 and 90.

    >>> images_needed(100, 45.0, target_degrees=20.0)
    755
    """
    ratio = math.tan(math.radians(min(angle_degrees, LARGEST_ANGLE_DEGREES))) / math.tan(math.radians(target_degrees))
    return math.ceil(count * ratio**2)
