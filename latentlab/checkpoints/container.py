"""What lies at a path that is not latentlab's own: found by looking, bounded by the file's size, and never run.

Everything here is a view of the file: a tensor is made only of numbers that lie in it, none is larger than it, and
large files are mapped, not read.
"""

from __future__ import annotations

import dataclasses
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from latentlab.checkpoints.folder import SOLE, list_folder, read_tables
from latentlab.checkpoints.foreign.opened import Contents, Part
from latentlab.checkpoints.native import LONGEST_HEADER
from latentlab.checkpoints.torch_file import read_legacy, read_zip
from latentlab.errors import FileFormatError, first_line

PREFIXES = ("module.", "_orig_mod.")
# What a file of another kind begins with, and what to do about it.
OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "is a pointer of Git LFS and not the file itself; fetch it with git lfs pull"),
    (b"<!DOCTYPE", "is a web page; download the file behind it again"),
    (b"<html", "is a web page; download the file behind it again"),
    (b"\x89HDF", "is an HDF5 file, as Keras writes; export the model as an ONNX encoder and decoder"),
    (b"\x1f\x8b", "is compressed with gzip; unpack it first"),
    (b"\x93NUMPY", "is a NumPy array; expected a trained model"),
    (b"\x89PNG", "is a picture; expected a trained model"),
    (b"\xff\xd8\xff", "is a picture; expected a trained model"),
    (b"GGUF", "is a GGUF file; expected a trained model of images"),
)


def open_container(path: Path) -> Contents:
    """What lies at a path, file or folder.

    Raises:
        FileFormatError: when it is cut short, of no known kind, made to harm, or holds what only code could make.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return open_folder(path)
        # Weights of a conventional name say more with the tables that lie beside them.
        beside = read_tables(path.parent) if path.name in SOLE else {}
        return Contents(path, (open_part(path),), beside)
    except OSError as error:
        raise FileFormatError(f"cannot read {path}: {error.strerror or error}") from error


def open_folder(path: Path) -> Contents:
    """The files of weights in a folder, with its tables.

    Raises:
        FileFormatError: as `open_container`.
        OSError: when it cannot be read.
    """
    weights, others = list_folder(path)
    return Contents(path, tuple(open_part(file) for file in weights), read_tables(path), others)


def open_part(path: Path) -> Part:
    """One file, by what it begins with.

    Raises:
        FileFormatError: as `open_container`.
        OSError: when it cannot be read.
    """
    # A pipe or a device would never end.
    if not stat.S_ISREG(path.stat().st_mode):
        raise FileFormatError(f"{path} is no regular file; give a checkpoint or its folder")
    with open(path, "rb") as file:
        head = file.read(256)
    for begin, says in OTHERS:
        if head.lstrip().startswith(begin):
            raise FileFormatError(f"{path} {says}")
    read = next((read for tells, read in FORMATS if tells(head)), None)
    if read is None:
        raise FileFormatError(
            f"{path} is no safetensors, torch checkpoint, TorchScript or ONNX file; "
            "it was cut short or is of another kind"
        )
    try:
        part = read(path)
    except (ValueError, RuntimeError, EOFError, MemoryError, struct.error, zipfile.BadZipFile) as error:
        raise FileFormatError(
            f"{path}: {first_line(error)}; it was cut short, changed, or is of another kind"
        ) from error
    return dataclasses.replace(part, tensors=_without_prefix(part.tensors))


def _open_safetensors(path: Path) -> Part:
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > LONGEST_HEADER:
        raise FileFormatError(f"{path}: expected a header of at most {LONGEST_HEADER} bytes, got one of {length}")
    try:
        with safe_open(path, framework="pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a mapping)
            metadata = opened.metadata() or {}
    except (SafetensorError, RuntimeError, TypeError) as error:
        raise ValueError(f"no whole safetensors file ({first_line(error)})") from error
    return Part(path, "safetensors", tensors, beside=dict(metadata))


def _is_onnx(head: bytes) -> bool:
    """Whether it begins as a model of ONNX does: its version, then a field of producer, domain, graph or the like."""
    return len(head) > 2 and head[0] == 0x08 and head[1] < 32 and head[2] in b"\x12\x1a\x22\x28\x32\x3a\x42"


FORMATS: tuple[tuple[Callable[[bytes], bool], Callable[[Path], Part]], ...] = (
    (lambda head: head.startswith(b"PK"), read_zip),
    (lambda head: head.startswith(b"\x80"), read_legacy),
    (lambda head: head[8:9] == b"{", _open_safetensors),
    (_is_onnx, lambda path: Part(path, "onnx")),
)


def _without_prefix(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without what data-parallel training and compilation put before every name."""
    for prefix in PREFIXES * 2:
        if tensors and all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return dict(tensors)
