"""One part of a table: an uncompressed Arrow IPC file, whose numbers are read where they lie."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from latentlab.errors import DataError, FileFormatError, first_line
from latentlab.latents.store.manifest import TablePlan
from latentlab.latents.table import Latents

if TYPE_CHECKING:
    import pyarrow as pa

ID, SPLIT, LABEL, MEAN, LOGVAR = "id", "split", "label", "mean", "logvar"
ATTRIBUTE = "attribute."


def part_schema(plan: TablePlan) -> pa.Schema:
    """The columns of every part: id, split, label, attributes (0/1 as booleans, scores as floats), mean, logvar."""
    import pyarrow as pa

    vector = pa.list_(pa.field("item", pa.float32(), nullable=False), plan.latent.size)
    columns = [pa.field(ID, pa.string(), nullable=False), pa.field(SPLIT, pa.string(), nullable=False)]
    if plan.labelled:
        columns.append(pa.field(LABEL, pa.int32()))
    for name in plan.attributes:
        columns.append(pa.field(ATTRIBUTE + name, pa.float32() if name in plan.thresholds else pa.bool_()))
    columns.append(pa.field(MEAN, vector, nullable=False))
    if plan.posterior:
        columns.append(pa.field(LOGVAR, vector, nullable=False))
    return pa.schema(columns)


class Counted:
    """A file that counts and sums up what is written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.bytes, self.crc32, self.closed = 0, 0, False

    def write(self, content: bytes) -> int:
        """Write on; content may be whatever has a buffer."""
        self._file.write(content)
        size = memoryview(content).nbytes
        self.bytes += size
        self.crc32 = zlib.crc32(content, self.crc32)
        return size

    def flush(self) -> None:
        """As files have it."""
        self._file.flush()


def write_rows(file: BinaryIO, latents: Latents, plan: TablePlan) -> tuple[int, int]:
    """Write the file of a part, column by column: it is never in memory as a whole.

    Args:
        file: which is written to.
        latents: its rows.
        plan: of the table.

    Returns:
        How many bytes it has, and their crc32.
    """
    import pyarrow as pa

    layout = part_schema(plan)
    batch = pa.record_batch([_column(field, latents) for field in layout], schema=layout)
    counted = Counted(file)
    with pa.ipc.new_file(pa.PythonFile(counted, "w"), layout) as writer:
        writer.write_batch(batch)
    return counted.bytes, counted.crc32


def read_part(buffer: pa.Buffer, plan: TablePlan, name: str) -> pa.RecordBatch:
    """The rows of a part, in the memory of its file.

    Raises:
        FileFormatError: when it is cut short, or has other columns than the plan says.
    """
    import pyarrow as pa

    try:
        reader = pa.ipc.open_file(buffer)
        if not reader.schema.equals(part_schema(plan)) or reader.num_record_batches != 1:
            raise FileFormatError(f"{name}: expected the columns of its table, got others; it is of another table")
        batch = reader.get_batch(0)
        # Offsets and lengths that point outside of the file.
        batch.validate(full=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OSError, ValueError, OverflowError) as error:
        raise FileFormatError(
            f"{name}: cannot be read as a part of a table ({first_line(error)}); it was cut short: encode again with "
            "--resume"
        ) from error
    return batch


def rows_of(batch: pa.RecordBatch, plan: TablePlan, split: str | None = None) -> Latents:
    """Rows as a table in memory; means and log-variances are views of the file.

    Args:
        batch: rows of a part.
        plan: of the table.
        split: what the table in memory says of its split; None for that of the plan.
    """
    size = plan.latent.size
    return Latents(
        mean=vectors(batch, MEAN, size),
        logvar=vectors(batch, LOGVAR, size) if plan.posterior else None,
        ids=batch.column(ID).to_numpy(zero_copy_only=False).astype(str),
        split=split or plan.split,
        classes=plan.classes,
        labels=labels(batch) if plan.labelled else None,
        attributes={name: attribute(batch, name) for name in plan.attributes},
        thresholds=plan.thresholds,
    )


def vectors(batch: pa.RecordBatch, column: str, size: int) -> np.ndarray:
    """A column of vectors, of shape (rows, size): a view."""
    found = batch.column(column)
    flat = found.values.to_numpy(zero_copy_only=True).reshape(-1, size)
    # `values` knows nothing of a slice.
    return flat[found.offset : found.offset + len(found)]


def labels(batch: pa.RecordBatch) -> np.ndarray:
    """The class numbers, int64 of shape (rows,), −1 where unknown."""
    return batch.column(LABEL).fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def attribute(batch: pa.RecordBatch, name: str) -> np.ndarray:
    """An attribute, float32 of shape (rows,), NaN where unknown."""
    import pyarrow as pa

    return batch.column(ATTRIBUTE + name).cast(pa.float32()).to_numpy(zero_copy_only=False).astype(np.float32)


def id_text(name: object) -> str:
    """A name as UTF-8 has it; bytes of file names that are no text are written out."""
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _column(field: pa.Field, latents: Latents) -> pa.Array:
    import pyarrow as pa

    count = len(latents)
    if field.name == ID:
        return pa.array([id_text(name) for name in latents.ids], pa.string())
    if field.name == SPLIT:
        return pa.array([latents.split] * count, pa.string())
    if field.name == LABEL:
        numbers = np.full(count, -1) if latents.labels is None else np.asarray(latents.labels)
        return pa.array(numbers.astype(np.int32), pa.int32(), mask=numbers < 0)
    if field.name in (MEAN, LOGVAR):
        values = latents.mean if field.name == MEAN else latents.logvar
        flat = np.ascontiguousarray(values, np.float32).reshape(-1)
        return pa.FixedSizeListArray.from_arrays(pa.array(flat), type=field.type)
    values = np.asarray(latents.attributes[field.name.removeprefix(ATTRIBUTE)], np.float32)
    unknown = np.isnan(values)
    if pa.types.is_boolean(field.type):
        strange = ~unknown & (values != 0) & (values != 1)
        if strange.any():
            row = int(np.argmax(strange))
            raise DataError(
                f"expected 0 or 1 as {field.name.removeprefix(ATTRIBUTE)!r}, as in the first images, got "
                f"{values[row]:g} for {str(latents.ids[row])!r}; tell of all images in a CSV with --attributes"
            )
        return pa.array(np.where(unknown, 0, values) > 0.5, pa.bool_(), mask=unknown)
    return pa.array(values, pa.float32(), mask=unknown)
