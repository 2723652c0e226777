"""A sample of the points of a map that is too large to draw."""

from __future__ import annotations

import numpy as np

from latentlab.errors import UsageError


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
