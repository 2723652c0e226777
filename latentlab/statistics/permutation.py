"""Whether a score is better than that of shuffled labels."""

from __future__ import annotations

import numpy as np

from latentlab.statistics.probe import auc
from latentlab.statistics.rank import average_ranks

RESAMPLES = 999
# Ranks that are shuffled at once: 8 bytes each.
CHUNK = 2_000_000
# A shuffle that wins with less than this probability is not drawn: it would not be met in a lifetime.
NEVER = 1e-12


def permutation_p_value(scores: np.ndarray, y: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """How often labels that are shuffled are ranked at least as well as the true ones.

    p = (1 + #{AUC of shuffled labels ≥ AUC}) / (1 + resamples), one-sided. Where Serfling's bound on the mean of
    ranks drawn without replacement says that no shuffle wins, none is drawn.

    Args:
        scores: of shape (n,), finite.
        y: 1 with and 0 without, of shape (n,).
        resamples: how often labels are shuffled; p is never below 1 / (1 + resamples).
        seed: of the shuffles.

    Returns:
        Between 1 / (1 + resamples) and 1.

    Raises:
        DataError: when all rows are of one kind, or a score is not finite.

    References:
        B. Phipson, G. Smyth, "Permutation P-values Should Never Be Zero", Statistical Applications in Genetics and
        Molecular Biology 9, 2010, arXiv:1603.05766.
        R. Serfling, "Probability Inequalities for the Sum in Sampling without Replacement", Annals of Statistics 2,
        1974.
    """
    above = auc(scores, y) - 0.5
    # Sums of average ranks are multiples of ½: doubled, they are whole numbers and compare exactly.
    ranks = np.rint(2 * average_ranks(scores)).astype(np.int64)
    positive = np.asarray(y) > 0.5
    # The fewer are drawn: their sum decides that of the rest.
    fewer = positive if 2 * positive.sum() <= len(positive) else ~positive
    size, sign = int(fewer.sum()), 1 if fewer is positive else -1
    reach = above * (len(ranks) - size) / (len(ranks) - 1)
    if above > 0 and np.exp(-2 * size * reach**2) < NEVER:
        return 1 / (1 + resamples)
    observed = sign * ranks[fewer].sum()
    generator = np.random.default_rng(seed)
    wins = 0
    chunk = max(1, CHUNK // len(ranks))
    for start in range(0, resamples, chunk):
        rows = np.broadcast_to(ranks, (min(chunk, resamples - start), len(ranks)))
        drawn = generator.permuted(rows, axis=1)[:, :size].sum(axis=1)
        wins += int((sign * drawn >= observed).sum())
    return (1 + wins) / (1 + resamples)
