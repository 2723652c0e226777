"""A table of latents on disk, opened: rows are read where they lie, and what was summed while encoding is there."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentlab.errors import DataError, FileFormatError, unknown_name
from latentlab.latents.store.manifest import MANIFEST, PLAN, Manifest, PartEntry, TablePlan, read_manifest
from latentlab.latents.store.part import ID, MEAN, attribute, labels, read_part, rows_of, vectors
from latentlab.latents.store.place import Place
from latentlab.latents.store.sidecar import read_sidecar, sidecar_name
from latentlab.latents.summary import Summary
from latentlab.latents.table import Latents
from latentlab.runtime import Progress, silent, tracked
from latentlab.statistics.covariance import Covariance

if TYPE_CHECKING:
    import pyarrow as pa

# Rows that are looked at together: 32 MB at 128 dimensions.
BLOCK = 65_536


@dataclass(frozen=True)
class Fault:
    """What is wrong with a part."""

    part: str
    reason: str


class StoredLatents:
    """The latents of a table that may be larger than memory.

    Args:
        place: where it lies.
        manifest: what it says.
    """

    def __init__(self, place: Place, manifest: Manifest) -> None:
        self.place = place
        self.manifest = manifest
        self._starts = np.concatenate([[0], np.cumsum([part.rows for part in manifest.parts])]).astype(np.int64)
        self._batches: dict[int, pa.RecordBatch] = {}

    @property
    def plan(self) -> TablePlan:
        """What its parts were made by."""
        return self.manifest.plan

    @property
    def name(self) -> str:
        """What it is called: the name of its folder."""
        return self.place.url.rstrip("/").rsplit("/", 1)[-1]

    @property
    def size(self) -> int:
        """The latent dimensions d."""
        return self.plan.latent.size

    @property
    def checkpoint(self) -> str:
        """The hash of the checkpoint that made it; "" where nobody knows it."""
        return self.plan.checkpoint

    def __len__(self) -> int:
        return self.manifest.rows

    def __repr__(self) -> str:
        return f"StoredLatents({self.name!r}: {len(self):,} × {self.size} of {self.plan.source}, by {self.plan.model})"

    def property_names(self) -> list[str]:
        """Every name that splits the rows in two: attributes, then classes."""
        return self._none.property_names()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The parts in order, with the columns of their files."""
        return (self._batch(number) for number in self._numbers)

    def rows_of(self, batch: pa.RecordBatch) -> Latents:
        """Rows of a part as a table in memory; means and log-variances are views of the file."""
        return rows_of(batch, self.plan)

    def blocks(self, rows: int = BLOCK) -> Iterator[Latents]:
        """All rows in order, at most so many at a time; means and log-variances are views of the files."""
        for batch in self.batches():
            for start in range(0, batch.num_rows, rows):
                yield self.rows_of(batch.slice(start, rows))

    def means(self, rows: int = BLOCK) -> Iterator[np.ndarray]:
        """The means alone, in order, at most so many at a time: views of the files, of shape (≤ rows, d)."""
        for batch in self.batches():
            found = vectors(batch, MEAN, self.size)
            for start in range(0, len(found), rows):
                yield found[start : start + rows]

    def take(self, rows: Sequence[int] | np.ndarray) -> Latents:
        """Some rows in memory, in the given order.

        Raises:
            DataError: when a row is not there.
        """
        import pyarrow as pa

        rows = np.asarray(rows, np.int64).reshape(-1)
        if len(rows) and (rows.min() < 0 or rows.max() >= len(self)):
            wrong = int(rows[(rows < 0) | (rows >= len(self))][0])
            raise DataError(f"expected rows from 0 to {len(self) - 1}, got {wrong}")
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        owner = np.searchsorted(self._starts, ascending, side="right") - 1
        numbers, begins = np.unique(owner, return_index=True)
        if not len(numbers):
            return self._none
        within = np.split(ascending - self._starts[owner], begins[1:])
        # Of a store a part at a time is in memory.
        step = 1 if self.place.is_remote else len(numbers)
        picked = [
            self._picked(numbers[start : start + step].tolist(), within[start : start + step])
            for start in range(0, len(numbers), step)
        ]
        joined = pa.concat_tables(picked).combine_chunks().to_batches()[0]
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        found = rows_of(joined, self.plan)
        return found if (np.diff(rows) >= 0).all() else found.take(back)

    def labels(self) -> np.ndarray | None:
        """The class number of each row, int64 of shape (n,), −1 where unknown; None without labels."""
        if not self.plan.labelled:
            return None
        return np.concatenate([labels(batch) for batch in self.batches()])

    def attribute(self, name: str) -> np.ndarray:
        """An attribute of each row, float32 of shape (n,), NaN where unknown.

        Raises:
            UnknownNameError: when there is none of that name.
        """
        if name not in self.plan.attributes:
            raise unknown_name("attribute", name, self.plan.attributes)
        return np.concatenate([attribute(batch, name) for batch in self.batches()])

    def truth(self, name: str) -> np.ndarray:
        """Whether each row has the attribute, or is of the class, called `name`; as `Latents.truth` has it."""
        like = Latents(
            np.empty((len(self), 0), np.float32),
            None,
            np.empty(len(self), "U1"),
            classes=self.plan.classes,
            labels=self.labels() if name not in self.plan.attributes else None,
            attributes={name: self.attribute(name)} if name in self.plan.attributes else {},
            thresholds=self.plan.thresholds,
        )
        return like.truth(name)

    def ids(self) -> Iterator[str]:
        """The id of each row, in order."""
        for batch in self.batches():
            yield from batch.column(ID).to_pylist()

    @cached_property
    def summary(self) -> Summary:
        """What was summed over its rows while they were encoded."""
        whole: Summary | None = None
        for part in self.manifest.parts:
            found = read_sidecar(self.place, part.name, self.plan).summary(self._binary)
            whole = found if whole is None else whole.merge(found)
        return Summary.of(self._none) if whole is None else whole

    def covariance(self) -> Covariance:
        """The shrunk covariance of all means."""
        return self.summary.whole().covariance()

    def verify(self, progress: Progress = silent) -> list[Fault]:
        """What is wrong with its files: every byte of every part is read and compared with its checksum."""
        faults = []
        for part in tracked(self.manifest.parts, "checking parts", progress):
            fault = _fault(self.place, part, self.plan)
            if fault:
                faults.append(Fault(part.name, fault))
        return faults

    @property
    def _numbers(self) -> range:
        return range(len(self.manifest.parts))

    @cached_property
    def _none(self) -> Latents:
        """A table of none of its rows."""
        empty = np.empty((0, self.size), np.float32)
        return Latents(
            empty,
            empty if self.plan.posterior else None,
            np.empty(0, "U1"),
            split=self.plan.split,
            classes=self.plan.classes,
            labels=np.empty(0, np.int64) if self.plan.labelled else None,
            attributes={name: np.empty(0, np.float32) for name in self.plan.attributes},
            thresholds=self.plan.thresholds,
        )

    @property
    def _binary(self) -> tuple[int, ...]:
        from latentlab.latents.summary import kept_properties

        return kept_properties(self._none)[1]

    def _picked(self, numbers: Sequence[int], within: Sequence[np.ndarray]) -> pa.Table:
        """Some rows of each of some parts, in the order of the file's columns."""
        import pyarrow as pa

        batches = [self._batch(number) for number in numbers]
        layout = batches[0].schema
        # A column of bits is put together from its parts before rows are picked: a bit a row is little, and to pick
        # them part by part takes five times as long, of forty attributes.
        bits = [field.name for field in layout if pa.types.is_boolean(field.type)]
        others = [name for name in layout.names if name not in bits]
        begins = np.cumsum([0] + [batch.num_rows for batch in batches[:-1]])
        rows = np.concatenate([row + begin for row, begin in zip(within, begins, strict=True)])
        flags = pa.Table.from_batches(batches).select(bits).take(pa.array(rows))
        rest = pa.Table.from_batches(
            [batch.select(others).take(pa.array(row)) for batch, row in zip(batches, within, strict=True)]
        )
        return pa.table(rest.columns + flags.columns, names=others + bits).select(layout.names)

    def _batch(self, number: int) -> pa.RecordBatch:
        """A part; those of this machine stay mapped, which costs no memory, and of a store the last one stays."""
        if number not in self._batches:
            if self.place.is_remote:
                self._batches.clear()
            part = self.manifest.parts[number]
            name = f"{self.place.url}/{part.name}"
            batch = read_part(self.place.buffer(part.name), self.plan, name)
            if batch.num_rows != part.rows:
                raise FileFormatError(
                    f"{name}: expected {part.rows} rows, got {batch.num_rows}; it is of another table"
                )
            self._batches[number] = batch
        return self._batches[number]


