"""How far a score would move if other images had been drawn."""

from __future__ import annotations

import numpy as np

from latentlab.statistics.probe import auc

RESAMPLES = 500
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
