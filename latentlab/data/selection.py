"""Which images of a source are taken, and what a source may be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, Self, TypeVar

import numpy as np

from latentlab.errors import DataError, UsageError, unknown_name


class Described(Protocol):
    """Images of which classes and attributes are known: a `Dataset`, or files that are still to be read."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def labels(self) -> np.ndarray | None: ...

    @property
    def attributes(self) -> Mapping[str, np.ndarray]: ...

    def __len__(self) -> int: ...

    def take(self, rows: np.ndarray) -> Self:
        """The same with only the given rows, in the given order."""


Images = TypeVar("Images", bound=Described)


def pick_rows(total: int, count: int | None, seed: int) -> np.ndarray:
    """The rows of a seeded sample of stored images, in the order in which they are stored.

    Args:
        total: how many there are.
        count: how many are wanted, or None for all.
        seed: which ones.

    Returns:
        Ascending int64 row numbers, `min(count, total)` of them.
    """
    if count is None or count >= total:
        return np.arange(total)
    return np.sort(np.random.default_rng([seed, total]).permutation(total)[:count])


def check_options(source: str, given: Mapping[str, object], known: Iterable[str] = ()) -> None:
    """Refuse options that a source does not know.

    Raises:
        UnknownNameError: naming the first such option and those that there are.
    """
    names = list(known)
    for name in given:
        if name not in names:
            raise unknown_name(f"option of {source}", name, names)


def leave_out(data: Images, names: Sequence[str]) -> Images:
    """The images that are of none of some classes, and have none of some attributes; the class names stay.

    Images of which it is not known are left out as well.

    Args:
        data: the images.
        names: of classes and 0/1 attributes.

    Raises:
        UsageError: when the names are not a list of texts.
        UnknownNameError: when a name is no class or attribute.
        DataError: when an attribute is not 0/1, or no image is left.
    """
    kept = left_in(data, names)
    require_some(kept, names)
    return data.take(np.flatnonzero(kept))


def require_some(kept: np.ndarray, names: Sequence[str]) -> None:
    """Refuse to leave out all images.

    Raises:
        DataError: when none of them is kept.
    """
    if not kept.any():
        raise DataError(f"expected images without {', '.join(names)}, got none among {len(kept)}")


def left_in(data: Described, names: Sequence[str]) -> np.ndarray:
    """Which images `leave_out` leaves: bool of shape (n,); none may be.

    Raises:
        UsageError, UnknownNameError, DataError: as `leave_out` does.
    """
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise UsageError(f"without: expected a list of classes and attributes, such as ['7'], got {names!r}")
    kept = np.ones(len(data), bool)
    for name in names:
        if name in data.attributes:
            values = np.asarray(data.attributes[name])
            if not np.isin(values[~np.isnan(values)], (0, 1)).all():
                raise DataError(f"without: expected classes or attributes of 0 and 1, got {name!r}, which has scores")
            kept &= values == 0
        elif name in data.classes and data.labels is not None:
            kept &= (data.labels >= 0) & (data.labels != data.classes.index(name))
        else:
            raise unknown_name("class or attribute", name, [*data.attributes, *data.classes])
    return kept
