"""Sums over latents and labels in one pass, from which means, covariances and regressions follow."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from latentlab.errors import DataError
from latentlab.statistics.collinear import independent_columns
from latentlab.statistics.covariance import DEAD_RATIO, LARGEST_MATRIX, Covariance

# Rows of one matrix product: few enough to stay in the cache and to add up exactly enough in float32.
CHUNK = 2048
# Rows from which on the work is shared by the processors, and into how many parts: their number is fixed, so that
# the sums do not depend on the machine's.
SHARED_ROWS = 32_768
SHARES = 8


class Moments:
    """n, Σz, Σzzᵀ, ΣA, ΣAAᵀ and ΣAᵀz of latents z and labels A, a chunk at a time.

    Products are float32, of latents less the mean of the first chunk; sums of chunks are float64. An unknown label
    takes part in nothing but the covariance of the latents; where a regression holds labels fixed, it counts as the
    mean of its label. Beyond 1024 dimensions only the squares of latents are summed, and a covariance holds variances.

    Args:
        size: the latent dimensions d.
        labels: the number of labels K.

    References:
        T. F. Chan, G. H. Golub, R. J. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
        Variances", 1979: sums about different middles, put together.
    """

    def __init__(self, size: int, labels: int) -> None:
        self.size = size
        self.labels = labels
        self.count = 0
        self._shift = np.zeros(size, np.float32)
        width = size + 1 + labels
        # Products of the columns [1, A] with all columns [z − shift, 1, A with 0 for unknown], and of z − shift with
        # itself.
        self._cross = np.zeros((1 + labels, width))
        self._square = np.zeros((size, size) if size <= LARGEST_MATRIX else size)
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
        if len(z) <= CHUNK:
            self._add_rows(z, labels)
            return self
        # A thread a matrix product: several gain nothing at this size, and lose much where processors are busy.
        with threadpool_limits(1, user_api="blas"):
            if len(z) < SHARED_ROWS:
                self._add_rows(z, labels)
                return self
            parts = [self._like() for _ in range(SHARES)]
            with ThreadPoolExecutor(min(SHARES, os.cpu_count() or 1)) as pool:
                list(pool.map(Moments._add_rows, parts, np.array_split(z, SHARES), np.array_split(labels, SHARES)))
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
        cross, square = self._products(rows)
        # NaN and infinity survive a sum of squares: nothing is looked through twice where there are none.
        if not np.isfinite(square if square.ndim == 1 else np.diagonal(square)).all():
            raise DataError("expected finite latents, got NaN or infinity; encode them again or leave them out")
        if not np.isfinite(np.diagonal(cross[:, self.size :])).all():
            unknown = np.isnan(labels)
            rows[:, self.size + 1 :][unknown] = 0.0
            cross, square = self._products(rows)
            self._unknown += unknown.astype(np.float32).T @ rows
            self._both_unknown += unknown.T.astype(np.float32) @ unknown.astype(np.float32)
        self._cross += cross
        self._square += square
        self.count += len(z)

    def _products(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What a chunk of columns [z − shift, 1, A] adds to the two sums of products."""
        if self._square.ndim == 1:
            z = rows[:, : self.size]
            return rows[:, self.size :].T @ rows, np.einsum("nd,nd->d", z, z)
        gram = rows.T @ rows
        return gram[self.size :], gram[: self.size, : self.size]

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
        # [z − ours] = [z − theirs] + (theirs − ours) · 1.
        away = other._shift.astype(np.float64) - self._shift
        total = other._cross[0, : self.size]
        if self._square.ndim == 1:
            self._square += other._square + 2 * total * away + other.count * away**2
        else:
            across = np.outer(total, away)
            self._square += other._square + across + across.T + other.count * np.outer(away, away)
        for ours, theirs in ((self._cross, other._cross), (self._unknown, other._unknown)):
            ours += theirs
            ours[:, : self.size] += np.outer(theirs[:, self.size], away)
        self._both_unknown += other._both_unknown
        self.count += other.count
        return self

    def arrays(self) -> dict[str, np.ndarray]:
        """All sums by name, as a file keeps them; `from_arrays` takes them back."""
        return {
            "count": np.array([self.count], np.int64),
            "shift": self._shift,
            "cross": self._cross,
            "square": self._square,
            "unknown": self._unknown,
            "both_unknown": self._both_unknown,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Moments:
        """The moments of which `arrays` gave the sums.

        Raises:
            DataError: when one is missing, or of another shape than the others.
        """
        try:
            shift, both = np.asarray(arrays["shift"], np.float32), np.asarray(arrays["both_unknown"], np.float64)
            found = cls(len(shift), len(both))
            found.count, found._shift, found._both_unknown = int(arrays["count"][0]), shift, both
            for name in ("cross", "square", "unknown"):
                values = np.array(arrays[name], np.float64)
                if values.shape != getattr(found, f"_{name}").shape:
                    raise DataError(f"expected moments {name} of one shape with the others, got {values.shape}")
                setattr(found, f"_{name}", values)
        except (KeyError, IndexError, TypeError) as error:
            raise DataError(f"expected moments, got something else ({error})") from error
        return found

    def covariance(self) -> Covariance:
        """The shrunk covariance of the latents.

        As `fit_covariance`, but for the share of the identity: that of Ledoit and Wolf asks for fourth moments, which
        are taken here as those of a Gaussian, (d² + ‖R‖²) / (n ‖R − I‖²).

        Raises:
            DataError: when there are fewer than two latents, or none varies.
        """
        if self.count < 2:
            raise DataError(f"expected at least 2 latents for a covariance, got {self.count}")
        return self._shrunk(self.raw_covariance())

    def raw_covariance(self) -> np.ndarray:
        """The covariance as the sums have it, not shrunk: (d, d), or beyond 1024 dimensions the variances, (d,)."""
        total = self._cross[0, : self.size] / self.count
        if self._square.ndim == 1:
            return self._square / self.count - total**2
        return self._square / self.count - np.outer(total, total)

    def _shrunk(self, raw: np.ndarray) -> Covariance:
        scale = np.sqrt(np.maximum(raw if raw.ndim == 1 else np.diagonal(raw), 0.0))
        alive = scale > DEAD_RATIO * scale.max()
        if not alive.any():
            raise DataError("expected latents that vary, got the same latent for every image")
        center = self.mean().astype(np.float32)
        if raw.ndim == 1:
            return Covariance(center, np.where(alive, raw, 0).astype(np.float32), self.count)
        spread = np.outer(scale[alive], scale[alive])
        correlation = raw[np.ix_(alive, alive)] / spread
        norm, identity = float((correlation**2).sum()), np.eye(len(correlation))
        away = float(((correlation - identity) ** 2).sum())
        share = min(1.0, (len(identity) ** 2 + norm) / (self.count * away)) if away > 0 else 1.0
        matrix = np.zeros((self.size, self.size))
        matrix[np.ix_(alive, alive)] = ((1 - share) * correlation + share * identity) * spread
        return Covariance(center, matrix.astype(np.float32), self.count)

    def covariance_beside(self, effects: np.ndarray, columns: Sequence[int]) -> Covariance:
        """The shrunk covariance of what labels leave of the latents: of z − (A − mean A)·effects.

        Args:
            effects: from `regression` of these columns, of shape (k, d); without NaN.
            columns: the labels.
        """
        moments, _ = self._label_products(columns)
        explained = effects.T @ (moments / self.count) @ effects
        return self._shrunk(self.raw_covariance() - (explained if self._square.ndim == 2 else np.diagonal(explained)))

    def mean(self) -> np.ndarray:
        """The mean latent, float64 of shape (d,)."""
        return self._shift + self._cross[0, : self.size] / max(self.count, 1)

    def counts(self) -> np.ndarray:
        """How many rows are without and with each 0/1 label, where it is known; int64 of shape (K, 2)."""
        with_ = self._cross[0, self.size + 1 :]
        return np.rint(np.stack([self._known()[:, self.size] - with_, with_], axis=1)).astype(np.int64)

    def class_means(self) -> tuple[np.ndarray, np.ndarray]:
        """mean(z | A = 0) and mean(z | A = 1) of each 0/1 label; float64 of shape (K, d), NaN where there is none."""
        known = self._known()
        with_ = self._cross[0, self.size + 1 :][:, None]
        sums = self._cross[1:, : self.size]
        with np.errstate(divide="ignore", invalid="ignore"):
            without = (known[:, : self.size] - sums) / (known[:, [self.size]] - with_)
            return self._shift + without, self._shift + sums / with_

    def mean_differences(self) -> np.ndarray:
        """mean(z | A = 1) − mean(z | A = 0) of each 0/1 label over the rows where it is known.

        Returns:
            float32 of shape (K, d); NaN for a label of one kind only.
        """
        without, with_ = self.class_means()
        found = with_ - without
        return np.where(np.isfinite(found), found, np.nan).astype(np.float32)

    def regression(self, columns: Sequence[int] | None = None) -> np.ndarray:
        """The coefficients of labels together in a least-squares regression of the latents, Σ_AA⁻¹ Σ_Az.

        Args:
            columns: the labels that take part, in the order in which a later one gives way; None for all.

        Returns:
            float32 of shape (k, d); NaN for a label that is constant, or given by those before it.
        """
        columns = range(self.labels) if columns is None else columns
        moments, away = self._label_products(columns)
        spread = moments / max(self.count, 1)
        # A label that never changes has a variance of rounding errors.
        spread[np.diagonal(spread) <= 1e-9] = 0.0
        kept = independent_columns(spread)
        found = np.full((len(columns), self.size), np.nan)
        if kept:
            found[kept] = np.linalg.solve(moments[np.ix_(kept, kept)], away[kept])
        return found.astype(np.float32)

    def label_covariance(self, columns: Sequence[int]) -> np.ndarray:
        """The covariance of labels, of shape (k, k); an unknown one counts as the mean of its label."""
        return self._label_products(columns)[0] / max(self.count, 1)

    def _label_products(self, columns: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Σ (A − a)(B − b) and Σ (A − a)(z − z̄), of shapes (k, k) and (k, d)."""
        which = np.asarray(list(columns), np.intp)
        known = self._known()[which]
        totals = self._cross[0, self.size + 1 :][which]
        counts = known[:, self.size]
        centers = totals / np.maximum(counts, 1)
        # Over the rows where A is known; the other rows are at the mean and add nothing.
        away = self._cross[1:, : self.size][which] - centers[:, None] * known[:, : self.size]
        mean = self._cross[0, : self.size] / max(self.count, 1)
        away -= (totals - centers * counts)[:, None] * mean
        # Over the rows where both are known.
        where = known[:, self.size + 1 :][:, which]
        both = counts[:, None] + counts - self.count + self._both_unknown[np.ix_(which, which)]
        moments = self._cross[1:, self.size + 1 :][np.ix_(which, which)] - centers[:, None] * where - where.T * centers
        moments += np.outer(centers, centers) * both
        return moments, away

    def _known(self) -> np.ndarray:
        """Σ[A is known] times the columns [z − shift, 1, A], of shape (K, d + 1 + K)."""
        return self._cross[0] - self._unknown
