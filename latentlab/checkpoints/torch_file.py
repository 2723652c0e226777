"""Files of torch.save, new (a zip archive) and old (pickles in a row): every tensor is a view of the file."""

from __future__ import annotations

import math
import mmap
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latentlab.checkpoints.foreign.opened import Part
from latentlab.checkpoints.pickled import LONGEST_PICKLE, Alien, Named, Outline, Stored, read_pickle
from latentlab.errors import FileFormatError, listed

# Below this a file is read: a mapped one changes when its file does.
MAPPED = 16_000_000
LONGEST_DIRECTORY = 16_000_000
LONGEST_TEXT = 2_000
MOST_ENTRIES = 200_000
MOST_LISTED = 2_000
# Names that a message shows.
SHOWN = 5
# Weights that share memory are listed once each; a file of one matrix under a thousand names is made to cost.
MOST_SHARED = 4
# The keys that weights stand under, the surest first.
UNDER = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "vae", "params_ema", "params")
# What training keeps of itself beside the weights; it is no part of a model.
TRAINING = ("optim", "sched", "scaler", "callbacks", "loops", "lr_", "ema_optim")

KINDS = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "UntypedStorage": torch.uint8,
}
MAGIC = 0x1950A86A20F9469CFC6C
SAVE_WEIGHTS = "expected a model's weights by name, as in torch.save(model.state_dict(), …)"
MODULE_REFUSED = (
    "holds a whole module ({name}), which only its author's code can make; save model.state_dict() instead, "
    "or give --loader module:factory, which runs that code"
)


def read_zip(path: Path) -> Part:
    """What torch.save writes since 1.6, or another program that is a zip archive: a pickle, and an entry a storage.

    Raises:
        FileFormatError: when it holds no weights, or what only code could make.
        ValueError, zipfile.BadZipFile: when it is not whole.
    """
    size = path.stat().st_size
    _check_directory(path, size)
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if len(entries) < len(archive.infolist()) or len(entries) > MOST_ENTRIES:
            raise ValueError("a zip archive with an entry twice")
    for name, entry in entries.items():
        if name.startswith(("/", "\\")) or ".." in name.split("/") or "\\" in name or "\0" in name:
            raise ValueError(f"a zip archive with an entry that points out of it ({name[:60]!r})")
        if entry.file_size > size:
            raise ValueError(f"a zip archive with an entry of {entry.file_size} bytes in a file of {size}")
    tops = {name.partition("/")[0] for name in entries}
    under = {name.partition("/")[2] for name in entries}
    if any(name.startswith("code/") for name in under) and "constants.pkl" in under:
        return Part(path, "torchscript")
    if "archive_format" in under:
        return Part(path, "exported")
    if len(tops) != 1 or "data.pkl" not in under:
        raise ValueError(f"a zip archive of {listed(sorted(entries), SHOWN)}, and no torch checkpoint")
    top = tops.pop()
    buffer = _contents(path)

    def place(name: str) -> tuple[int, int]:
        entry = entries.get(f"{top}/{name}")
        if entry is None:
            raise ValueError(f"a torch checkpoint without its entry {name[:60]!r}")
        return _place(buffer, entry)

    if f"{top}/byteorder" in entries:
        start, end = place("byteorder")
        if bytes(buffer[start : min(end, start + 16)]) != b"little":
            raise ValueError("written on a machine of another byte order")
    start, end = place("data.pkl")
    if end - start > LONGEST_PICKLE:
        raise ValueError(f"a torch checkpoint with a pickle of {end - start} bytes")
    root = read_pickle(bytes(buffer[start:end])).value
    return _part(path, root, buffer, lambda stored: place(f"data/{stored.key}"))


def _check_directory(path: Path, size: int) -> None:
    """Refuse a list of entries that is long enough to cost memory, before it is read."""
    with open(path, "rb") as file:
        file.seek(max(size - 98, 0))
        tail = file.read()
    end = tail[-22:]
    if end[:4] != b"PK\5\6" or end[-2:] != b"\0\0":
        raise ValueError("a zip archive without its end")
    length = int.from_bytes(end[12:16], "little")
    if length == 0xFFFFFFFF:
        length = int.from_bytes(tail[-98 + 40 : -98 + 48], "little")
    if length > LONGEST_DIRECTORY:
        raise ValueError(f"a zip archive with a list of entries of {length} bytes")


