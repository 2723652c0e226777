"""The nearest of a table of latents that may be larger than memory: exact, a block at a time.

For a few queries: each takes .5 ms among 120,000 rows of 32 dimensions and 7 ms among a million of 128, where an index
would have to be built first. For very many see `nearest_many`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from latentlab.errors import DataError, UsageError
from latentlab.runtime import Progress, silent
from latentlab.statistics.covariance import Covariance

Metric = Literal["euclidean", "mahalanobis"]

# Rows that are looked at together, and distances that are held at once: 64 MB of float32.
ROWS = 8_192
DISTANCES = 2**24
# Pairs whose distances are computed again at once, times dimensions: 64 MB of float64.
AGAIN = 2**23
# As many rows for each that is wanted are measured again, rather than sorted out first.
LOOSE = 4


def nearest_rows(
    blocks: Iterable[np.ndarray],
    queries: np.ndarray,
    count: int,
    covariance: Covariance | None = None,
    progress: Progress = silent,
    total: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Find the rows nearest to some latents.

    Distances are first float32 products, |q|² + |z|² − 2qᵀz about the middle of the first block. What these cannot rule
    out, within their rounding error, is measured again in float64: the answer is that of brute force, and a tie goes to
    the lower row.

    Args:
        blocks: all rows in order, as arrays of shape (≤ rows, d).
        queries: of shape (m, d), finite.
        count: how many rows of each, k ≥ 1.
        covariance: of the Mahalanobis distance; None for the Euclidean.
        progress: told of the rows.
        total: the rows in all, for progress.

    Returns:
        Row numbers, int64 of shape (m, k), nearest first, and their distances, float64 of shape (m, k).

    Raises:
        UsageError: when `count` is below 1, or above the number of rows.
        DataError: when queries and rows are not of one size, or not finite.
    """
    queries = np.asarray(queries)
    if count < 1:
        raise UsageError(f"expected at least 1 neighbour, got {count}")
    if queries.ndim != 2 or not np.isfinite(queries).all():
        raise DataError(f"expected finite latents of shape (m, d) to find neighbours of, got shape {queries.shape}")
    search: _Search | None = None
    row = 0
    progress("looking for neighbours", 0, total)
    for block in blocks:
        if block.ndim != 2 or block.shape[1] != queries.shape[1]:
            raise DataError(f"expected latents of {queries.shape[1]} dimensions, got shape {block.shape}")
        for start in range(0, len(block), ROWS):
            part = block[start : start + ROWS]
            if not np.isfinite(part).all():
                raise DataError("expected finite latents, got NaN or infinity; encode them again")
            if search is None:
                search = _Search(queries, count, part.mean(axis=0, dtype=np.float64), covariance)
            search.add(part, row)
            row += len(part)
        progress("looking for neighbours", row, total)
    if search is None or row < count:
        raise UsageError(f"expected at most {row:,} neighbours, one a row of the table, got {count:,}; take fewer")
    return search.rows, np.sqrt(search.squares)


class _Search:
    """The best rows so far of each query."""

    def __init__(self, queries: np.ndarray, count: int, middle: np.ndarray, covariance: Covariance | None) -> None:
        self._middle, self._covariance = middle, covariance
        self._queries = self._placed(queries)
        self._small = self._queries.astype(np.float32)
        self._norms = np.einsum("md,md->m", self._small, self._small)
        self._count = count
        self.rows = np.zeros((len(queries), 0), np.int64)
        self.squares = np.zeros((len(queries), 0))

    def add(self, block: np.ndarray, first: int) -> None:
        """Look at rows, of which the first has the number `first`."""
        placed = self._placed(block)
        small = placed.astype(np.float32)
        norms = np.einsum("nd,nd->n", small, small)
        step = max(1, DISTANCES // len(block))
        parts = [
            self._near(slice(start, start + step), placed, small, norms) for start in range(0, len(self._small), step)
        ]
        query, row, squares = (np.concatenate(some) for some in zip(*parts, strict=True))
        self.rows, self.squares = self._merged(query, row + first, squares)

    def _placed(self, z: np.ndarray) -> np.ndarray:
        if self._covariance is not None:
            return np.ascontiguousarray(self._covariance.whiten(z))
        return np.asarray(z, np.float64) - self._middle

    def _near(
        self, some: slice, placed: np.ndarray, small: np.ndarray, norms: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Queries and rows of the block that may be among the nearest, and the squares of their distances."""
        between = self._small[some] @ small.T
        between *= -2
        between += norms
        between += self._norms[some, None]
        # The products of d rounded numbers, and the rounding of these numbers: u = 2⁻²⁴ each, all of one sign at worst.
        error = (2 * small.shape[1] + 16) * 2.0**-24 * (self._norms[some].astype(np.float64) + float(norms.max()))
        full = self.squares.shape[1] == self._count
        limit = self.squares[some, -1] if full else np.full(len(between), np.inf)
        near = between <= (limit + 2 * error)[:, None]
        # Nothing is known yet, or rows come nearer and nearer: the block's own k-th is a limit as well.
        if near.sum() > LOOSE * self._count * len(between) and len(small) > self._count:
            limit = np.minimum(limit, np.partition(between, self._count - 1, axis=1)[:, self._count - 1])
            near = between <= (limit + 2 * error)[:, None]
        query, row = np.nonzero(near)
        query += some.start
        squares = np.empty(len(query))
        step = max(1, AGAIN // small.shape[1])
        for start in range(0, len(query), step):
            part = slice(start, start + step)
            away = self._queries[query[part]] - placed[row[part]]
            squares[part] = np.einsum("nd,nd->n", away, away)
        return query, row, squares

    def _merged(self, query: np.ndarray, row: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The nearest of those so far and of the block's."""
        held = self.rows.shape[1]
        query = np.concatenate([np.repeat(np.arange(len(self.rows)), held), query])
        row = np.concatenate([self.rows.ravel(), row])
        squares = np.concatenate([self.squares.ravel(), squares])
        order = np.lexsort((row, squares, query))
        sizes = np.bincount(query, minlength=len(self.rows))
        # Every query has as many: all rows so far, or at least k of them.
        most = min(self._count, int(sizes.min()))
        places = np.concatenate([[0], np.cumsum(sizes)[:-1]])[:, None] + np.arange(most)
        kept = order[places]
        return row[kept], squares[kept]
