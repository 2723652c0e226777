"""Rows put apart: the same images on the same side whenever, and in whatever order, they come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np


def draw_order(ids: Iterable[object], seed: int) -> np.ndarray:
    """A number for each image that depends on its id and the seed alone.

    Sorted by it, images stand in an order that looks random and does not depend on the order of the rows.

    Args:
        ids: the name of each image.
        seed: another seed, another order.

    Returns:
        uint64 of shape (n,).
    """
    # Of an array, names that Python knows are had at once; one by one they take longer than their hashes.
    names = ids.tolist() if isinstance(ids, np.ndarray) else ids
    digests = b"".join(
        [blake2b(f"{seed}:{name}".encode("utf-8", "surrogateescape"), digest_size=8).digest() for name in names]
    )
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def split_rows(order: np.ndarray, shares: Sequence[float], strata: np.ndarray | None = None) -> list[np.ndarray]:
    """Split rows into parts with the given shares, in every stratum alike.

    An image keeps its part however the rows are sorted; when rows come or go, only those near a cut move.

    Args:
        order: the number of each row from `draw_order`, of shape (n,).
        shares: the share of each part; they add up to 1.
        strata: a value for each row, of shape (n,), whose share is the same in every part; None for no strata.

    Returns:
        The rows of each part, ascending, each row in one part.
    """
    strata = np.zeros(len(order), dtype=np.int64) if strata is None else np.asarray(strata)
    parts: list[list[np.ndarray]] = [[] for _ in shares]
    for level in np.unique(strata):
        rows = np.flatnonzero(strata == level)
        rows = rows[np.argsort(order[rows], kind="stable")]
        cuts = np.rint(np.cumsum(shares)[:-1] * len(rows)).astype(int)
        for part, piece in zip(parts, np.split(rows, cuts), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)) if part else np.zeros(0, dtype=np.int64) for part in parts]