def _place(buffer: Any, entry: zipfile.ZipInfo) -> tuple[int, int]:
    """Where the bytes of an entry lie."""
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size or entry.flag_bits & 1:
        raise ValueError(f"a torch checkpoint with a compressed entry ({entry.filename[:60]!r}), as torch writes none")
    begin = entry.header_offset
    head = bytes(buffer[begin : begin + 30])
    if head[:4] != b"PK\3\4" or len(head) < 30:
        raise ValueError(f"a zip archive whose entry {entry.filename[:60]!r} is not where it should be")
    name, extra = struct.unpack("<HH", head[26:30])
    start = begin + 30 + name + extra
    if start + entry.file_size > len(buffer):
        raise ValueError(f"a zip archive whose entry {entry.filename[:60]!r} is cut short")
    return start, start + entry.file_size


def read_legacy(path: Path) -> Part:
    """What torch.save wrote before 1.6: five pickles, then the numbers of each storage in turn.

    Raises:
        FileFormatError: when it holds no weights, or what only code could make.
        ValueError: when it is not whole.
    """
    buffer = _contents(path)
    data = bytes(buffer[:LONGEST_PICKLE])
    first = read_pickle(data)
    if b"\x8a\n" + MAGIC.to_bytes(10, "little") not in data[: min(first.end, 32)]:
        raise FileFormatError(
            f"{path} is a bare pickle{_of(first.value)} and no torch checkpoint; save model.state_dict() with "
            "torch.save instead, or give --loader module:factory, which runs its author's code"
        )
    version = read_pickle(data, first.end)
    system = read_pickle(data, version.end)
    endian = system.value.get("little_endian") if isinstance(system.value, dict) else None
    if version.value != 1001 or endian is not True:
        raise ValueError("written by another torch, or on a machine of another byte order")
    root = read_pickle(data, system.end)
    keys = read_pickle(data, root.end)
    places: dict[str, tuple[int, int]] = {}
    end = keys.end
    for key in keys.value if isinstance(keys.value, list) else ():
        stored = root.stored.get(key if isinstance(key, str) else str(key, "ascii", "replace"))
        if stored is None:
            raise ValueError("a torch checkpoint with numbers of no tensor")
        start = end + 8
        end = start + stored.length * _kind(stored).itemsize
        if end > len(buffer) or int.from_bytes(buffer[start - 8 : start], "little") != stored.length:
            raise ValueError(f"a torch checkpoint of {len(buffer)} bytes whose numbers need {end}")
        places[stored.key] = (start, end)
    return _part(path, root.value, buffer, lambda stored: places.get(stored.key, (0, 0)))


def _contents(path: Path) -> bytearray | mmap.mmap:
    """The bytes of a file: read where they are few, mapped where they are many."""
    with open(path, "rb") as file:
        size = path.stat().st_size
        if size > MAPPED:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        buffer = bytearray(size)
        read = file.readinto(buffer)
        return buffer if read == size else buffer[:read]


def _part(path: Path, root: Any, buffer: Any, place: Callable[[Stored], tuple[int, int]]) -> Part:
    """A torch file of the value that it holds."""
    under, outlines, beside = _weights(path, root)
    most = MOST_SHARED * len(buffer)
    tensors = {}
    for name, outline in outlines.items():
        tensors[name] = tensor = _tensor(name, outline, buffer, place(outline.stored))
        most -= tensor.nbytes
        if most < 0:
            raise ValueError("a torch checkpoint whose tensors share their numbers over and over")
    return Part(path, "torch", tensors, under, beside)


def _tensor(name: str, outline: Outline, buffer: Any, place: tuple[int, int]) -> Tensor:
    """The tensor of an outline, as a view of the file."""
    stored, offset, size, stride, kind = outline
    if kind:
        raise ValueError(f"a torch checkpoint with numbers of type {kind[:40]}, which no network is made of")
    dtype = _kind(stored)
    start, end = place
    check_outline(name, outline, end - start)
    count = math.prod(size)
    if not count:
        return torch.empty(size, dtype=dtype)
    base = torch.frombuffer(buffer, dtype=dtype, count=stored.length, offset=start)
    tensor = base.as_strided(size, stride, offset)
    return tensor.clone() if start % dtype.itemsize else tensor


