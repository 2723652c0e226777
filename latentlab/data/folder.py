"""`folder:PATH`: a folder of images, with a CSV of attributes or labels, or one sub-folder a class."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from latentlab.codec import ImageSpec
from latentlab.data.dataset import Dataset, Request, Skipped
from latentlab.data.decode import check_skipped, decode_files
from latentlab.data.fit import MOST_PIXELS, SUFFIXES
from latentlab.data.selection import check_options, pick_rows
from latentlab.data.table import SPLIT_NAMES, match_rows, read_table
from latentlab.errors import DataError, first_line

GREY_MODES = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
# EXIF's mark of the side that is up, and its values that exchange width and height.
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)
# More than this is not read without a size to make it small.
MOST_BYTES = 4 * 1024**3


def read(request: Request) -> Dataset:
    """Read the images of a folder and of its sub-folders.

    Splits come from a column `split` of the CSV, from sub-folders called train, val and test, or else from the names of
    the files: 80/10/10 by a hash, so that a file stays in its split when others are added. Labels come from a column
    `label` of the CSV, or, without a CSV, from sub-folders. An image of which the CSV says nothing has label −1 and
    attributes NaN. Without `image` all have to be of one size already.

    Raises:
        DataError: when there is no such folder, it has no images, too many of them cannot be read, the CSV does not
            match, or sizes differ.
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
    wanted = [
        number
        for number, name in enumerate(names)
        if request.split == "all" or (splits[number] if splits else hashed_split(name)) == request.split
    ]
    if not wanted:
        raise DataError(f"the {request.split} split of {folder} has none of its {len(names)} images; use --split all")
    chosen = np.array(wanted)[pick_rows(len(wanted), request.count, request.seed)]
    skipped: tuple[Skipped, ...] = ()
    spec = request.image
    if spec is None:
        spec, chosen, skipped = _common_spec(folder, names, chosen, request.max_bad)
    pixels, kept, unreadable = decode_files(
        [folder / names[number] for number in chosen],
        [names[number] for number in chosen],
        spec,
        max_bad=request.max_bad,
    )
    skipped += unreadable
    check_skipped(skipped, len(chosen) + len(skipped) - len(unreadable), request.max_bad)
    chosen = chosen[kept]
    classes = sorted_classes(labels) if labels is not None else ()
    numbers = {name: number for number, name in enumerate(classes)}
    return Dataset(
        source=f"folder:{folder}",
        split=request.split,
        pixels=pixels,
        ids=np.array([names[number] for number in chosen]),
        classes=classes,
        labels=np.array([numbers.get(labels[i], -1) for i in chosen], np.int64)
        if labels is not None and classes
        else None,
        attributes={name: column[chosen].astype(np.float32) for name, column in values.items()},
        ink=spec.ink,
        skipped=skipped,
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
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        here = Path(place).relative_to(folder)
        names += [(here / name).as_posix() for name in files if _is_image(name)]
    if not names:
        raise DataError(f"expected images in the folder {folder}, found none ({', '.join(SUFFIXES)})")
    return sorted(names)


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


def _folder_splits(names: Sequence[str]) -> tuple[list[str] | None, list[str]]:
    """The split of each file by the folder that it lies in, if all lie in such folders; and the paths therein."""
    parts = [name.partition("/") for name in names]
    splits = [
        SPLIT_NAMES.get(first.casefold(), "") if slash and not first.isdecimal() else "" for first, slash, _ in parts
    ]
    if not all(splits) or len(set(splits)) < 2:
        return None, list(names)
    return splits, [rest for *_, rest in parts]


def _folder_labels(names: Sequence[str]) -> list[str] | None:
    """The first folder of each path, if all lie in one and there are several."""
    labels = [name.partition("/")[0] if "/" in name else "" for name in names]
    return labels if all(labels) and len(set(labels)) > 1 else None


def _common_spec(
    folder: Path, names: Sequence[str], chosen: np.ndarray, max_bad: float
) -> tuple[ImageSpec, np.ndarray, tuple[Skipped, ...]]:
    """The one size of the chosen files by their first bytes, those that have one, and the others."""
    sizes: Counter[tuple[int, int]] = Counter()
    coloured, readable, skipped = False, [], []
    for number in chosen:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(folder / names[number]) as image:
                    width, height = image.size
                    if image.getexif().get(ORIENTATION) in SIDEWAYS:
                        width, height = height, width
                    coloured |= image.mode not in GREY_MODES
        # Whatever Pillow raises, the file is one that cannot be read.
        except Exception as error:
            first = first_line(error)
            skipped.append(Skipped(names[number], f"cannot read the image {folder / names[number]}: {first}"))
            continue
        sizes[height, width] += 1
        readable.append(number)
    check_skipped(skipped, len(chosen), max_bad)
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
    return spec, np.array(readable, np.int64), tuple(skipped)
