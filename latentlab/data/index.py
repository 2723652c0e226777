"""Image files with what is known of each, before any of them is opened; and their reading."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from PIL import Image

from latentlab.codec import ImageSpec
from latentlab.data.dataset import Dataset, Skipped
from latentlab.data.decode import ORIENTATION, THREADS, Crop, check_skipped, decode_files
from latentlab.data.fit import MOST_PIXELS
from latentlab.data.selection import leave_out, pick_rows
from latentlab.errors import DataError, first_line

GREY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
# EXIF's values that exchange width and height.
SIDEWAYS = (5, 6, 7, 8)
# More than this is not read without a size to make it small.
MOST_BYTES = 4 * 1024**3
# Files of which it is looked up at once what is known of them.
LOOKED_AT = 1 << 14


class Files(Protocol):
    """The image files of one split of a source, in memory or not; of what each property is, see `FileIndex`."""

    @property
    def source(self) -> str: ...

    @property
    def split(self) -> str: ...

    @property
    def folder(self) -> Path: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def names(self) -> Iterable[str]: ...

    @property
    def attributes(self) -> Mapping[str, np.ndarray]: ...

    @property
    def labelled(self) -> bool: ...

    def __len__(self) -> int: ...

    def part(self, start: int, stop: int) -> FileIndex:
        """The files from one place up to another."""

    def pick(self, count: int | None, seed: int) -> Self:
        """A seeded sample of the files, as `selection.pick_rows`; all of them where no count is given."""

    def leave_out(self, names: Sequence[str]) -> Self:
        """Those that are of none of some classes, and have none of some attributes, as `selection.leave_out`."""

    def at(self, folder: Path, source: str) -> Self:
        """The same files by another path of their folder."""


@dataclass(frozen=True)
class FileIndex:
    """The image files of one split of a source, all of them in memory.

    Args:
        source: the name of the source.
        split: which part of the source this is.
        folder: in which the files are.
        names: paths therein, with forward slashes.
        classes: the class names in the order of their numbers; empty without labels.
        labels: class numbers of shape (n,), int64, −1 where unknown; None without labels.
        attributes: float32 of shape (n,) a name; NaN where unknown.
        prefix: what stands before a name in the id of an image.
        crop: the part of each image that is looked at; all of it where there is none.
        image: to which images are fitted where nothing else is asked for; None for their own size.
    """

    source: str
    split: str
    folder: Path
    names: tuple[str, ...]
    classes: tuple[str, ...] = ()
    labels: np.ndarray | None = None
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    prefix: str = ""
    crop: Crop | None = None
    image: ImageSpec | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def labelled(self) -> bool:
        """Whether there are labels."""
        return self.labels is not None

    def part(self, start: int, stop: int) -> FileIndex:
        """See `Files`."""
        return self.take(np.arange(start, min(stop, len(self))))

    def pick(self, count: int | None, seed: int) -> FileIndex:
        """See `Files`."""
        return self.take(pick_rows(len(self), count, seed))

    def leave_out(self, names: Sequence[str]) -> FileIndex:
        """See `Files`."""
        return leave_out(self, names)

    def at(self, folder: Path, source: str) -> FileIndex:
        """See `Files`."""
        return replace(self, folder=folder, source=source)

    def take(self, rows: np.ndarray) -> FileIndex:
        """The same index with only the given rows, in the given order."""
        return replace(
            self,
            names=tuple([self.names[row] for row in rows]),
            labels=None if self.labels is None else self.labels[rows],
            attributes={name: values[rows] for name, values in self.attributes.items()},
        )


def read_files(index: FileIndex, image: ImageSpec | None, *, max_bad: float | None, threads: int = THREADS) -> Dataset:
    """Read the images of an index.

    Args:
        index: which files.
        image: to which they are fitted; None for the index's own size, or else that which all of them have.
        max_bad: the largest share that may be unreadable; None where all of them may be.
        threads: how many decode at once.

    Raises:
        DataError: when more files than that cannot be read, or sizes differ where none is given.
    """
    total = len(index)
    skipped: tuple[Skipped, ...] = ()
    spec = image or index.image
    if spec is None:
        spec, index, skipped = _common_spec(index, 1.0 if max_bad is None else max_bad)
    # Texts: to make a path of each takes a thirtieth of the time that decoding does.
    root = os.fspath(index.folder)
    files = [os.path.join(root, name) for name in index.names]
    pixels, kept, unreadable = decode_files(files, index.names, spec, max_bad=max_bad, crop=index.crop, threads=threads)
    if max_bad is not None:
        check_skipped(skipped + unreadable, total, max_bad)
    if unreadable:
        index = index.take(kept)
    return Dataset(
        source=index.source,
        split=index.split,
        pixels=pixels,
        ids=np.array([index.prefix + name for name in index.names], np.str_),
        classes=index.classes,
        labels=index.labels,
        attributes=index.attributes,
        ink=spec.ink,
        skipped=skipped + unreadable,
    )


def _common_spec(index: FileIndex, max_bad: float) -> tuple[ImageSpec, FileIndex, tuple[Skipped, ...]]:
    """The one size of the files by their first bytes, those that have one, and the others."""
    sizes: Counter[tuple[int, int]] = Counter()
    coloured, readable, skipped = False, [], []
    for number, name in enumerate(index.names):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(index.folder / name) as image:
                    width, height = image.size
                    if image.getexif().get(ORIENTATION) in SIDEWAYS:
                        width, height = height, width
                    coloured |= image.mode not in GREY_MODES
        # Whatever Pillow raises, the file is one that cannot be read.
        except Exception as error:
            skipped.append(Skipped(name, f"cannot read the image {index.folder / name}: {first_line(error)}"))
            continue
        sizes[height, width] += 1
        readable.append(number)
    check_skipped(skipped, len(index), max_bad)
    if len(sizes) > 1:
        shown = ", ".join(f"{height}×{width}" for (height, width), _ in sizes.most_common(3))
        more = ", …" if len(sizes) > 3 else ""
        raise DataError(f"images have different sizes ({shown}{more}); give the model or a size to fit them to")
    height, width = next(iter(sizes))
    spec = ImageSpec(3 if coloured else 1, height, width)
    if height * width <= MOST_PIXELS and spec.size * len(readable) > MOST_BYTES:
        raise DataError(
            f"{len(readable)} images of {spec} take {spec.size * len(readable) / 1024**3:.0f} GiB of memory; "
            "give the model or a size to fit them to, or a smaller --count"
        )
    return spec, index.take(np.array(readable, np.int64)) if skipped else index, tuple(skipped)
