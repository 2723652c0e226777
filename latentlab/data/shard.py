"""One shard of a webdataset: a tar file whose consecutive members of one name are a sample, read from front to back."""

from __future__ import annotations

import json
import math
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from latentlab.data.attribute import plain_name
from latentlab.data.fit import SUFFIXES
from latentlab.data.table import LABEL_COLUMNS
from latentlab.errors import DataError, first_line

ENDINGS = tuple(suffix[1:] for suffix in SUFFIXES)
# More than any photograph has, and more than anybody says about one.
MOST_IMAGE_BYTES = 256 * 1024**2
MOST_TEXT_BYTES = 16 * 1024**2
BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Sample:
    """An image as its file has it, with what the members beside it say.

    Args:
        key: the name that its members share, without their endings.
        content: the image file; empty where it is left alone.
        reason: why there is none; empty where there is one.
        label: a class by its number or name; None where nothing is said.
        attributes: by plain name; NaN where unknown.
    """

    key: str
    content: bytes = b""
    reason: str = ""
    label: int | str | None = None
    attributes: Mapping[str, float] = field(default_factory=dict)


def read_samples(url: str, name: str, *, images: bool = True) -> Iterator[Sample]:
    """The samples of a shard, in order; no more than one of them is in memory.

    Args:
        url: where it is, as fsspec takes it.
        name: what it is called in messages.
        images: whether images are read, or only what is said of them.

    Raises:
        DataError: when the shard is missing, cut short or broken, a key occurs twice, or what is said of an image
            cannot be read.
    """
    seen: set[str] = set()
    key, members = "", dict[str, bytes | None]()
    for member_key, ending, content in _members(url, name, images):
        if member_key != key:
            if members:
                yield _sample(name, key, members)
            if member_key in seen:
                raise DataError(f"expected the members of each key of {name} in a row, got {member_key!r} twice")
            seen.add(member_key)
            key, members = member_key, {}
        if ending in members:
            raise DataError(f"expected one file {ending} a key in {name}, got two for {key!r}; rename one")
        members[ending] = content
    if members:
        yield _sample(name, key, members)


def _members(url: str, name: str, images: bool) -> Iterator[tuple[str, str, bytes | None]]:
    """The key, ending and content of each member that says something; None for an image that is too large."""
    try:
        with _open(url, name) as file:
            tail = _Tail(name, file)
            with tarfile.open(fileobj=cast(BinaryIO, tail), mode="r|") as tar:
                while (member := tar.next()) is not None:
                    # Or tarfile would keep what it knows of every member.
                    tar.members.clear()  # type: ignore[attr-defined]
                    if not member.isreg() or (found := _split_name(member.name)) is None:
                        continue
                    key, ending = found
                    picture = ending in ENDINGS
                    if picture and (not images or member.size > MOST_IMAGE_BYTES):
                        yield key, ending, None if images else b""
                        continue
                    if not picture and member.size > MOST_TEXT_BYTES:
                        raise DataError(f"{name}: expected a small file {member.name}, got {member.size:,} bytes")
                    content = tar.extractfile(member)
                    yield key, ending, b"" if content is None else content.read()
                end = tail.block(tar.offset)
    except tarfile.TarError as error:
        raise DataError(f"cannot read the shard {name}: {first_line(error)}; fetch it again") from error
    # tarfile takes a file that ends between two members, or goes on with something else, for one that is whole.
    if len(end) < BLOCK:
        raise DataError(f"the shard {name} is cut short: it has no end mark; fetch it again")
    if end.strip(b"\0"):
        raise DataError(f"the shard {name} is broken: no header of a file follows the last one; fetch it again")


def _open(url: str, name: str) -> BinaryIO:
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        return filesystem.open(path, "rb")
    except FileNotFoundError:
        raise DataError(f"expected a shard {url}, found none; fetch it, or name those that are there") from None
    # Every kind of storage has errors of its own.
    except Exception as error:
        raise DataError(f"cannot read the shard {name}: {first_line(error)}") from error


class _Tail:
    """A file that is read from front to back, and the last of what was read.

    tarfile asks for no more of a stream than `read`.
    """

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.name, self.file = name, file
        self.at, self.kept = 0, b""

    def read(self, size: int) -> bytes:
        try:
            content = self.file.read(size)
        # As above: an object store may also break off in the middle.
        except Exception as error:
            raise DataError(f"cannot read the shard {self.name}: {first_line(error)}") from error
        kept = self.kept + content
        self.kept = kept[-2 * tarfile.RECORDSIZE :]
        self.at += len(content)
        return content

    def block(self, offset: int) -> bytes:
        """The block at an offset that was read lately, or what there is of it."""
        start = offset - (self.at - len(self.kept))
        return self.kept[start : start + BLOCK]


def _split_name(name: str) -> tuple[str, str] | None:
    """The key and the ending of a member; None for one that says nothing."""
    path = PurePosixPath(name)
    if path.name.startswith(".") or any(part.startswith("__MACOSX") for part in path.parts):
        return None
    stem, _, ending = path.name.partition(".")
    ending = ending.casefold()
    if ending not in (*ENDINGS, "cls", "json"):
        return None
    return (path.parent / stem).as_posix(), ending


def _sample(shard: str, key: str, members: Mapping[str, bytes | None]) -> Sample:
    found = [ending for ending in members if ending in ENDINGS]
    if len(found) > 1:
        raise DataError(f"expected one image a key in {shard}, got {' and '.join(found)} for {key!r}; rename one")
    label, attributes = None, dict[str, float]()
    if "json" in members:
        label, attributes = _read_json(shard, key, members["json"] or b"")
    if "cls" in members:
        label = _read_class(shard, key, members["cls"] or b"")
    content = members[found[0]] if found else b""
    reason = "" if found else f"expected an image beside {key} in {shard}, got none"
    if content is None:
        reason = f"expected an image file of at most {MOST_IMAGE_BYTES >> 20} MiB for {key} in {shard}, got more"
    return Sample(key, content or b"", reason, label, attributes)


def _read_class(shard: str, key: str, content: bytes) -> int:
    try:
        return int(content.decode("ascii").strip())
    except ValueError:
        raise DataError(f"{shard}: expected a whole number in {key}.cls, got {content[:40]!r}") from None


def _read_json(shard: str, key: str, content: bytes) -> tuple[int | str | None, dict[str, float]]:
    where = f"{shard}: {key}.json"
    try:
        said: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON: {first_line(error)}") from error
    if not isinstance(said, dict):
        raise DataError(f"{where}: expected an object of names and values, got {type(said).__name__}")
    label: int | str | None = None
    attributes: dict[str, float] = {}
    for name, value in said.items():
        if name.casefold() in LABEL_COLUMNS:
            if value is not None and type(value) not in (int, str):
                raise DataError(f"{where}: expected a number or a name as {name}, got {value!r:.40}")
            label = value
        elif value is None or isinstance(value, int | float):
            try:
                number = math.nan if value is None else float(value)
            except OverflowError:
                number = math.inf
            if math.isinf(number):
                raise DataError(f"{where}: expected a finite number as {name}, got {value!r:.40}")
            attributes[plain_name(name)] = number
    return label, attributes
