"""Images in: one file a source, and `SOURCES`, which names them all.

A source is a module with `read(request) -> Dataset`, or, where each image is a file of its own (`INDEXED`), with
`find(request) -> Files`. It is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from latentlab.codec import ImageSpec
from latentlab.data.dataset import Dataset, Request, Skipped, Split
from latentlab.data.selection import leave_out, pick_rows
from latentlab.errors import DataError, UsageError, unknown_name
from latentlab.runtime import BATCH

if TYPE_CHECKING:
    from latentlab.data.index import Files

__all__ = ["SOURCES", "Dataset", "Request", "Skipped", "Split", "load_data"]

SOURCES = {
    "digits": "latentlab.data.digits",
    "faces": "latentlab.data.faces",
    "patterns": "latentlab.data.patterns",
    "mnist": "latentlab.data.mnist",
    "fashion-mnist": "latentlab.data.fashion_mnist",
    "celeba": "latentlab.data.celeba",
    "folder": "latentlab.data.folder",
    "npz": "latentlab.data.arrays",
    "tar": "latentlab.data.tar",
}
# The sources that are told where to look, as in `folder:PATH`.
LOCATED = ("folder", "npz", "tar")
# The sources whose images are files, which can be counted and chosen before any of them is opened.
INDEXED = ("celeba", "folder")


def load_data(
    source: str | Path,
    *,
    split: Split = "test",
    count: int | None = None,
    seed: int = 0,
    image: ImageSpec | None = None,
    root: str | Path | None = None,
    download: bool = False,
    attributes: str | Path | None = None,
    max_bad: float = 0.01,
    without: Sequence[str] = (),
    **options: object,
) -> Dataset:
    """Load the images of a source.

    Args:
        source: a name in `SOURCES`, `folder:PATH`, `npz:PATH`, `tar:PATTERN`, or a path: a folder of images, an .npz or
            an .npy file.
        split: "train", "validation", "test", or "all" of them.
        count: how many images, or None for all; a source that stores fewer gives all that it has.
        seed: for drawn data what is drawn, for stored data which images are taken.
        image: the images that a model takes, to which those of the source are fitted; None for their own size.
        root: where data that was downloaded before lies.
        download: whether the network may be asked for what is missing.
        attributes: a CSV of attributes or labels beside a folder of images or tar files.
        max_bad: the largest share of unreadable files that is only reported, in 0..1.
        without: classes and 0/1 attributes whose images are left out, before they are counted.
        options: further options of a source, such as `correlation` of `faces`.

    Returns:
        A `Dataset` with at least one image.

    Raises:
        UnknownNameError: when no source has that name, or a name in `without` is no class or attribute.
        UsageError: when a split, count, share or option is not one that the source knows.
        DataError: when the data is missing or cannot be read.
    """
    name, request = build_request(
        source, split=split, count=count, seed=seed, image=image, root=root, download=download, attributes=attributes,
        max_bad=max_bad, without=without, options=options,
    )  # fmt: skip
    if name in INDEXED:
        from latentlab.data.index import read_files

        index = find_files(name, request, count=count, without=without)
        return read_files(index.part(0, len(index)), image, max_bad=max_bad)
    data: Dataset = importlib.import_module(SOURCES[name]).read(request)
    if not len(data):
        raise DataError(f"the {split} split of {source} has no images; ask for --split all")
    if without:
        data = leave_out(data, without)
        data = data.take(pick_rows(len(data), None if count is None else int(count), seed))
    if request.count is not None and len(data) > request.count:
        # A source that draws each split by itself gives as many of each when asked for all.
        data = data.take(np.arange(request.count))
    return data if image is None or data.image == image else _fitted(data, image)


def find_files(name: str, request: Request, *, count: int | None, without: Sequence[str]) -> Files:
    """The files of a source in `INDEXED` that are asked for.

    Raises:
        UnknownNameError, UsageError, DataError: as `load_data` does.
    """
    index: Files = importlib.import_module(SOURCES[name]).find(request)
    return index.leave_out(without).pick(count, request.seed) if without else index


def build_request(
    source: str | Path,
    *,
    split: Split,
    count: int | None,
    seed: int,
    image: ImageSpec | None,
    root: str | Path | None,
    download: bool,
    attributes: str | Path | None,
    max_bad: float,
    without: Sequence[str],
    options: Mapping[str, object],
) -> tuple[str, Request]:
    """Check what is asked of a source, for images that are loaded at once and for those that come in pieces.

    Returns:
        The name of the source in `SOURCES`, and what it is asked for.

    Raises:
        UnknownNameError: when no source has that name, or there is no such split.
        UsageError: when a count or a share is out of range, or a CSV is given to a source that takes none.
    """
    name, location = split_source(str(source))
    if split not in get_args(Split):
        raise unknown_name("split", str(split), get_args(Split))
    if count is not None and (isinstance(count, bool) or count != int(count) or count < 1):
        raise UsageError(f"count: expected a whole number of at least 1, got {count}")
    if not 0 <= max_bad <= 1:
        raise UsageError(f"max_bad: expected a share between 0 and 1, got {max_bad}")
    if attributes is not None and name not in ("folder", "tar"):
        raise UsageError(
            f"an attributes CSV goes with a folder of images or tar files, got the source {name}; use folder:PATH"
        )
    return name, Request(
        location=location,
        split=split,
        # Of images that some are left out of, as many as are wanted can be taken only when all are there.
        count=None if count is None or without else int(count),
        seed=seed,
        image=image,
        root=None if root is None else Path(root).expanduser(),
        download=download,
        attributes=None if attributes is None else Path(attributes).expanduser(),
        max_bad=max_bad,
        options=options,
    )


def default_split(source: str) -> Split:
    """The split that is looked at where none is named: somebody's own images have no test split that they know of.

    >>> default_split("mnist"), default_split("folder:photos")
    ('test', 'all')
    """
    return "all" if split_source(source)[0] in LOCATED else "test"


def split_source(source: str) -> tuple[str, str]:
    """Cut a source as users write it into the name in `SOURCES` and the path behind it.

    >>> split_source("folder:photos"), split_source("mnist"), split_source("faces.npz")
    (('folder', 'photos'), ('mnist', ''), ('npz', 'faces.npz'))
    """
    if not source.strip():
        raise UsageError("expected a data source, got an empty one; '.' is the current folder")
    name, colon, location = source.partition(":")
    if colon and name in (*LOCATED, "npy"):
        if not location:
            raise UsageError(f"expected {name}:PATH, got {source!r}")
        return ("npz" if name == "npy" else name), location
    plain = source.casefold().replace("_", "-")
    if plain in SOURCES and plain not in LOCATED:
        return plain, ""
    path = Path(source).expanduser()
    if path.suffix.casefold() in (".npz", ".npy"):
        return "npz", str(path)
    if path.is_dir():
        return "folder", str(path)
    names = [key for key in SOURCES if key not in LOCATED]
    if plain in LOCATED:
        raise UsageError(f"expected {plain}:PATH, got {source!r}")
    raise unknown_name(
        "data source", source, names, "or folder:PATH, npz:PATH, tar:PATTERN, or the path of a folder that is there"
    )


def _fitted(data: Dataset, image: ImageSpec) -> Dataset:
    from latentlab.data.fit import fit_pixels

    # Eight bits hold what eight bits gave, in a quarter of the memory.
    pixels = np.empty((len(data), *image.shape), np.uint8 if data.pixels.dtype == np.uint8 else np.float32)
    for start in range(0, len(data), BATCH):
        rows = slice(start, start + BATCH)
        fitted = fit_pixels(data.pixels[rows], image, data.ink)
        pixels[rows] = np.rint(fitted * 255) if pixels.dtype == np.uint8 else fitted
    return replace(data, pixels=pixels, ink=data.ink if image.ink == "any" else image.ink)
