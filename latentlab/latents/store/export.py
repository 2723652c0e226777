"""Tables of latents for other programs: Parquet, .npz or CSV, written a block at a time."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from latentlab.errors import LatentlabError, unknown_name
from latentlab.files import cannot_write, temporary_name
from latentlab.latents.store.part import ATTRIBUTE, ID, LABEL, LOGVAR, MEAN, SPLIT, attribute, labels, vectors
from latentlab.latents.store.stored import StoredLatents
from latentlab.runtime import Progress, silent

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import DTypeLike

# Rows of a row group: what Parquet's readers take at a time.
GROUP = 65_536


def export_latents(table: StoredLatents, folder: Path, kind: str, progress: Progress = silent) -> list[Path]:
    """Write a table in another format.

    Args:
        table: the latents.
        folder: where the files go; it must not hold any of them yet.
        kind: a name in EXPORTS.
        progress: told of rows.

    Returns:
        The files: one, or of Parquet one a part.

    Raises:
        UnknownNameError: when nothing is written as `kind`.
        LatentlabError: when a file is there already, or cannot be written.
    """
    if kind not in EXPORTS:
        raise unknown_name("format", kind, EXPORTS)
    files = EXPORTS[kind](table, Path(folder), progress)
    return list(files)


def _parquet(table: StoredLatents, folder: Path, progress: Progress) -> Iterator[Path]:
    """A file a part, with the columns of the part."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    done = 0
    for part, batch in zip(table.manifest.parts, table.batches(), strict=True):
        path = folder / part.name.replace(".arrow", ".parquet")
        with _whole(path) as file:
            # Checksums: a flipped bit shows when it is read.
            pq.write_table(
                pa.Table.from_batches([batch]), file, row_group_size=GROUP, compression="zstd", use_dictionary=False,
                write_page_checksum=True,
            )  # fmt: skip
        done += part.rows
        progress("exporting rows", done, len(table))
        yield path


def _npz(table: StoredLatents, folder: Path, progress: Progress) -> Iterator[Path]:
    """One file, an array a column: what `latents adopt` reads."""
    path = folder / "latents.npz"
    widest = max((len(name) for name in table.ids()), default=1)
    columns: list[tuple[str, tuple[int, ...], DTypeLike, Callable[[pa.RecordBatch], np.ndarray]]] = [
        (MEAN, (table.size,), np.float32, lambda batch: vectors(batch, MEAN, table.size)),
        ("ids", (), f"<U{max(widest, 1)}", lambda batch: batch.column(ID).to_numpy(zero_copy_only=False)),
    ]
    if table.plan.posterior:
        columns.append((LOGVAR, (table.size,), np.float32, lambda batch: vectors(batch, LOGVAR, table.size)))
    if table.plan.labelled:
        columns.append(("labels", (), np.int64, labels))
    for name in table.plan.attributes:
        columns.append((f"attribute.{name}", (), np.float32, partial(attribute, name=name)))
    with _whole(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for number, (name, shape, kind, column) in enumerate(columns):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                header = {
                    "descr": np.lib.format.dtype_to_descr(np.dtype(kind)),
                    "fortran_order": False,
                    "shape": (len(table), *shape),
                }
                np.lib.format.write_array_header_1_0(member, header)
                # The column alone: with all others of its rows, a table would be read once for each.
                for batch in table.batches():
                    member.write(np.ascontiguousarray(column(batch), kind).tobytes())
            progress("exporting columns", number + 1, len(columns))
        if table.plan.classes:
            with archive.open("classes.npy", "w") as member:
                np.save(member, np.array(table.plan.classes), allow_pickle=False)
    yield path


def _csv(table: StoredLatents, folder: Path, progress: Progress) -> Iterator[Path]:
    """One file, a line a row; labels are written as the names of their classes, unknown values as nothing."""
    path = folder / "latents.csv"
    plan = table.plan
    vectors = [MEAN] + ([LOGVAR] if plan.posterior else [])
    header = [ID, SPLIT, *([LABEL] if plan.labelled else []), *plan.attributes]
    header += [f"{vector}_{number}" for vector in vectors for number in range(table.size)]
    done = 0
    with _whole(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(header)
        for batch in table.batches():
            for start in range(0, batch.num_rows, GROUP):
                some = batch.slice(start, GROUP)
                rows.writerows(_lines(some, table))
                done += len(some)
                progress("exporting rows", done, len(table))
        text.flush()
        text.detach()
    yield path


def _lines(batch: pa.RecordBatch, table: StoredLatents) -> Iterable[list[object]]:
    plan = table.plan
    columns = {name: batch.column(name).to_pylist() for name in (ID, SPLIT)}
    words: list[list[object]] = [columns[ID], columns[SPLIT]]
    if plan.labelled:
        names = dict(enumerate(plan.classes))
        words.append([names.get(label, "") for label in batch.column(LABEL).to_pylist()])
    for name in plan.attributes:
        values = batch.column(ATTRIBUTE + name).to_pylist()
        words.append(["" if value is None else int(value) if isinstance(value, bool) else value for value in values])
    block = table.rows_of(batch)
    numbers = np.concatenate([block.mean] + ([] if block.logvar is None else [block.logvar]), axis=1)
    # Nine figures bring a float32 back as it was.
    for row, values in zip(zip(*words, strict=True), numbers, strict=True):
        yield [*row, *(f"{value:.9g}" for value in values)]


EXPORTS: dict[str, Callable[[StoredLatents, Path, Progress], Iterator[Path]]] = {
    "parquet": _parquet,
    "npz": _npz,
    "csv": _csv,
}


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that is too large to be made in memory first: whole under its name, or not there."""
    if path.exists():
        raise LatentlabError(f"expected {path} not to be there yet, got one; choose another --out")
    temporary = temporary_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
