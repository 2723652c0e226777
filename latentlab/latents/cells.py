"""Sums of latents over the cells of labels: every combination of values that occurs, where there are not too many."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from latentlab.errors import DataError

# Cells of which sums are kept: more are of so few images each that balancing over them would keep none.
MOST_CELLS = 1024
# Combinations of three values (without, with, unknown) that a whole number can tell apart.
MOST_LABELS = 40


class Cells:
    """Count and Σz of every combination of labels.

    Sums over cells are what balancing needs: the mean of a class within images that are alike in everything else. Where
    more than 1,024 combinations occur, or there are more than 40 labels, nothing is kept, and `given_up` says so.

    Args:
        size: the latent dimensions d.
        labels: the number of labels K.
    """

    def __init__(self, size: int, labels: int) -> None:
        self.size = size
        self.labels = labels
        self.given_up = labels > MOST_LABELS
        self._digits = np.uint64(3) ** np.arange(0 if self.given_up else labels, dtype=np.uint64)
        self._codes = np.zeros(0, np.uint64)
        self._counts = np.zeros(0, np.int64)
        self._sums = np.zeros((0, size))

    def add(self, z: np.ndarray, labels: np.ndarray) -> Cells:
        """Add rows of latents, of shape (n, d), and labels, of shape (n, K), 0/1 or NaN; returns itself."""
        if self.given_up or not len(z):
            return self
        # One after the other: a few at first show whether there are too many.
        for start, stop in ((0, 2 * MOST_CELLS), (2 * MOST_CELLS, len(z))):
            some, levels = z[start:stop], labels[start:stop]
            if len(some) and not self.given_up:
                values = np.where(np.isnan(levels), 2, levels > 0.5).astype(np.uint64)
                codes, where, counts = np.unique(values @ self._digits, return_inverse=True, return_counts=True)
                order = np.argsort(where, kind="stable")
                firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
                sums = np.add.reduceat(some[order].astype(np.float64), firsts, axis=0)
                self._put(codes, counts, sums)
        return self

    def merge(self, other: Cells) -> Cells:
        """Add the rows of another pass; returns itself.

        Raises:
            DataError: when the other is of another size.
        """
        if (other.size, other.labels) != (self.size, self.labels):
            raise DataError(
                f"expected cells of {self.size} dimensions and {self.labels} labels, got {other.size} and "
                f"{other.labels}"
            )
        if other.given_up:
            self._give_up()
        elif not self.given_up:
            self._put(other._codes, other._counts, other._sums)
        return self

    @property
    def counts(self) -> np.ndarray:
        """The images of each cell, int64 of shape (m,)."""
        return self._counts

    @property
    def means(self) -> np.ndarray:
        """The mean latent of each cell, float64 of shape (m, d)."""
        return self._sums / self._counts[:, None]

    @property
    def levels(self) -> np.ndarray:
        """The labels of each cell, float64 of shape (m, K): 0, 1, or NaN for unknown."""
        digits = (self._codes[:, None] // self._digits[None, :]) % np.uint64(3)
        return np.where(digits == 2, np.nan, digits.astype(np.float64))

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything by name, as a file keeps it; none where it was given up."""
        if self.given_up:
            return {}
        return {"codes": self._codes, "counts": self._counts, "sums": self._sums}

    @classmethod
    def from_arrays(cls, size: int, labels: int, arrays: Mapping[str, np.ndarray]) -> Cells:
        """The cells that `arrays` gave.

        Raises:
            DataError: when an array is of another shape than the others.
        """
        found = cls(size, labels)
        if not arrays or found.given_up:
            found._give_up()
            return found
        try:
            codes, counts = np.asarray(arrays["codes"], np.uint64), np.asarray(arrays["counts"], np.int64)
            sums = np.asarray(arrays["sums"], np.float64)
        except KeyError as error:
            raise DataError(f"expected cells with {error}, got none") from error
        if codes.ndim != 1 or counts.shape != codes.shape or sums.shape != (len(codes), size) or (counts < 1).any():
            raise DataError(f"expected cells of {size} dimensions, got arrays of other shapes")
        found._put(codes, counts, sums)
        return found

    def _put(self, codes: np.ndarray, counts: np.ndarray, sums: np.ndarray) -> None:
        known, where = np.unique(np.concatenate([self._codes, codes]), return_inverse=True)
        if len(known) > MOST_CELLS:
            self._give_up()
            return
        total, all_sums = np.zeros(len(known), np.int64), np.zeros((len(known), self.size))
        np.add.at(total, where, np.concatenate([self._counts, counts]))
        np.add.at(all_sums, where, np.concatenate([self._sums, sums]))
        self._codes, self._counts, self._sums = known, total, all_sums

    def _give_up(self) -> None:
        self.given_up = True
        self._codes, self._counts, self._sums = np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros((0, self.size))
