"""The files of a folder that a trained model may be made of: known names, lying in it, and of a bounded size."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentlab.errors import FileFormatError, listed
from latentlab.files import read_json

LONGEST_TABLE = 4_000_000
MOST_FILES = 2_000
MOST_WEIGHTS = 4
# Names that a message shows.
SHOWN = 10
SUFFIXES = {".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".onnx", ".pt2", ".ts"}
TABLES = ("config.json", "model_config.json", "environment.json", "training_config.json", "specs.json")
# Where a folder has several files of weights, the first of these is the model: the others are copies of it, or older.
SOLE = (
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.bin",
    "diffusion_pytorch_model.fp16.safetensors",
    "model.safetensors",
    "model.pt",
    "pytorch_model.bin",
)
# Where the model of a larger folder lies: a pipeline of diffusers, a training of pythae.
INNER = ("vae", "final_model")


def list_folder(folder: Path) -> tuple[list[Path], tuple[str, ...]]:
    """The files of weights in a folder, in the order of their names, and the names of its other files.

    Raises:
        FileFormatError: when there is none, or too many to know which.
        OSError: when the folder cannot be read.
    """
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in itertools.islice(entries, MOST_FILES))
    files = {name: found for name in names if (found := _inside(folder, name)) is not None}
    sole = next((name for name in SOLE if name in files), None)
    weights = [sole] if sole else [name for name in files if Path(name).suffix.lower() in SUFFIXES]
    if not weights:
        inner = next((name for name in INNER if name in names), None)
        raise FileFormatError(f"{folder} holds no weights; give {folder / inner if inner else 'a file, or its folder'}")
    if len(weights) > MOST_WEIGHTS:
        raise FileFormatError(
            f"{folder} holds {len(weights)} files of weights; give one of them: {listed(weights, SHOWN)}"
        )
    others = tuple(name for name in files if name not in weights and name not in TABLES)
    return [files[name] for name in weights], others


def read_tables(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """The JSON files of known names in a folder that hold a table.

    Raises:
        FileFormatError: when one is no JSON, or absurdly long.
    """
    tables = {}
    for name in TABLES:
        path = _inside(folder, name)
        if path is None:
            continue
        if path.stat().st_size > LONGEST_TABLE:
            raise FileFormatError(f"{path}: expected a table of at most {LONGEST_TABLE} bytes")
        table = read_json(path)
        if isinstance(table, dict):
            tables[name] = table
    return tables


def _inside(folder: Path, name: str) -> Path | None:
    """A regular file that lies in the folder, or in the store that a download of Hugging Face's links to."""
    path = folder / name
    try:
        home, found = folder.resolve(), path.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    homes = [home]
    homes += [parent / "blobs" for parent in home.parents if parent.name.startswith("models--")]
    return path if found.is_file() and any(found.is_relative_to(place) for place in homes) else None
