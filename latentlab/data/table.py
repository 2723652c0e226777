"""A CSV of attributes, labels and splits beside a folder of images."""

from __future__ import annotations

import csv
import itertools
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TextIO

import numpy as np

from latentlab.data.attribute import as_attribute, plain_name, read_value
from latentlab.data.fit import SUFFIXES
from latentlab.errors import DataError

FILE_COLUMNS = ("filename", "file_name", "file", "image", "image_id", "path", "id", "name")
LABEL_COLUMNS = ("label", "class")
SPLIT_COLUMNS = ("split", "partition")
# Under which names the splits are known: in words, and by CelebA's numbers.
SPLIT_NAMES = {
    "train": "train", "training": "train", "0": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation", "1": "validation",
    "test": "test", "testing": "test", "2": "test",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """What a CSV says about images, a row an image.

    Args:
        path: of the CSV.
        files: what each row calls its image; empty where no column names them.
        lines: where each row stands in the file, for messages.
        attributes: float32 of shape (n,) a plain name; NaN where nothing is said.
        labels: a text a row, "" where nothing is said; None without such a column.
        splits: "train", "validation", "test" or "" a row; None without such a column.
    """

    path: Path
    files: tuple[str, ...]
    lines: Sequence[int]
    attributes: Mapping[str, np.ndarray]
    labels: tuple[str, ...] | None = None
    splits: tuple[str, ...] | None = None


def read_table(path: Path, keyed: bool = True) -> Table:
    """Read a CSV whose first line names its columns, separated by commas, semicolons or tabs.

    The column of file names is called filename, file, image, image_id, path, id or name, or is the first. A column
    `label` or `class` gives labels, `split` or `partition` gives splits; all others are attributes.

    Args:
        path: of the CSV.
        keyed: whether the first column names files where none is called so; else such a table names none.

    Raises:
        DataError: when it cannot be read, or a value is not 0/1, −1/1, yes/no, true/false, a number or empty.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            return _read(Path(path), file, keyed)
    except (OSError, UnicodeDecodeError) as error:
        reason = (
            (error.strerror or str(error)).lower()
            if isinstance(error, OSError)
            else "it is not UTF-8 text; save it as such"
        )
        raise DataError(f"cannot read the attributes in {path}: {reason}") from error


def match_rows(table: Table, files: Sequence[str]) -> np.ndarray:
    """Find the row of a table that speaks of each file.

    A row names a file by its path in the folder, by its name, or by either without the ending; folders in front of
    a path that are not there are passed over.

    Args:
        table: the table.
        files: paths in the folder, with forward slashes.

    Returns:
        The row of each file, −1 for those of which the table says nothing.

    Raises:
        DataError: when a row matches no file, or several, or two rows the same.
    """
    found = _match_paths(table, files)
    if found is not None:
        return found
    # Only what the table asks for is kept: of a million files, all that they might be called is too much.
    asked: dict[str, tuple[int, ...]] = {key: () for name in table.files for key in _keys(name)}
    exact: dict[str, int] = {}
    for number, file in enumerate(files):
        name = file.rpartition("/")[2]
        for key in {file, name, file.rpartition(".")[0], name.rpartition(".")[0]}:
            if key == file and key in asked:
                exact[key] = number
            # Two are enough to say that it may be several.
            if key in asked and len(asked[key]) < 2:
                asked[key] += (number,)
    unmatched: list[int] = []
    rows = np.full(len(files), -1, np.int64)
    for row, (name, line) in enumerate(zip(table.files, table.lines, strict=True)):
        matches = _matches(asked, exact, name)
        if not matches:
            unmatched.append(row)
        elif len(matches) > 1:
            shown = " and ".join(files[number] for number in matches)
            raise DataError(f"{table.path}, line {line}: {name!r} may be {shown}; write the path in the folder")
        elif rows[(number := matches[0])] >= 0:
            before = table.lines[rows[number]]
            raise DataError(f"{table.path}: lines {before} and {line} speak of the same image, {files[number]}")
        else:
            rows[number] = row
    if unmatched:
        first = unmatched[0]
        many = (
            "no line matches an"
            if len(unmatched) == len(table.files)
            else f"{len(unmatched)} of {len(table.files)} lines match no"
        )
        raise DataError(
            f"{table.path}: {many} image, such as {table.files[first]!r} in line {table.lines[first]}; "
            f"images there are called such as {files[0]!r}"
        )
    return rows


def _match_paths(table: Table, files: Sequence[str]) -> np.ndarray | None:
    """The row of each file, where all rows give whole paths; None where one does not, or two give the same.

    As large tables are written; and a third of the memory.
    """
    rows = {"/".join(_parts(name)): row for row, name in enumerate(table.files)}
    found = np.fromiter((rows.get(file, -1) for file in files), np.int64, len(files))
    return found if (found >= 0).sum() == len(table.files) else None


def _matches(asked: Mapping[str, tuple[int, ...]], exact: Mapping[str, int], name: str) -> tuple[int, ...]:
    for key in _keys(name):
        # The whole path is meant where it is one, even if other files are called the same further down.
        if key in exact:
            return (exact[key],)
        if asked[key]:
            return asked[key]
    return ()


def _keys(name: str) -> list[str]:
    """What a row may mean: the path that it gives, and that without the folders in front."""
    parts = _parts(name)
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _parts(name: str) -> list[str]:
    return [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]


def _read(path: Path, file: TextIO, keyed: bool) -> Table:
    rows = _rows(path, file)
    line, header = next(rows, (0, []))
    if not header:
        raise DataError(f"expected a line of column names and a line an image in {path}, got 0 of them")
    folded = [name.casefold() for name in header]
    file_at = next((folded.index(name) for name in FILE_COLUMNS if name in folded), 0 if keyed else None)
    label_at = next(
        (folded.index(name) for name in LABEL_COLUMNS if name in folded and folded.index(name) != file_at), None
    )
    split_at = next(
        (folded.index(name) for name in SPLIT_COLUMNS if name in folded and folded.index(name) != file_at), None
    )
    if file_at is not None and PurePosixPath(header[file_at]).suffix.casefold() in SUFFIXES:
        raise DataError(
            f"expected column names in line {line} of {path}, got the image {header[file_at]!r}; add such a line"
        )
    attributes: dict[str, array[float]] = {}
    columns: list[tuple[int, str, array[float]]] = []
    for column, name in enumerate(header):
        if column in (file_at, label_at, split_at):
            continue
        plain = plain_name(name)
        if not plain or plain in attributes:
            raise DataError(
                f"{path}: expected a name of its own for every column, got {name or 'none'!r} twice or empty"
            )
        attributes[plain] = array("f")
        columns.append((column, name, attributes[plain]))
    files: list[str] = []
    lines = array("q")
    labels: list[str] = []
    splits: list[str] = []
    # Row by row: of millions of rows, cells as texts would take many times the memory of the file.
    for line, row in rows:
        if len(row) > len(header):
            raise DataError(f"{path}, line {line}: expected at most {len(header)} values, got {len(row)}")
        if file_at is not None:
            files.append(_cell(row, file_at))
        lines.append(line)
        if label_at is not None:
            labels.append(sys.intern(_cell(row, label_at)))
        if split_at is not None:
            splits.append(_split(path, line, _cell(row, split_at)))
        for column, name, values in columns:
            values.append(_value(path, line, name, _cell(row, column)))
    if not lines:
        raise DataError(f"expected a line of column names and a line an image in {path}, got 1 of them")
    return Table(
        path=path,
        files=tuple(files),
        lines=lines,
        attributes={name: as_attribute(np.frombuffer(values, np.float32)) for name, values in attributes.items()},
        labels=None if label_at is None else tuple(labels),
        splits=None if split_at is None else tuple(splits),
    )


def _rows(path: Path, file: TextIO) -> Iterator[tuple[int, list[str]]]:
    """The lines that say something, with their numbers."""
    first, empty = "", 0
    while not first.strip() and (first := file.readline()):
        empty += 1
    reader = csv.reader(itertools.chain([first], file), delimiter=max(",;\t", key=first.count))
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num + empty - 1, cells
    except csv.Error as error:
        line = reader.line_num + empty - 1
        raise DataError(f"cannot read the attributes in {path}: line {line}: {error}") from error


def _value(path: Path, line: int, name: str, text: str) -> float:
    try:
        return read_value(text)
    except ValueError:
        raise DataError(
            f"{path}, line {line}, column {name}: expected 0/1, -1/1, yes/no or a number, got {text!r}; "
            "call the column label if it names classes"
        ) from None


def _split(path: Path, line: int, value: str) -> str:
    if not value:
        return ""
    if value.casefold() not in SPLIT_NAMES:
        raise DataError(f"{path}, line {line}: expected the split train, validation or test, got {value!r}")
    return SPLIT_NAMES[value.casefold()]


def _cell(row: Sequence[str], column: int) -> str:
    return row[column] if column < len(row) else ""
