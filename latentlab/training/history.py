"""The history of a training: one JSON object a line, one line an epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from latentlab.errors import FileFormatError
from latentlab.files import write_text


def read_history(path: Path) -> list[dict[str, Any]]:
    """The epochs of a history; an empty list where there is none.

    Raises:
        FileFormatError: when a line is not JSON.
    """
    if not path.is_file():
        return []
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except ValueError as error:
        raise FileFormatError(f"{path} is not JSON lines ({error}); it was edited") from error


def write_history(path: Path, epochs: list[dict[str, Any]]) -> None:
    """Write all epochs, whole or not at all: the file is small, and a resumed run may have to shorten it."""
    write_text(path, "".join(json.dumps(epoch) + "\n" for epoch in epochs))
