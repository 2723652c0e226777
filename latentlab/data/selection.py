"""Which images of a source are taken, and what a source may be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from latentlab.errors import unknown_name


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