def check_outline(name: str, outline: Outline, room: int) -> None:
    """Refuse a tensor that is larger than its numbers, or numbers that are more than there is room for.

    Args:
        name: as the message calls it.
        outline: the tensor.
        room: the bytes of its storage in the file.

    Raises:
        ValueError: in one line.
    """
    stored, offset, size, stride, _ = outline
    count = math.prod(size)
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True)) if count else 0
    if stored.length * _kind(stored).itemsize > room or count > stored.length or last >= max(stored.length, 1):
        raise ValueError(f"a torch checkpoint whose {name[:60]!r} is larger than its numbers")


def _kind(stored: Stored) -> torch.dtype:
    if stored.kind not in KINDS:
        raise ValueError(f"a torch checkpoint with numbers of type {stored.kind[:40]}, which no network is made of")
    return KINDS[stored.kind]


def _weights(path: Path, root: Any) -> tuple[str, dict[str, Outline], dict[str, Any]]:
    """The key that weights stand under, the weights by their names, and what stands beside them."""
    if not isinstance(root, dict):
        if isinstance(root, Outline):
            raise FileFormatError(f"{path} holds one tensor; {SAVE_WEIGHTS}")
        if not isinstance(root, Alien | Named):
            raise FileFormatError(f"{path} holds no weights, but a {_name(root)}; {SAVE_WEIGHTS}")
        raise FileFormatError(f"{path} {MODULE_REFUSED.format(name=_name(root))}")
    for key in UNDER:
        if isinstance(root.get(key), dict) and (found := _flat(root[key])):
            beside = {other: value for other, value in root.items() if other != key}
            return key, found, _Plain().table(beside)
    if found := _flat(root):
        return "", found, _Plain().table(root)
    aliens = [value for value in root.values() if isinstance(value, Alien) and "_modules" in value.state]
    if aliens:
        raise FileFormatError(f"{path} {MODULE_REFUSED.format(name=_name(aliens[0]))}")
    keys = listed([str(key)[:40] for key in root], SHOWN) or "nothing"
    raise FileFormatError(f"{path} holds no weights, but {keys}; {SAVE_WEIGHTS}")


def _flat(table: dict[Any, Any]) -> dict[str, Outline]:
    """The tensors in a table and in the tables in it, three deep; what training keeps of itself is left out."""
    found: dict[str, Outline] = {}
    levels = [("", table, 3)]
    while levels and len(found) < MOST_ENTRIES:
        prefix, table, depth = levels.pop()
        for key, value in table.items():
            if not isinstance(key, str):
                continue
            if isinstance(value, Outline):
                found[prefix + key] = value
            elif isinstance(value, dict) and depth > 1 and not key.lower().startswith(TRAINING):
                levels.append((f"{prefix}{key}.", value, depth - 1))
        if len(levels) > MOST_LISTED:
            raise ValueError("a torch checkpoint of too many tables")
    return found


class _Plain:
    """Copies what is plain of a value, as far as anyone reads it."""

    def __init__(self) -> None:
        self.left = MOST_LISTED

    def table(self, value: Mapping[Any, Any], depth: int = 5) -> dict[str, Any]:
        """Numbers, strings, and lists and tables of them; the rest is left out."""
        plain = {}
        for key, item in value.items():
            if isinstance(key, str) and len(key) < LONGEST_TEXT and self.left > 0:
                self.left -= 1
                copy = self._value(item, depth)
                if copy is not None:
                    plain[key] = copy
        return plain

    def _value(self, value: Any, depth: int) -> Any:
        if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) < LONGEST_TEXT):
            return value
        if depth and isinstance(value, Alien | dict):
            return self.table(value.state if isinstance(value, Alien) else value, depth - 1) or None
        if depth and isinstance(value, list | tuple) and not isinstance(value, Outline | Stored) and self.left > 0:
            self.left -= len(value)
            return [self._value(item, depth - 1) for item in value[: max(self.left, 0)]]
        return None


def _name(value: Any) -> str:
    name = value.name if isinstance(value, Alien | Named) else type(value).__name__
    return name[:80] if name.isprintable() else repr(name[:80])


def _of(value: Any) -> str:
    return f" of {_name(value)}" if isinstance(value, Alien | Named) else ""
