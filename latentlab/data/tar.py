"""`tar:PATTERN`: images in tar files in the layout of webdataset, on a disk or wherever fsspec reaches.

A sample is a run of members that share a key: `a/b/key.jpg` (or .png, .webp, …), `a/b/key.cls` with the number of its
class, `a/b/key.json` with numbers and truth values as attributes, and its `label` or `class`. Other members are passed
over.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np

from latentlab.codec import ImageSpec
from latentlab.data.attribute import score_thresholds
from latentlab.data.dataset import Dataset, Request, Skipped
from latentlab.data.decode import THREADS, check_skipped, decode_files
from latentlab.data.fit import SUFFIXES, decode_image, eight_bits
from latentlab.data.folder import hashed_split, sorted_classes
from latentlab.data.pattern import expand
from latentlab.data.selection import check_options, left_in
from latentlab.data.shard import Sample, read_samples
from latentlab.data.table import Table, read_table
from latentlab.errors import DataError, UsageError, listed, unknown_name
from latentlab.runtime import BATCH

# Samples of the first shard that tell which classes and attributes there are.
TOLD = 1_000
MOST_CLASSES = 1_000_000


@dataclass(frozen=True)
class Layout:
    """What holds for all shards of a source.

    Args:
        source: the name of the source.
        split: which part of it is read.
        classes: the class names in the order of their numbers; empty without labels.
        attributes: their names, in order.
        signed: those that are written as −1 and 1.
        without: classes and 0/1 attributes whose images are left out.
        table: a CSV that tells of attributes, and of labels and splits where it has such columns.
        thresholds: for each attribute of scores, the score above which an image has it.
    """

    source: str
    split: str
    classes: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    signed: frozenset[str] = frozenset()
    without: tuple[str, ...] = ()
    table: Path | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Shard:
    """One tar file, as a piece of a stream."""

    name: str
    url: str
    image: ImageSpec
    layout: Layout
    count: None = None

    def read(self, rows: int, threads: int = THREADS) -> Iterator[Dataset]:
        """See `latentlab.data.stream.Piece`; what is said of an image is read before it is decoded.

        Raises:
            DataError: as `read_samples` does, or when a label is none of the classes.
        """
        chosen = (sample for sample in read_samples(self.url, self.name) if self._wanted(sample))
        while block := list(itertools.islice(chosen, rows)):
            described = self._described(block)
            if self.layout.without:
                described = described.take(np.flatnonzero(left_in(described, self.layout.without)))
            if len(described):
                yield self._decoded(described, threads)

    @property
    def prefix(self) -> str:
        """What stands before the keys in the ids of its images."""
        return self.name.removesuffix(".tar") + "/"

    def _wanted(self, sample: Sample) -> bool:
        if self.layout.split == "all":
            return True
        name = self.prefix + sample.key
        if self.layout.table is not None:
            told = _told(self.layout.table)
            if told.table.splits is not None:
                row = told.row(name, sample.key)
                return row >= 0 and told.table.splits[row] == self.layout.split
        return hashed_split(name) == self.layout.split

    def _described(self, samples: Sequence[Sample]) -> _Block:
        layout = self.layout
        told = None if layout.table is None else _told(layout.table)
        rows = np.array([-1 if told is None else told.row(self.prefix + one.key, one.key) for one in samples])
        labels = np.full(len(samples), -1, np.int64)
        values = np.full((len(samples), len(layout.attributes)), np.nan, np.float32)
        for number, (sample, row) in enumerate(zip(samples, rows, strict=True)):
            label = sample.label
            if told is not None and told.table.labels is not None:
                label = told.table.labels[row] if row >= 0 else None
            labels[number] = self._class(label, sample.key)
            if told is None:
                values[number] = [self._value(sample, name) for name in layout.attributes]
        columns = dict(zip(layout.attributes, values.T, strict=True))
        if told is not None:
            columns = {
                name: np.where(rows >= 0, column[rows], np.nan) for name, column in told.table.attributes.items()
            }
        return _Block(
            ids=np.array([self.prefix + sample.key for sample in samples]),
            samples=tuple(samples),
            classes=layout.classes,
            labels=labels if layout.classes else None,
            attributes={name: np.ascontiguousarray(column, np.float32) for name, column in columns.items()},
        )

    def _class(self, label: int | str | None, key: str) -> int:
        classes = self.layout.classes
        if label in (None, "", -1):
            return -1
        if isinstance(label, int) and 0 <= label < len(classes):
            return label
        if isinstance(label, str) and label in classes:
            return classes.index(label)
        known = f"one of the classes {listed(classes, 6)}" if classes else "no label, as in the first samples"
        raise DataError(
            f"{self.name}: expected {known}, got {label!r} for {key!r}; tell of all labels in a "
            "CSV (--attributes), or give load_data the option classes, their number or names"
        )

    def _value(self, sample: Sample, name: str) -> float:
        value = sample.attributes.get(name, np.nan)
        if name not in self.layout.signed or np.isnan(value):
            return value
        if value not in (-1, 1):
            raise DataError(
                f"{self.name}: expected -1 or 1 as {name!r}, as in the first samples, got {value:g} for {sample.key!r}"
            )
        return (value + 1) / 2

    def _decoded(self, block: _Block, threads: int) -> Dataset:
        bad = {number: sample.reason for number, sample in enumerate(block.samples) if sample.reason}
        there = np.array([number for number in range(len(block)) if number not in bad], np.int64)
        names = [str(block.ids[number]) for number in there]
        contents = [block.samples[number].content for number in there]
        pixels, kept, skipped = decode_files(contents, names, self.image, max_bad=None, threads=threads)
        rows = there[kept]
        missing = tuple(Skipped(str(block.ids[number]), reason) for number, reason in bad.items())
        return Dataset(
            source=self.layout.source,
            split=self.layout.split,
            pixels=pixels,
            ids=block.ids[rows],
            classes=block.classes,
            labels=None if block.labels is None else block.labels[rows],
            attributes={name: column[rows] for name, column in block.attributes.items()},
            ink=self.image.ink,
            skipped=missing + skipped,
        )


def read(request: Request) -> Dataset:
    """Read the images of all shards, or the first `count` of them: shards are in no order that a sample would need.

    Classes and attributes are those of the first 1,000 samples of the first shard, or of a CSV whose rows name keys,
    and classes those of the option `classes`, their number or their names. Without `image`, all are fitted to the first
    one's size. Splits are those of the CSV, or else 80/10/10 by a hash of the id, which is `shard/key`.

    Raises:
        DataError: when a shard cannot be read, a label is none of the classes, or too many images cannot be read.
    """
    image = request.image or _first_size(request)
    blocks: list[Dataset] = []
    wanted = request.count
    for shard in find_shards(request, image):
        for block in shard.read(BATCH if wanted is None else min(BATCH, wanted)):
            blocks.append(block)
            if wanted is not None and (wanted := wanted - len(block)) <= 0:
                return _joined(blocks, request)
    return _joined(blocks, request)


def find_shards(request: Request, image: ImageSpec, without: Sequence[str] = ()) -> list[Shard]:
    """The shards of a source, with what the first of them tells of all.

    Args:
        request: what is asked for; its `image` and its `count` are not looked at.
        image: to which images are fitted.
        without: classes and 0/1 attributes whose images are left out.

    Raises:
        UsageError: when the option `classes` is neither a number nor names.
        DataError: when there are no shards, or the first cannot be read.
    """
    check_options("tar", request.options, ["classes"])
    classes = _given_classes(request.options.get("classes"))
    urls = expand(request.location)
    names = [PurePosixPath(url).name for url in urls]
    if len(set(names)) < len(names):
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise DataError(f"expected a name of its own for every shard, got {twice} twice; rename one")
    source = f"tar:{request.location}"
    first = list(itertools.islice(read_samples(urls[0], names[0], images=False), TOLD))
    if not any(not sample.reason for sample in first):
        raise DataError(f"expected images in the shard {names[0]}, found none ({', '.join(SUFFIXES)})")
    layout = Layout(source, request.split)
    if request.attributes is not None:
        layout = _layout_of_table(layout, request.attributes.absolute(), names[0], first)
    else:
        layout = _layout_of_samples(layout, first)
    classes = classes or layout.classes or _first_classes(first, names[0])
    layout = replace(layout, classes=classes, without=tuple(without))
    for name in without:
        if name not in (*layout.attributes, *classes):
            raise unknown_name("class or attribute", name, [*layout.attributes, *classes])
    return [Shard(name, url, image, layout) for name, url in zip(names, urls, strict=True)]


@dataclass(frozen=True)
class _Block:
    """Some samples, with what is known of them before they are decoded."""

    ids: np.ndarray
    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    labels: np.ndarray | None
    attributes: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.samples)

    def take(self, rows: np.ndarray) -> _Block:
        return replace(
            self,
            ids=self.ids[rows],
            samples=tuple(self.samples[row] for row in rows),
            labels=None if self.labels is None else self.labels[rows],
            attributes={name: column[rows] for name, column in self.attributes.items()},
        )


@dataclass(frozen=True)
class _Told:
    """A CSV, and where it speaks of which key."""

    table: Table
    rows: Mapping[str, int] = field(default_factory=dict)

    def row(self, name: str, key: str) -> int:
        """The row that speaks of an image by its id, its key or the last part of its key; −1 where none does."""
        for said in (name, key, key.rpartition("/")[2]):
            if said in self.rows:
                return self.rows[said]
        return -1


def _told(path: Path) -> _Told:
    status = path.stat() if path.is_file() else None
    return _read_told(path, status and (status.st_mtime_ns, status.st_size))


# One reading does for all shards that a process reads.
@lru_cache(maxsize=1)
def _read_told(path: Path, version: tuple[int, int] | None) -> _Told:
    table = read_table(path)
    rows: dict[str, int] = {}
    for row, file in enumerate(table.files):
        place = PurePosixPath(file.replace("\\", "/"))
        key = (place.with_suffix("") if place.suffix.casefold() in SUFFIXES else place).as_posix()
        if key in rows:
            lines = f"lines {table.lines[rows[key]]} and {table.lines[row]}"
            raise DataError(f"{path}: {lines} speak of the same image, {key}")
        rows[key] = row
    return _Told(table, rows)


def told_columns(layout: Layout) -> Mapping[str, np.ndarray]:
    """What the CSV of a source says, by column; nothing without one."""
    if layout.table is None:
        return {}
    table = _told(layout.table).table
    return {**table.attributes, **({} if table.labels is None else {"label": np.array(table.labels, dtype=bytes)})}


def _layout_of_table(layout: Layout, path: Path, shard: str, first: Sequence[Sample]) -> Layout:
    told = _told(path)
    prefix = shard.removesuffix(".tar") + "/"
    if all(told.row(prefix + sample.key, sample.key) < 0 for sample in first):
        raise DataError(
            f"{path}: no line speaks of the first {len(first)} images of {shard}, such as {first[0].key!r}; "
            f"lines name images such as {told.table.files[0]!r}"
        )
    classes = sorted_classes(told.table.labels) if told.table.labels is not None else ()
    columns = told.table.attributes
    return replace(layout, classes=classes, attributes=tuple(columns), table=path, thresholds=score_thresholds(columns))


def _layout_of_samples(layout: Layout, first: Sequence[Sample]) -> Layout:
    values: dict[str, list[float]] = {}
    for sample in first:
        for name, value in sample.attributes.items():
            known = values.setdefault(name, [])
            if not np.isnan(value):
                known.append(value)
    signed = frozenset(name for name, known in values.items() if -1 in known and set(known) <= {-1, 1})
    scores = {name: np.array(known) for name, known in values.items() if name not in signed}
    return replace(layout, attributes=tuple(values), signed=signed, thresholds=score_thresholds(scores))


def _first_classes(first: Sequence[Sample], shard: str) -> tuple[str, ...]:
    labels = [sample.label for sample in first if sample.label not in (None, "", -1)]
    names = [label for label in labels if isinstance(label, str)]
    numbers = [label for label in labels if isinstance(label, int)]
    if names and numbers:
        raise DataError(
            f"{shard}: expected numbers or names as labels, got both, {numbers[0]} and {names[0]!r}; give the option "
            "classes"
        )
    if numbers and not 0 <= min(numbers) <= max(numbers) < MOST_CLASSES:
        raise DataError(f"{shard}: expected labels from 0 up, got {min(numbers)} to {max(numbers)}")
    return sorted_classes(names) if names else tuple(map(str, range(max(numbers, default=-1) + 1)))


def _given_classes(given: object) -> tuple[str, ...]:
    if given is None:
        return ()
    if type(given) is int and 0 < given <= MOST_CLASSES:
        return tuple(map(str, range(given)))
    if isinstance(given, list | tuple) and given and len(set(map(str, given))) == len(given):
        return tuple(map(str, given))
    raise UsageError(f"classes of tar: expected their number or a list of their names, got {given!r:.60}")


def _first_size(request: Request) -> ImageSpec:
    """The size and colour of the first image that can be read."""
    url = expand(request.location)[0]
    name = PurePosixPath(url).name
    for sample in read_samples(url, name):
        try:
            image = decode_image(sample.content, name=f"{name}/{sample.key}") if not sample.reason else None
        except DataError:
            continue
        if image is not None:
            pixels = eight_bits(image)
            grey = image.mode in ("I", "F", "LA") or image.mode.startswith("I;16")
            channels = (1 if grey else 3) if pixels is None else pixels.shape[2]
            return ImageSpec(channels, image.height, image.width)
    raise DataError(f"expected images in the shard {name}, found none that can be read ({', '.join(SUFFIXES)})")


def _joined(blocks: Sequence[Dataset], request: Request) -> Dataset:
    skipped = tuple(bad for block in blocks for bad in block.skipped)
    if not blocks:
        raise DataError(f"the {request.split} split of tar:{request.location} has no images; use --split all")
    check_skipped(skipped, sum(map(len, blocks)) + len(skipped), request.max_bad)
    first = blocks[0]
    return replace(
        first,
        pixels=np.concatenate([block.pixels for block in blocks]),
        ids=np.concatenate([block.ids for block in blocks]),
        labels=None if first.labels is None else np.concatenate([block.labels for block in blocks]),
        attributes={name: np.concatenate([block.attributes[name] for block in blocks]) for name in first.attributes},
        skipped=skipped,
    )
