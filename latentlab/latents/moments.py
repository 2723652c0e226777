"""Sums over latents and labels in one pass, from which means, covariances and regressions follow."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from latentlab.errors import DataError
from latentlab.statistics.collinear import independent_columns
from latentlab.statistics.covariance import DEAD_RATIO, Covariance

# Rows of one matrix product: few enough to stay in the cache and to add up exactly enough in float32.
CHUNK = 2048
# Rows from which on the work is shared by the processors, and into how many parts: their number is fixed, so that
# the sums do not depend on the machine's.
MANY = 32_768
PARTS = 8


class Moments:
    """n, Σz, Σzzᵀ, ΣA, ΣAAᵀ and ΣAᵀz of latents z and labels A, a chunk at a time.

    Products are float32, of latents less the mean of the first chunk; sums of chunks are float64. An unknown label
    takes part in nothing but the covariance of the latents; where a regression holds labels fixed, it counts as the
    mean of its label.

    Args:
        size: the latent dimensions d.
        labels: the number of labels K.
    """

    def __init__(self, size: int, labels: int) -> None:
        self.size = size
        self.labels = labels
        self.count = 0
        self._shift = np.zeros(size, np.float32)
        width = size + 1 + labels
        # Of the columns [z − shift, 1, A with 0 for unknown].
        self._gram = np.zeros((width, width))
        # Σ[A is known] times the same columns, less what the column of ones says where everything is known.
        self._unknown = np.zeros((labels, width))
        # Σ of how often two labels are both unknown.
        self._both_unknown = np.zeros((labels, labels))
        self._buffer = np.empty((CHUNK, width), np.float32)

    def add(self, z: np.ndarray, labels: np.ndarray) -> Moments:
        """Add rows.

        Args:
            z: latents of shape (n, d).
            labels: of shape (n, K), 0/1 or scores, NaN where unknown.

        Returns:
            Itself.

        Raises:
            DataError: when the shapes are others, or a latent is not finite.
        """
        z, labels = np.asarray(z), np.asarray(labels)
        if z.ndim != 2 or z.shape[1] != self.size or labels.shape != (len(z), self.labels):
            raise DataError(
                f"expected latents of shape (n, {self.size}) and labels of shape (n, {self.labels}), got {z.shape} "
                f"and {labels.shape}"
            )
        if not self.count and len(z):
            self._shift = z[:CHUNK].mean(axis=0, dtype=np.float64).astype(np.float32)
        if len(z) < MANY:
            self._add_rows(z, labels)
            return self
        parts = [self._like() for _ in range(PARTS)]
        # One matrix product a thread: products that use several threads themselves gain nothing at this size.
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(min(PARTS, os.cpu_count() or 1)) as pool:
            list(pool.map(Moments._add_rows, parts, np.array_split(z, PARTS), np.array_split(labels, PARTS)))
        for part in parts:
            self.merge(part)
        return self

    def _like(self) -> Moments:
        """Empty moments about the same latent."""
        other = Moments(self.size, self.labels)
        other._shift = self._shift
        return other

    def _add_rows(self, z: np.ndarray, labels: np.ndarray) -> None:
        for start in range(0, len(z), CHUNK):
            self._add_chunk(z[start : start + CHUNK], labels[start : start + CHUNK])

    def _add_chunk(self, z: np.ndarray, labels: np.ndarray) -> None:
        rows = self._buffer[: len(z)]
        np.subtract(z, self._shift, out=rows[:, : self.size], casting="same_kind")
        rows[:, self.size] = 1.0
        rows[:, self.size + 1 :] = labels
        gram = rows.T @ rows
        # NaN and infinity survive a sum of squares: nothing is looked through twice where there are none.
        if not np.isfinite(np.diagonal(gram)[: self.size]).all():
            raise DataError("expected finite latents, got NaN or infinity; encode them again or leave them out")
        if not np.isfinite(np.diagonal(gram)).all():
            unknown = np.isnan(labels)
            rows[:, self.size + 1 :][unknown] = 0.0
            gram = rows.T @ rows
            self._unknown += unknown.astype(np.float32).T @ rows
            self._both_unknown += unknown.T.astype(np.float32) @ unknown.astype(np.float32)
        self._gram += gram
        self.count += len(z)

    def merge(self, other: Moments) -> Moments:
        """Add the rows of another pass, such as that of another worker.

        Returns:
            Itself.

        Raises:
            DataError: when the other is of another size.
        """
        if (other.size, other.labels) != (self.size, self.labels):
            raise DataError(
                f"expected moments of {self.size} dimensions and {self.labels} labels, got {other.size} and "
                f"{other.labels}"
            )
        if not self.count:
            self._shift = other._shift
        # [z − ours] = [z − theirs] + (theirs − ours) · 1, a change of columns.
        change = np.eye(len(self._gram))
        change[self.size, : self.size] = other._shift.astype(np.float64) - self._shift
        self._gram += change.T @ other._gram @ change
        self._unknown += other._unknown @ change
        self._both_unknown += other._both_unknown
        self.count += other.count
        return self

    def covariance(self) -> Covariance:
        """The shrunk covariance of the latents.

        As `fit_covariance`, but for the share of the identity: that of Ledoit and Wolf asks for fourth moments, which
        are taken here as those of a Gaussian, (d² + ‖R‖²) / (n ‖R − I‖²).

        Raises:
            DataError: when there are fewer than two latents, or none varies.
        """
        if self.count < 2:
            raise DataError(f"expected at least 2 latents for a covariance, got {self.count}")
        total = self._gram[self.size, : self.size]
        raw = self._gram[: self.size, : self.size] / self.count - np.outer(total, total) / self.count**2
        scale = np.sqrt(np.maximum(np.diagonal(raw), 0.0))
        alive = scale > DEAD_RATIO * scale.max()
        if not alive.any():
            raise DataError("expected latents that vary, got the same latent for every image")
        spread = np.outer(scale[alive], scale[alive])
        correlation = raw[np.ix_(alive, alive)] / spread
        norm, identity = float((correlation**2).sum()), np.eye(len(correlation))
        away = float(((correlation - identity) ** 2).sum())
        share = min(1.0, (len(identity) ** 2 + norm) / (self.count * away)) if away > 0 else 1.0
        matrix = np.zeros((self.size, self.size))
        matrix[np.ix_(alive, alive)] = ((1 - share) * correlation + share * identity) * spread
        return Covariance(self._center().astype(np.float32), matrix.astype(np.float32), self.count)

    def mean_differences(self) -> np.ndarray:
        """mean(z | A = 1) − mean(z | A = 0) of each 0/1 label over the rows where it is known.

        Returns:
            float32 of shape (K, d); NaN for a label of one kind only.
        """
        known = self._known()
        with_ = self._gram[self.size, self.size + 1 :][:, None]
        sums = self._gram[self.size + 1 :, : self.size]
        without = known[:, [self.size]] - with_
        with np.errstate(divide="ignore", invalid="ignore"):
            found = sums / with_ - (known[:, : self.size] - sums) / without
        return np.where((with_ > 0) & (without > 0), found, np.nan).astype(np.float32)

    def regression(self) -> np.ndarray:
        """The coefficients of all labels together in a least-squares regression of the latents, Σ_AA⁻¹ Σ_Az.

        Returns:
            float32 of shape (K, d); NaN for a label that is constant, or given by those before it.
        """
        known = self._known()
        totals = self._gram[self.size, self.size + 1 :]
        counts = known[:, self.size]
        centers = totals / np.maximum(counts, 1)
        # Σ (A − c)(z − z̄) over the rows where A is known; the other rows are at the mean and add nothing.
        away = self._gram[self.size + 1 :, : self.size] - centers[:, None] * known[:, : self.size]
        mean = self._gram[self.size, : self.size] / max(self.count, 1)
        away -= (totals - centers * counts)[:, None] * mean
        # Σ (A − a)(B − b) over the rows where both are known.
        where = known[:, self.size + 1 :]
        both = counts[:, None] + counts - self.count + self._both_unknown
        moments = self._gram[self.size + 1 :, self.size + 1 :] - centers[:, None] * where - where.T * centers
        moments += np.outer(centers, centers) * both
        spread = moments / max(self.count, 1)
        # A label that never changes has a variance of rounding errors.
        spread[np.diagonal(spread) <= 1e-9] = 0.0
        kept = independent_columns(spread)
        found = np.full((self.labels, self.size), np.nan)
        if kept:
            found[kept] = np.linalg.solve(moments[np.ix_(kept, kept)], away[kept])
        return found.astype(np.float32)

    def _known(self) -> np.ndarray:
        """Σ[A is known] times the columns [z − shift, 1, A], of shape (K, d + 1 + K)."""
        return self._gram[self.size] - self._unknown

    def _center(self) -> np.ndarray:
        return self._shift + self._gram[self.size, : self.size] / max(self.count, 1)
