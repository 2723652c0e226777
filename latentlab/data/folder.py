"""`folder:PATH`: a folder of images, with a CSV of attributes or labels, or one sub-folder a class."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path

import numpy as np

from latentlab.data.dataset import Request
from latentlab.data.fit import SUFFIXES
from latentlab.data.index import LOOKED_AT, FileIndex
from latentlab.data.names import Names
from latentlab.data.selection import check_options, left_in, pick_rows, require_some
from latentlab.data.table import SPLIT_NAMES, match_rows, read_table
from latentlab.errors import DataError


@dataclass(frozen=True)
class FolderIndex:
    """The image files of one split of a folder, of any number: only as many as are asked for are ever in memory.

    Args:
        source: the name of the source.
        split: which part of the source this is.
        folder: in which the files are.
        names: paths therein, with forward slashes.
        classes: the class names in the order of their numbers; empty without labels.
        depth: of the folder, on the way to a file, that names its class.
    """

    source: str
    split: str
    folder: Path
    names: Names
    classes: tuple[str, ...] = ()
    depth: int = 0

    def __len__(self) -> int:
        return len(self.names)

    @property
    def labelled(self) -> bool:
        """Whether there are labels."""
        return bool(self.classes)

    @property
    def attributes(self) -> Mapping[str, np.ndarray]:
        """None: names do not tell of any."""
        return {}

    def part(self, start: int, stop: int) -> FileIndex:
        """See `Files`."""
        names = self.names.part(start, stop)
        numbers = {name: number for number, name in enumerate(self.classes)}
        labels = np.array([numbers[_folder_of(name, self.depth)] for name in names], np.int64) if numbers else None
        return FileIndex(self.source, self.split, self.folder, tuple(names), self.classes, labels)

    def pick(self, count: int | None, seed: int) -> FolderIndex:
        """See `Files`."""
        if count is None or count >= len(self):
            return self
        return replace(self, names=self.names.at(map(int, pick_rows(len(self), count, seed))))

    def leave_out(self, names: Sequence[str]) -> FolderIndex:
        """See `Files`."""
        starts = range(0, len(self), LOOKED_AT)
        kept = np.concatenate([left_in(self.part(start, start + LOOKED_AT), names) for start in starts])
        require_some(kept, names)
        return replace(self, names=Names(compress(self.names, kept)))

    def at(self, folder: Path, source: str) -> FolderIndex:
        """See `Files`."""
        return replace(self, folder=folder, source=source)


def find(request: Request) -> FolderIndex | FileIndex:
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
    depth = 1 if _split_by_folder(names) else 0
    if request.attributes is not None:
        return _told(request, folder, names, depth)
    classes = _classes(names, depth)
    if request.split != "all":
        wanted = names.where(lambda name: _split_of(name, depth) == request.split)
        _require(len(wanted), len(names), request, folder)
        names = wanted
    found = FolderIndex(f"folder:{folder}", request.split, folder, names, classes, depth)
    return found.pick(request.count, request.seed)


def _told(request: Request, folder: Path, names: Names, depth: int) -> FileIndex:
    """The files of which a CSV tells, which is in memory and they with it."""
    assert request.attributes is not None
    table = read_table(request.attributes)
    files = list(names)
    rows = match_rows(table, files)
    labels = None if table.labels is None else [table.labels[row] if row >= 0 else "" for row in rows]
    if request.split == "all":
        wanted = np.arange(len(files))
    else:
        splits = (
            (_split_of(name, depth) for name in files)
            if table.splits is None
            else (table.splits[row] if row >= 0 else "" for row in rows)
        )
        wanted = np.flatnonzero(np.fromiter((split == request.split for split in splits), bool, len(files)))
    _require(len(wanted), len(files), request, folder)
    chosen = wanted[pick_rows(len(wanted), request.count, request.seed)]
    classes = sorted_classes(labels) if labels is not None else ()
    numbers = {name: number for number, name in enumerate(classes)}
    return FileIndex(
        source=f"folder:{folder}",
        split=request.split,
        folder=folder,
        names=tuple([files[number] for number in chosen]),
        classes=classes,
        labels=np.array([numbers.get(labels[i], -1) for i in chosen], np.int64)
        if labels is not None and classes
        else None,
        attributes={
            name: np.where(rows >= 0, column[rows], np.nan)[chosen].astype(np.float32)
            for name, column in table.attributes.items()
        },
    )


def _require(found: int, total: int, request: Request, folder: Path) -> None:
    if not found:
        raise DataError(f"the {request.split} split of {folder} has none of its {total} images; use --split all")


def list_images(folder: Path) -> Names:
    """The image files in a folder and its sub-folders, as paths in it with forward slashes, in order.

    Raises:
        DataError: when there is no such folder, or it has none.
    """
    if not folder.is_dir():
        raise DataError(
            f"expected a folder of images, got {folder}, which {'is a file' if folder.exists() else 'is not there'}"
        )
    names = Names.in_order(_walk(folder))
    if not len(names):
        raise DataError(f"expected images in the folder {folder}, found none ({', '.join(SUFFIXES)})")
    return names


def _walk(folder: Path) -> Iterator[str]:
    """The image files below a folder, an entry at a time: os.walk holds all names of a folder."""
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        place = os.path.join(folder, inner)
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if not _is_folder(entry):
                        if entry.name.casefold().endswith(SUFFIXES):
                            yield inner + entry.name
                    elif not entry.name.startswith("__MACOSX"):
                        waiting.append(f"{inner}{entry.name}/")
        except OSError as error:
            reason = (error.strerror or "").lower()
            raise DataError(f"cannot look into {place.rstrip('/')}: {reason}; allow it, or take it out") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    # A link to itself, for one.
    except OSError:
        return False


def hashed_split(name: str) -> str:
    """The split of a file by its name: train for 80 of 100 names, validation and test for 10 each."""
    share = int.from_bytes(hashlib.sha256(name.encode(errors="surrogateescape")).digest()[:8], "big") / 2**64
    return "train" if share < 0.8 else "validation" if share < 0.9 else "test"


def sorted_classes(labels: Iterable[str]) -> tuple[str, ...]:
    """The class names among labels, numbers by their size and other names by the alphabet."""
    names = {label for label in labels if label}
    numeric = all(name.lstrip("-").isdecimal() for name in names)
    return tuple(sorted(names, key=int if numeric else str))


def _folder_of(name: str, depth: int) -> str:
    """The folder on the way to a file that is so deep; "" where there is none."""
    parts = name.split("/", depth + 1)
    return parts[depth] if len(parts) > depth + 1 else ""


def _split_of(name: str, depth: int) -> str:
    """The split of a file: of the folder that it lies in, where these tell, or else by its name."""
    return SPLIT_NAMES[_folder_of(name, 0).casefold()] if depth else hashed_split(name)


def _split_by_folder(names: Iterable[str]) -> bool:
    """Whether all files lie in folders that are called like splits, and in several of these."""
    splits = set()
    for name in names:
        first = _folder_of(name, 0)
        if first.isdecimal() or first.casefold() not in SPLIT_NAMES:
            return False
        splits.add(SPLIT_NAMES[first.casefold()])
    return len(splits) > 1


def _classes(names: Iterable[str], depth: int) -> tuple[str, ...]:
    """The names of the folders that all files lie in, if there are several."""
    found = set()
    for name in names:
        first = _folder_of(name, depth)
        if not first:
            return ()
        found.add(first)
    return sorted_classes(found) if len(found) > 1 else ()