def open_latents(path: str | Path, checkpoint: str | None = None) -> StoredLatents:
    """Open a table of latents.

    Args:
        path: its folder, or a URL that fsspec knows.
        checkpoint: the hash of the model that is to be used with it; None for any.

    Raises:
        FileFormatError: when there is no table, it is not whole, or another checkpoint made it.
    """
    place = Place(str(path))
    there = place.names()
    if MANIFEST not in there:
        if PLAN in there:
            raise FileFormatError(
                f"expected a whole table of latents in {path}, got one that encoding has not finished; go on with "
                "--resume"
            )
        raise FileFormatError(
            f"expected a table of latents in {path}, got no {MANIFEST}; `latentlab encode` writes one"
        )
    found = StoredLatents(place, read_manifest(place))
    if checkpoint is not None and found.checkpoint not in ("", checkpoint):
        raise FileFormatError(
            f"expected latents of checkpoint {checkpoint[:12]}, got {path} of {found.checkpoint[:12]} "
            f"({found.plan.model}); encode the images again with this model"
        )
    return found


def _fault(place: Place, part: PartEntry, plan: TablePlan) -> str:
    """What is wrong with a part, or ""."""
    size = place.size(part.name)
    if size < 0:
        return "is missing"
    if size != part.bytes:
        return f"has {size:,} bytes of {part.bytes:,}: it was cut short"
    try:
        if zlib.crc32(place.buffer(part.name)) != part.crc32:
            return "has other bytes than were written"
        if read_sidecar(place, part.name, plan).entry != part:
            return f"has a sidecar that does not belong to it: {sidecar_name(part.name)}"
    except FileFormatError as error:
        return str(error)
    return ""
