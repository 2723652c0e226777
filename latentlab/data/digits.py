"""`digits`: 1,797 real handwritten digits of 8×8 grey pixels, which come with scikit-learn.

References:
    E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, 1998.
"""

from __future__ import annotations

import numpy as np

from latentlab.data.dataset import Dataset, Request
from latentlab.data.selection import check_options, pick_rows

# Which images belong to which split never changes, so the seed that parts them is not the caller's.
SPLIT_SEED = 1998
SHARES = {"train": (0.0, 0.7), "validation": (0.7, 0.8), "test": (0.8, 1.0)}
BRIGHTEST = 16


def read(request: Request) -> Dataset:
    """Read the digits: light ink on a dark ground, split 70/10/20 with the classes in proportion."""
    from sklearn.datasets import load_digits

    check_options("digits", request.options)
    stored = load_digits()
    labels = stored.target.astype(np.int64)
    rows = np.arange(len(labels)) if request.split == "all" else split_rows(labels, request.split)
    rows = rows[pick_rows(len(rows), request.count, request.seed)]
    grey = np.rint(stored.images[rows] * (255 / BRIGHTEST)).astype(np.uint8)
    return Dataset(
        source="digits",
        split=request.split,
        pixels=grey[:, None],
        ids=np.array([f"digits/{row}" for row in rows]),
        classes=tuple(map(str, range(10))),
        labels=labels[rows],
        ink="light",
    )


def split_rows(labels: np.ndarray, split: str) -> np.ndarray:
    """The rows of one split, ascending, parted class by class so that every split has all classes."""
    generator = np.random.default_rng(SPLIT_SEED)
    start, stop = SHARES[split]
    parts = []
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        parts.append(rows[round(start * len(rows)) : round(stop * len(rows))])
    return np.sort(np.concatenate(parts))
