"""Rows drawn by a seed, where there are too many to look at all."""

from __future__ import annotations

import numpy as np

from latentlab.errors import UsageError


def random_rows(total: int, most: int, seed: int) -> np.ndarray:
    """Draw rows, each as likely as the other.

    Args:
        total: how many rows there are.
        most: how many are drawn; all of them where there are no more.
        seed: of the draw.

    Returns:
        Ascending row numbers, of shape (min(most, total),).

    >>> random_rows(5, 3, seed=0), random_rows(2, 3, seed=0)
    (array([2, 3, 4]), array([0, 1]))
    """
    if total <= most:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, size=most, replace=False))


def stratified_rows(groups: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Draw rows so that every group keeps its share, and none is lost.

    Each group gets count·|group|/n rows, rounded so that the sum is right (largest remainders first), but at least one.

    Args:
        groups: what each row belongs to, of shape (n,).
        count: how many rows to draw, at least as many as there are groups.
        seed: of the draw.

    Returns:
        Ascending row numbers, of shape (min(count, n),).

    Raises:
        UsageError: when there are more groups than rows to draw.
    """
    _, codes, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if count >= len(groups):
        return np.arange(len(groups))
    if count < len(sizes):
        raise UsageError(f"expected to draw at least a row of each of {len(sizes)} groups, got {count}")
    share = count * sizes / len(groups)
    quota = np.maximum(np.floor(share).astype(int), 1)
    # The group that is owed most gets the next row; where groups of one row took too many, the one with most too many
    # gives one back.
    while (owed := count - quota.sum()) != 0:
        if owed > 0:
            quota[np.argmax(np.where(quota < sizes, share - quota, -np.inf))] += 1
        else:
            quota[np.argmax(np.where(quota > 1, quota - share, -np.inf))] -= 1
    generator = np.random.default_rng(seed)
    drawn = [
        generator.choice(np.flatnonzero(codes == code), size, replace=False) for code, size in enumerate(quota.tolist())
    ]
    return np.sort(np.concatenate(drawn))
