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
        epochs = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path} is not JSON lines ({error}); it was edited") from error
    if not all(isinstance(epoch, dict) for epoch in epochs):
        raise FileFormatError(f"{path}: expected an object a line, got something else; it was edited")
    return epochs


def write_history(path: Path, epochs: list[dict[str, Any]]) -> None:
    """Write all epochs, whole or not at all: the file is small, and a resumed run may have to shorten it."""
    write_text(path, "".join(json.dumps(epoch) + "\n" for epoch in epochs))
