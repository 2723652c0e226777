"""Files that are whole or not there: written beside their place, flushed, then renamed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from latentlab.errors import FileFormatError, LatentlabError

TEMPORARY = ".part"


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that becomes `path` at the end, so that a reader sees the old file or the new one, no part.

    Raises:
        LatentlabError: when the folder cannot be made or written, or the disk is full. What stood
            at `path` before is untouched then, and nothing half-written stays.
    """
    path = Path(path)
    # A name of its own, so that two writers never share a temporary file.
    temporary = temporary_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        # Where the folder itself is the trouble, there is nothing to take away and no right to look.
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise cannot_write(path, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> Path:
    """Write `content` to `path`, whole or not at all (see `writing`)."""
    with writing(path) as file:
        file.write(content)
    return Path(path)


def temporary_name(path: Path) -> Path:
    """Where a file is written before it gets its name: beside its place, hidden, and no two alike."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")


def is_temporary(name: str) -> bool:
    """Whether a file's name is such a one."""
    return name.startswith(".") and name.endswith(TEMPORARY)


def write_text(path: Path, text: str) -> Path:
    """Write text as UTF-8, whole or not at all (see `write_bytes`)."""
    return write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> Path:
    """Write a value as readable JSON, whole or not at all. NaN is refused: JSON has no such number."""
    return write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        FileFormatError: when the file is missing, unreadable or not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FileFormatError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is not JSON ({error}); write it again") from error


def _flush_folder(folder: Path) -> None:
    """Make a new name last: after a power cut a flushed file may be there without it."""
    # Windows opens no folders, some network drives flush none, and what is written is written then all the same.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def cannot_write(path: Path, error: OSError) -> LatentlabError:
    """Say why `path` could not be written, and what to do about it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LatentlabError(f"cannot write {path}: the disk is full; make room and run it again")
    reason = (error.strerror or str(error)).lower()
    return LatentlabError(f"cannot write {path}: {reason}; choose another folder with --out")
