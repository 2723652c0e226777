"""Images of a source a piece at a time: for more of them than fit into memory, and for many processes at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from latentlab.codec import ImageSpec
from latentlab.data import INDEXED, build_request, find_files, load_data
from latentlab.data.attribute import score_thresholds
from latentlab.data.dataset import Dataset, Request, Split
from latentlab.data.decode import THREADS
from latentlab.data.fit import PREPROCESSING
from latentlab.data.index import LOOKED_AT, FileIndex, Files, read_files
from latentlab.errors import DataError, UsageError
from latentlab.runtime import release_memory


class Piece(Protocol):
    """Some images of a source, to be read by whoever gets it: it is small, and travels to other processes as a pickle.

    `name` is what it is called in messages, such as "images 0–2,047"; `count` how many images there are at most, None
    where only reading tells.
    """

    @property
    def name(self) -> str: ...

    @property
    def count(self) -> int | None: ...

    def read(self, rows: int, threads: int = THREADS) -> Iterator[Dataset]:
        """Blocks of at most `rows` decoded, fitted images, in order; the same files give the same blocks.

        The unreadable images of a block are its `skipped`; a block is empty where all are. `threads` decode at once:
        one where every core has a process of its own already.

        Raises:
            DataError: when the piece itself cannot be read, such as a shard that is missing or cut short.
        """


@dataclass(frozen=True)
class Stream:
    """What is known of the images of a source before they are read, and the pieces that read them.

    Args:
        source: the name of the source, as in `Dataset.source`.
        split: which part of the source this is.
        image: to which all images are fitted.
        classes: the class names in the order of their numbers; empty without labels.
        attributes: the names of the attributes: every block has these, in this order, NaN where unknown.
        labelled: whether blocks have labels.
        pieces: in the order of the images.
        count: how many images there are in all; None where only reading tells.
        preprocessing: what is done to an image before a model sees it; where two texts differ, pixels do.
        thresholds: for each attribute of scores, the score above which an image has it; all others are 0/1.
        fingerprint: of which images these are, by their names (or those of their shards) and what a table or their
            source says of them.
    """

    source: str
    split: str
    image: ImageSpec
    classes: tuple[str, ...]
    attributes: tuple[str, ...]
    labelled: bool
    pieces: Sequence[Piece]
    count: int | None
    preprocessing: str
    thresholds: Mapping[str, float] = field(default_factory=dict)
    fingerprint: str = ""


@dataclass(frozen=True)
class FilePiece:
    """Files, with what is known of them."""

    name: str
    image: ImageSpec
    files: FileIndex

    @property
    def count(self) -> int:
        """See `Piece`."""
        return len(self.files)

    def read(self, rows: int, threads: int = THREADS) -> Iterator[Dataset]:
        """See `Piece`."""
        for start in range(0, len(self.files), rows):
            yield read_files(self.files.part(start, start + rows), self.image, max_bad=None, threads=threads)


@dataclass(frozen=True)
class LoadedPiece:
    """Images that are in memory already."""

    name: str
    data: Dataset

    @property
    def count(self) -> int:
        """See `Piece`."""
        return len(self.data)

    def read(self, rows: int, threads: int = THREADS) -> Iterator[Dataset]:
        """See `Piece`."""
        for start in range(0, len(self.data), rows):
            yield _part(self.data, start, start + rows)


class _Slices(Sequence[Piece]):
    """Pieces of so many images, each made when it is asked for: of any number of them, none is held."""

    def __init__(self, count: int, rows: int, made: Callable[[str, int, int], Piece]) -> None:
        self._count, self._rows, self._made = count, rows, made

    def __len__(self) -> int:
        return -(-self._count // self._rows)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        start = range(0, self._count, self._rows)[number]
        stop = min(start + self._rows, self._count)
        return self._made(f"images {start:,}–{stop - 1:,}", start, stop)


def _part(data: Dataset, start: int, stop: int) -> Dataset:
    return data.take(np.arange(start, min(stop, len(data))))


def stream_data(
    source: str | Path,
    *,
    image: ImageSpec,
    rows: int | Callable[[int], int],
    split: Split = "test",
    count: int | None = None,
    seed: int = 0,
    root: str | Path | None = None,
    download: bool = False,
    attributes: str | Path | None = None,
    without: Sequence[str] = (),
    **options: object,
) -> Stream:
    """Find the images of a source, to be read a piece at a time.

    What is found is what `load_data` loads, in the same order.

    Args:
        source: as `load_data` takes it.
        image: the images that a model takes, to which those of the source are fitted.
        rows: how many images a piece has at most, or that as a function of how many there are; a shard of a `tar:`
            source is a piece whatever it holds.
        split, count, seed, root, download, attributes, without, options: as for `load_data`; a `tar:` source takes no
            count, since its shards have to be read to be counted.

    Raises:
        UnknownNameError, UsageError: as `load_data` does.
        DataError: when the data is missing or cannot be read, or two images have the same id.
    """
    if not callable(rows) and (isinstance(rows, bool) or rows != int(rows) or rows < 1):
        raise UsageError(f"rows: expected a whole number of images a piece, at least 1, got {rows}")
    name, request = build_request(
        source, split=split, count=count, seed=seed, image=image, root=root, download=download, attributes=attributes,
        max_bad=1.0, without=without, options=options,
    )  # fmt: skip
    if name == "tar":
        return _tar_stream(request, image, count, without)
    known: Files | Dataset
    ids: Iterable[str]
    labels: Iterable[np.ndarray]
    if name in INDEXED:
        files = find_files(name, request, count=count, without=without)
        # What a CSV was while it was read takes as much as what is kept of it.
        release_memory()
        # A piece may be read by a process that runs in another folder.
        folder = files.folder.absolute()
        known = files = files.at(folder, f"folder:{folder}" if name == "folder" else files.source)
        ids, labelled = files.names, files.labelled
        parts = (files.part(start, start + LOOKED_AT) for start in range(0, len(files), LOOKED_AT))
        labels = (part.labels for part in parts if part.labels is not None)

        def made(title: str, start: int, stop: int) -> Piece:
            return FilePiece(title, image, files.part(start, stop))
    else:
        known = data = load_data(
            source, split=split, count=count, seed=seed, image=image, root=root, download=download, without=without,
            **options,  # type: ignore[arg-type]
        )  # fmt: skip
        ids, labelled = data.ids, data.labels is not None
        labels = () if data.labels is None else (data.labels,)

        def made(title: str, start: int, stop: int) -> Piece:
            return LoadedPiece(title, _part(data, start, stop))

    # A folder is walked through, and has a path once.
    if name != "folder":
        _refuse_twins(ids, known.source)
    return Stream(
        source=known.source,
        split=split,
        image=image,
        classes=known.classes,
        attributes=tuple(known.attributes),
        labelled=labelled,
        pieces=_Slices(len(known), rows(len(known)) if callable(rows) else int(rows), made),
        count=len(known),
        preprocessing=preprocessing(image, options),
        thresholds=score_thresholds(known.attributes),
        fingerprint=_fingerprint(ids, labels, known.attributes.values()),
    )


def _tar_stream(request: Request, image: ImageSpec, count: int | None, without: Sequence[str]) -> Stream:
    from latentlab.data.tar import find_shards, told_columns

    if count is not None:
        raise UsageError(
            f"count: expected all images of tar:{request.location}, which come by the shard, got {count}; name fewer "
            "shards"
        )
    shards = find_shards(request, image, without)
    layout = shards[0].layout
    return Stream(
        source=layout.source,
        split=layout.split,
        image=image,
        classes=layout.classes,
        attributes=layout.attributes,
        labelled=bool(layout.classes),
        pieces=shards,
        count=None,
        # Classes are no part of what is done to pixels.
        preprocessing=preprocessing(image, {}),
        thresholds=dict(layout.thresholds),
        fingerprint=_fingerprint(
            [f"{shard.name} {_size(shard.url)}" for shard in shards], (), told_columns(layout).values()
        ),
    )


def _size(url: str) -> int:
    """The bytes of a file; −1 where nobody can tell."""
    import fsspec

    try:
        store, path = fsspec.core.url_to_fs(url)
        return int(store.size(path))
    # Every kind of storage has errors of its own; that it cannot be read is said when it is.
    except Exception:
        return -1


def preprocessing(image: ImageSpec, options: Mapping[str, object]) -> str:
    """What is done to images before a model sees them, in one line.

    >>> preprocessing(ImageSpec(3, 64, 64), {"binarise": 0})
    'fit-2; 64×64 RGB; ink any; binarise=0'
    """
    told = [f"{name}={options[name]}" for name in sorted(options)]
    return "; ".join([PREPROCESSING, str(image), f"ink {image.ink}", *told])


def _fingerprint(names: Iterable[str], labels: Iterable[np.ndarray], columns: Iterable[np.ndarray]) -> str:
    """Of names, their labels in parts, and what else is said of them; not of pixels, to be read twice."""
    digest = hashlib.sha256()
    for name in names:
        # No name has such a byte, so that two lists of names are never one text.
        digest.update(str(name).encode(errors="surrogateescape") + b"\0")
    for column in chain(labels, columns):
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()[:32]


def _refuse_twins(ids: Iterable[str], source: str) -> None:
    """Refuse ids that occur twice: a row of latents is found by its id."""
    # In order: a set of them would take as much memory as they do.
    for name, following in pairwise(sorted(ids)):
        if name == following:
            raise DataError(
                f"expected an id of its own for every image of {source}, got {str(name)!r} twice; rename one"
            )
