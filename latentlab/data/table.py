"""A CSV of attributes, labels and splits beside a folder of images."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

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
        files: what each row calls its image.
        lines: where each row stands in the file, for messages.
        attributes: float32 of shape (n,) a plain name; NaN where nothing is said.
        labels: a text a row, "" where nothing is said; None without such a column.
        splits: "train", "validation", "test" or "" a row; None without such a column.
    """

    path: Path
    files: tuple[str, ...]
    lines: tuple[int, ...]
    attributes: Mapping[str, np.ndarray]
    labels: tuple[str, ...] | None = None
    splits: tuple[str, ...] | None = None


def read_table(path: Path) -> Table:
    """Read a CSV whose first line names its columns, separated by commas, semicolons or tabs.

    The column of file names is called filename, file, image, image_id, path, id or name, or is the first. A column
    `label` or `class` gives labels, `split` or `partition` gives splits; all others are attributes.

    Raises:
        DataError: when it cannot be read, or a value is not 0/1, −1/1, yes/no, true/false, a number or empty.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = (
            (error.strerror or str(error)).lower()
            if isinstance(error, OSError)
            else "it is not UTF-8 text; save it as such"
        )
        raise DataError(f"cannot read the attributes in {path}: {reason}") from error
    first = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter)
    try:
        found = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise DataError(f"cannot read the attributes in {path}: line {reader.line_num}: {error}") from error
    rows = [(line, row) for line, row in found if any(row)]
    if len(rows) < 2:
        raise DataError(f"expected a line of column names and a line an image in {path}, got {len(rows)} of them")
    header = rows[0][1]
    for line, row in rows[1:]:
        if len(row) > len(header):
            raise DataError(f"{path}, line {line}: expected at most {len(header)} values, got {len(row)}")
    folded = [name.casefold() for name in header]
    file_at = next((folded.index(name) for name in FILE_COLUMNS if name in folded), 0)
    label_at = next(
        (folded.index(name) for name in LABEL_COLUMNS if name in folded and folded.index(name) != file_at), None
    )
    split_at = next(
        (folded.index(name) for name in SPLIT_COLUMNS if name in folded and folded.index(name) != file_at), None
    )
    if PurePosixPath(header[file_at]).suffix.casefold() in SUFFIXES:
        raise DataError(
            f"expected column names in line {rows[0][0]} of {path}, got the image {header[file_at]!r}; add such a line"
        )
    special = {file_at, label_at, split_at}
    attributes: dict[str, np.ndarray] = {}
    for column, name in enumerate(header):
        if column in special:
            continue
        plain = plain_name(name)
        if not plain or plain in attributes:
            raise DataError(
                f"{path}: expected a name of its own for every column, got {name or 'none'!r} twice or empty"
            )
        attributes[plain] = _column(path, name, column, rows[1:])
    return Table(
        path=Path(path),
        files=tuple(_cell(row, file_at) for _, row in rows[1:]),
        lines=tuple(line for line, _ in rows[1:]),
        attributes=attributes,
        labels=None if label_at is None else tuple(_cell(row, label_at) for _, row in rows[1:]),
        splits=None if split_at is None else tuple(_split(path, line, _cell(row, split_at)) for line, row in rows[1:]),
    )


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
    known: dict[str, set[int]] = {}
    for number, file in enumerate(files):
        path = PurePosixPath(file)
        for key in {file, path.name, str(path.with_suffix("")), path.stem}:
            known.setdefault(key, set()).add(number)
    unmatched: list[int] = []
    rows = np.full(len(files), -1, np.int64)
    for row, (name, line) in enumerate(zip(table.files, table.lines, strict=True)):
        matches = _matches(known, name, files)
        if not matches:
            unmatched.append(row)
        elif len(matches) > 1:
            shown = " and ".join(files[number] for number in sorted(matches)[:2])
            raise DataError(f"{table.path}, line {line}: {name!r} may be {shown}; write the path in the folder")
        elif rows[(number := matches.pop())] >= 0:
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


def _matches(known: Mapping[str, set[int]], name: str, files: Sequence[str]) -> set[int]:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    for start in range(len(parts)):
        key = "/".join(parts[start:])
        if found := known.get(key):
            # The whole path is meant where it is one, even if other files are called the same further down.
            whole = {number for number in found if files[number] == key}
            return set(whole or found)
    return set()


def _column(path: Path, name: str, column: int, rows: Sequence[tuple[int, list[str]]]) -> np.ndarray:
    values = np.empty(len(rows), np.float32)
    for number, (line, row) in enumerate(rows):
        try:
            values[number] = read_value(_cell(row, column))
        except ValueError:
            raise DataError(
                f"{path}, line {line}, column {name}: expected 0/1, -1/1, yes/no or a number, "
                f"got {_cell(row, column)!r}; call the column label if it names classes"
            ) from None
    return as_attribute(values)


def _split(path: Path, line: int, value: str) -> str:
    if not value:
        return ""
    if value.casefold() not in SPLIT_NAMES:
        raise DataError(f"{path}, line {line}: expected the split train, validation or test, got {value!r}")
    return SPLIT_NAMES[value.casefold()]


def _cell(row: Sequence[str], column: int) -> str:
    return row[column] if column < len(row) else ""
