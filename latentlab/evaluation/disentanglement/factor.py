"""The known factors of images: what disentanglement is measured against."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from latentlab.errors import DataError, unknown_name

# A column of numbers with more values than this is taken as continuous, and cut into bins where levels are needed.
MOST_LEVELS = 50
BINS = 20


@dataclass(frozen=True)
class Factors:
    """k factors of n images.

    Args:
        names: of shape (k,).
        values: as numbers, of shape (n, k), float64; the order of a categorical factor's numbers means nothing.
        levels: as level numbers from 0, of shape (n, k), int64; continuous factors are cut into bins of equal count.
        categorical: whether each factor has no order, of shape (k,).
    """

    names: tuple[str, ...]
    values: np.ndarray
    levels: np.ndarray
    categorical: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: np.ndarray) -> Factors:
        """The factors of the given images, in the given order."""
        return Factors(self.names, self.values[rows], self.levels[rows], self.categorical)


def read_factors(columns: Mapping[str, np.ndarray], categorical: Collection[str] = ()) -> Factors:
    """Factors from columns by name.

    Args:
        columns: each of shape (n,): numbers, or text, which is categorical.
        categorical: the names of columns of numbers that have no order, such as classes.

    Raises:
        DataError: when there are fewer than 2 columns, their lengths differ, or one has unknown or infinite values, or
            only one value.
        UnknownNameError: when `categorical` names no column.
    """
    for name in categorical:
        if name not in columns:
            raise unknown_name("factor", name, columns)
    if len(columns) < 2:
        raise DataError(f"expected at least 2 factors, got {len(columns)}: {', '.join(columns) or 'none'}")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"expected factors of the same images, got {lengths}")
    values, levels, kinds = [], [], []
    for name, given in columns.items():
        column = np.asarray(given)
        if column.ndim != 1:
            raise DataError(f"expected one value of {name!r} an image, got an array of shape {column.shape}")
        text = column.dtype.kind not in "biuf"
        if text:
            column = np.unique(column.astype(str), return_inverse=True)[1]
        column = column.astype(np.float64)
        unknown = int((~np.isfinite(column)).sum())
        if unknown:
            raise DataError(f"expected every image's {name!r}, got {unknown} unknown or infinite; leave those out")
        distinct, level = np.unique(column, return_inverse=True)
        if len(distinct) < 2:
            raise DataError(f"expected a factor that varies, got the same {name!r} for every image; leave it out")
        nominal = text or name in categorical
        if len(distinct) > MOST_LEVELS and not nominal:
            edges = np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1]))
            level = np.unique(np.searchsorted(edges, column, side="right"), return_inverse=True)[1]
        values.append(column)
        levels.append(level.astype(np.int64))
        kinds.append(nominal)
    return Factors(tuple(columns), np.stack(values, axis=1), np.stack(levels, axis=1), tuple(kinds))
