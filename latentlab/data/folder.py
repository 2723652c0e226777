"""`folder:PATH`: a folder of images, with a CSV of attributes or labels, or one sub-folder a class."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from latentlab.data.dataset import Request
from latentlab.data.fit import SUFFIXES
from latentlab.data.index import FileIndex
from latentlab.data.selection import check_options, pick_rows
from latentlab.data.table import SPLIT_NAMES, match_rows, read_table
from latentlab.errors import DataError


def find(request: Request) -> FileIndex:
    """Find the images of a folder and of its sub-folders.

    Splits come from a column `split` of the CSV, from sub-folders called train, val and test, or else from the names of
    the files: 80/10/10 by a hash, so that a file stays in its split when others are added. Labels come from a column
    `label` of the CSV, or, without a CSV, from sub-folders. An image of which the CSV says nothing has label −1 and
    attributes NaN. Without `image` all have to be of one size already.

    Raises:
        DataError: when there is no such folder, it has no images, or the CSV does not match.
    """
    check_options("folder", request.options)
    folder = Path(request.location).expanduser()
    names = list_images(folder)
    splits, inner = _folder_splits(names)
    labels: list[str] | None = None
    values: dict[str, np.ndarray] = {}
    if request.attributes is not None:
        table = read_table(request.attributes)
        rows = match_rows(table, names)
        values = {name: np.where(rows >= 0, column[rows], np.nan) for name, column in table.attributes.items()}
        if table.labels is not None:
            labels = [table.labels[row] if row >= 0 else "" for row in rows]
        if table.splits is not None:
            splits = [table.splits[row] if row >= 0 else "" for row in rows]
    else:
        labels = _folder_labels(inner)
    if request.split == "all":
        wanted = np.arange(len(names))
    else:
        found = splits if splits else map(hashed_split, names)
        wanted = np.flatnonzero(np.fromiter((split == request.split for split in found), bool, len(names)))
    if not len(wanted):
        raise DataError(f"the {request.split} split of {folder} has none of its {len(names)} images; use --split all")
    chosen = wanted[pick_rows(len(wanted), request.count, request.seed)]
    classes = sorted_classes(labels) if labels is not None else ()
    numbers = {name: number for number, name in enumerate(classes)}
    return FileIndex(
        source=f"folder:{folder}",
        split=request.split,
        folder=folder,
        names=tuple([names[number] for number in chosen]),
        classes=classes,
        labels=np.array([numbers.get(labels[i], -1) for i in chosen], np.int64)
        if labels is not None and classes
        else None,
        attributes={name: column[chosen].astype(np.float32) for name, column in values.items()},
    )


def list_images(folder: Path) -> list[str]:
    """The image files in a folder and its sub-folders, as paths in it with forward slashes, in order.

    Raises:
        DataError: when there is no such folder, or it has none.
    """
    if not folder.is_dir():
        raise DataError(
            f"expected a folder of images, got {folder}, which {'is a file' if folder.exists() else 'is not there'}"
        )
    names = []

    def refuse(error: OSError) -> None:
        raise DataError(
            f"cannot look into {error.filename}: {(error.strerror or '').lower()}; allow it, or take it out"
        ) from error

    for place, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        here = Path(place).relative_to(folder).as_posix()
        names += [name if here == "." else f"{here}/{name}" for name in files if _is_image(name)]
    if not names:
        raise DataError(f"expected images in the folder {folder}, found none ({', '.join(SUFFIXES)})")
    names.sort()
    return names


def hashed_split(name: str) -> str:
    """The split of a file by its name: train for 80 of 100 names, validation and test for 10 each."""
    share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    return "train" if share < 0.8 else "validation" if share < 0.9 else "test"


def sorted_classes(labels: Sequence[str]) -> tuple[str, ...]:
    """The class names among labels, numbers by their size and other names by the alphabet."""
    names = {label for label in labels if label}
    numeric = all(name.lstrip("-").isdecimal() for name in names)
    return tuple(sorted(names, key=int if numeric else str))


def _is_image(name: str) -> bool:
    return not name.startswith(".") and name.casefold().endswith(SUFFIXES)


def _folder_splits(names: Sequence[str]) -> tuple[list[str] | None, Iterable[str]]:
    """The split of each file by the folder that it lies in, if all lie in such folders; and the paths therein."""
    splits = []
    for name in names:
        first, slash, _ = name.partition("/")
        split = SPLIT_NAMES.get(first.casefold(), "") if slash and not first.isdecimal() else ""
        if not split:
            return None, names
        splits.append(split)
    return (splits, (name.partition("/")[2] for name in names)) if len(set(splits)) > 1 else (None, names)


def _folder_labels(names: Iterable[str]) -> list[str] | None:
    """The first folder of each path, if all lie in one and there are several."""
    labels = []
    for name in names:
        first, slash, _ = name.partition("/")
        if not slash:
            return None
        # A million files share the few names of their classes.
        labels.append(sys.intern(first))
    return labels if len(set(labels)) > 1 else None
