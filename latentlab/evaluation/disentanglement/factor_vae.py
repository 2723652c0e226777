"""The FactorVAE score: whether the dimension that varies least tells which factor was held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from latentlab.evaluation.disentanglement.factor import Factors

BATCH = 64
# Votes that the classifier learns from, and as many that judge it.
VOTES = 2_000
# Levels with fewer images are not held: variances of so few say little.
LEAST_IMAGES = 8
# Dimensions that vary less than this share of the widest are dead.
DEAD_RATIO = 1e-2
# Values that are gathered at once: 8 bytes each.
CHUNK = 2_000_000


def score_factor_vae(code: np.ndarray, factors: Factors, rng: np.random.Generator) -> Mapping[str, float]:
    """The accuracy of a majority vote: from the dimension of least variance to the factor that was held.

    One vote: a factor and one of its levels are drawn, then 64 images with that level; of their normalised variances,
    the least names the dimension. High scores are easy: a code that is merely rotated may come near to 1. Look at the
    null and the ceiling.

    Args:
        code: of shape (n, d).
        factors: of the same images; a continuous factor is held within a bin.
        rng: of votes.

    References:
        H. Kim, A. Mnih, "Disentangling by Factorising", 2018, arXiv:1802.05983.
    """
    deviation = code.std(axis=0)
    alive = deviation > DEAD_RATIO * deviation.max()
    groups = [_Groups.of(level) for level in factors.levels.T]
    held = [k for k, levels in enumerate(groups) if len(levels.sizes) > 1]
    if not alive.any() or not held:
        return {"FactorVAE": 0.0}
    z = (code[:, alive] / deviation[alive]).astype(np.float64)
    counts = np.zeros((2, z.shape[1], len(factors.names)), np.int64)
    step = max(1, CHUNK // (BATCH * z.shape[1]))
    for part in counts:
        for start in range(0, VOTES, step):
            chosen = rng.choice(held, size=min(step, VOTES - start))
            for k in held:
                rows = groups[k].draw(int((chosen == k).sum()), rng)
                part[:, k] += np.bincount(z[rows].var(axis=1).argmin(axis=1), minlength=z.shape[1])
    learnt, judged = counts
    right = judged[np.arange(len(judged)), learnt.argmax(axis=1)].sum()
    return {"FactorVAE": float(right / judged.sum())}


@dataclass(frozen=True)
class _Groups:
    """The rows of every level that has enough of them, one level after the other.

    Args:
        rows: of shape (n,).
        starts: where each level begins in `rows`.
        sizes: how many it has.
    """

    rows: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, level: np.ndarray) -> _Groups:
        """The groups of level numbers of shape (n,)."""
        sizes = np.bincount(level)
        starts = np.cumsum(sizes) - sizes
        enough = sizes >= LEAST_IMAGES
        return cls(np.argsort(level, kind="stable"), starts[enough], sizes[enough])

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Batches of rows, each of one level, of shape (count, 64)."""
        level = rng.integers(len(self.sizes), size=count)
        within = (rng.random((count, BATCH)) * self.sizes[level][:, None]).astype(np.int64)
        return self.rows[self.starts[level][:, None] + within]
