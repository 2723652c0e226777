"""`npz:PATH`: arrays of images with arrays of labels and attributes, or one .npy array of images alone."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from latentlab.data.attribute import as_attribute, plain_name
from latentlab.data.dataset import Dataset, Request
from latentlab.data.folder import hashed_split, sorted_classes
from latentlab.data.selection import check_options, pick_rows
from latentlab.data.table import SPLIT_NAMES
from latentlab.errors import DataError, UsageError

IMAGES, LABELS = ("images", "x", "X"), ("labels", "label", "y", "Y")
TABLE, TABLE_NAMES = "attributes", "attribute_names"
CLASSES, SPLIT, IDS = ("classes", "class_names"), "split", "ids"
LAYOUTS = ("NCHW", "NHWC")


def read(request: Request) -> Dataset:
    """Read an .npz with images and what is known about them, or an .npy with images.

    An .npz has the images as `images`, `x` or `X`; labels (whole numbers or texts) as `labels`, `label` or `y`, with
    `classes` naming the numbers; attributes as a table `attributes` of shape (n, k) with `attribute_names`, or one
    numeric array of shape (n,) a name; `ids` and `split` as texts. Other arrays are passed over.

    Images are of shape (n, h, w), (n, h, w, c) or (n, c, h, w), with c of 1 or 3; where both readings fit, the option
    `layout`, "NCHW" or "NHWC", has to tell. They are uint8 (other whole numbers from 0 to 255 are taken for that),
    or floats in [0, 1]; 0/1 have to be floats or bool. Without `split` rows are parted 80/10/10 by a hash of the id.

    Raises:
        DataError: when the file is missing, cut short, or the arrays do not fit together.
        UsageError: when the layout is neither of the two.
    """
    check_options("npz", request.options, ["layout"])
    layout = request.options.get("layout")
    if layout is not None and layout not in LAYOUTS:
        raise UsageError(f"layout: expected NCHW or NHWC, got {layout!r}")
    path = Path(request.location).expanduser()
    arrays = read_arrays(path)
    key = next((name for name in IMAGES if name in arrays), None)
    if key is None:
        raise DataError(f"expected an array images, x or X in {path}, got {', '.join(arrays) or 'none'}")
    images = arrays[key]
    channels_first = _layout(images, path, layout)
    total = len(images)
    ids = column_of(arrays, IDS, total, path)
    names = np.array([f"{path.name}/{row}" for row in range(total)] if ids is None else ids.astype(str))
    splits = read_splits(arrays, names, path)
    rows = np.arange(total) if request.split == "all" else np.flatnonzero(splits == request.split)
    if not len(rows):
        raise DataError(f"the {request.split} split of {path} has none of its {total} images; use --split all")
    rows = rows[pick_rows(len(rows), request.count, request.seed)]
    labels, classes = read_labels(arrays, total, path)
    return Dataset(
        source=f"npz:{path}",
        split=request.split,
        pixels=_pixels(channels_first[rows], path),
        ids=names[rows],
        classes=classes,
        labels=None if labels is None else labels[rows],
        attributes={name: values[rows] for name, values in read_attributes(arrays, (key,), total, path).items()},
    )


def read_arrays(path: Path, needed: Sequence[str] = (*IMAGES, *LABELS, TABLE)) -> dict[str, np.ndarray]:
    """The arrays of an .npz by name; that of an .npy, by the first name that is needed, stays on the disk.

    Arrays that hold Python objects, which would have to be unpickled, are left out.

    Args:
        path: of the file.
        needed: the names of arrays that may not be left out.

    Raises:
        DataError: when the file is missing, cut short, or one that is needed holds Python objects.
    """
    try:
        if path.suffix.casefold() == ".npy":
            return {needed[0]: np.load(path, mmap_mode="r", allow_pickle=False)}
        with np.load(path, allow_pickle=False) as stored:
            if not isinstance(stored, np.lib.npyio.NpzFile):
                raise ValueError("it is no .npz")
            arrays = {}
            for name in stored.files:
                try:
                    arrays[name] = stored[name]
                except ValueError as error:
                    if "pickle" not in str(error) or name in needed:
                        raise
            return arrays
    except FileNotFoundError:
        raise DataError(f"no such file: {path}") from None
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0] or type(error).__name__
        if "pickle" in reason and path.read_bytes()[:2] not in (b"PK", b"\x93N"):
            reason = "it is no .npz or .npy; save it with numpy"
        elif "pickle" in reason:
            reason = "it holds Python objects, which are not unpickled; save plain arrays"
        raise DataError(f"cannot read arrays from {path}: {reason[:200]}") from error


def _layout(images: np.ndarray, path: Path, layout: object) -> np.ndarray:
    """The images as a view of shape (n, c, h, w)."""
    shape = images.shape
    expected = (
        f"expected images of shape (n, h, w), (n, h, w, c) or (n, c, h, w) with c of 1 or 3 in {path}, got {shape}"
    )
    if images.ndim not in (3, 4) or min(shape) < 1:
        raise DataError(f"{expected}; {'there are none' if 0 in shape else 'reshape them'}")
    if images.ndim == 3:
        return images[:, None]
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first and last and layout is None:
        raise DataError(f"{expected}, which may be either; set the option layout to NCHW or NHWC")
    if (layout or ("NCHW" if first else "NHWC")) == "NCHW":
        if not first:
            raise DataError(expected)
        return images
    if not last:
        raise DataError(f"{expected}; give 1 or 3 channels")
    return images.transpose(0, 3, 1, 2)


def _pixels(images: np.ndarray, path: Path) -> np.ndarray:
    """Images as uint8, or as float32 in [0, 1]."""
    if images.dtype == bool:
        return np.ascontiguousarray(images).astype(np.uint8) * 255
    if images.dtype.kind not in "uif":
        raise DataError(f"expected images of numbers in {path}, got {images.dtype}")
    low, high = float(images.min()), float(images.max())
    if images.dtype.kind in "ui":
        if not (low >= 0 and high <= 255):
            raise DataError(
                f"expected whole numbers from 0 to 255 in {path}, got {low:g} to {high:g}; divide into [0, 1]"
            )
        if high == 1:
            raise DataError(f"expected pixels from 0 to 255 in {path}, got only 0 and 1; save them as float or bool")
        return np.ascontiguousarray(images, np.uint8)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError(f"expected finite pixels in {path}, got NaN or infinity; take those images out")
    if low < -1e-6 or high > 1 + 1e-6:
        way = "divide by 255" if low >= 0 and high <= 255 else "add 1 and halve" if low >= -1 and high <= 1 else "scale"
        raise DataError(f"expected floats in [0, 1] in {path}, got {low:.3g} to {high:.3g}; {way} them first")
    return np.clip(images.astype(np.float32), 0, 1)


def read_labels(
    arrays: Mapping[str, np.ndarray], total: int, path: Path
) -> tuple[np.ndarray, tuple[str, ...]] | tuple[None, tuple[()]]:
    """Class numbers, int64 of shape (n,), −1 where unknown, and the names of the classes; None without labels.

    Raises:
        DataError: when they are neither whole numbers nor names, or another number than n.
    """
    key = next((name for name in LABELS if name in arrays), None)
    if key is None:
        return None, ()
    labels = arrays[key]
    if labels.shape == (total, 1):
        labels = labels[:, 0]
    if labels.shape != (total,):
        raise DataError(
            f"expected {key} of shape ({total},) in {path}, got {labels.shape}; one number or name an image"
        )
    if labels.dtype.kind in "US":
        texts = labels.astype(str)
        classes = sorted_classes(list(texts))
        numbers = {name: number for number, name in enumerate(classes)}
        return np.array([numbers.get(text, -1) for text in texts], np.int64), classes
    if labels.dtype.kind not in "iub" and not (labels.dtype.kind == "f" and (labels == np.round(labels)).all()):
        raise DataError(f"expected whole numbers or names as {key} in {path}, got {labels.dtype}")
    whole = labels.astype(np.int64)
    given = next((arrays[name].astype(str) for name in CLASSES if name in arrays), None)
    if given is not None:
        if given.ndim != 1 or whole.min() < -1 or whole.max() >= len(given):
            raise DataError(
                f"expected {key} from 0 to {len(given) - 1} (-1: unknown) in {path}, got {whole.min()} to {whole.max()}"
            )
        return whole, tuple(map(str, given))
    values = np.unique(whole[whole >= 0])
    return np.where(whole >= 0, np.searchsorted(values, whole), -1), tuple(map(str, values))


def read_attributes(
    arrays: Mapping[str, np.ndarray], others: Sequence[str], total: int, path: Path
) -> dict[str, np.ndarray]:
    """The attributes among arrays, float32 of shape (n,) a plain name: a table with names, or an array a name.

    Args:
        arrays: by name.
        others: the names of arrays that are something else.
        total: n.
        path: of the file, for messages.

    Raises:
        DataError: when the table has no names, or another shape than they say.
    """
    found: dict[str, np.ndarray] = {}
    if TABLE in arrays:
        table = arrays[TABLE]
        if TABLE_NAMES not in arrays:
            raise DataError(f"expected the names of the attributes as {TABLE_NAMES} in {path}, got none")
        names = [str(name) for name in np.atleast_1d(arrays[TABLE_NAMES])]
        if table.shape != (total, len(names)) or table.dtype.kind not in "biuf":
            raise DataError(
                f"expected attributes of shape ({total}, {len(names)}) in {path}, got {table.dtype} {table.shape}"
            )
        found = {name: table[:, column] for column, name in enumerate(names)}
    taken = {*others, *LABELS, TABLE, TABLE_NAMES, *CLASSES, SPLIT, IDS}
    for name, values in arrays.items():
        if name not in taken and values.shape == (total,) and values.dtype.kind in "biuf":
            found[name] = values
    return {plain_name(name): as_attribute(values) for name, values in found.items()}


def read_splits(arrays: Mapping[str, np.ndarray], names: np.ndarray, path: Path) -> np.ndarray:
    """The split of each row, as the array `split` says or by the hash of its name.

    Raises:
        DataError: when it is none of the three.
    """
    given = column_of(arrays, SPLIT, len(names), path)
    if given is None:
        return np.array([hashed_split(name) for name in names])
    unknown = [str(value) for value in np.unique(given) if str(value).casefold() not in SPLIT_NAMES]
    if unknown:
        raise DataError(f"expected split train, validation or test in {path}, got {unknown[0]!r}")
    return np.array([SPLIT_NAMES[str(value).casefold()] for value in given])


def column_of(arrays: Mapping[str, np.ndarray], name: str, total: int, path: Path) -> np.ndarray | None:
    """The array of a name, None without one.

    Raises:
        DataError: when it is not of shape (n,).
    """
    values = arrays.get(name)
    if values is not None and values.shape != (total,):
        raise DataError(f"expected {name} of shape ({total},) in {path}, got {values.shape}")
    return values
