"""Where the files of a table lie: a folder, or a prefix in an object store that fsspec knows."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from latentlab.errors import FileFormatError, LatentlabError, UsageError, first_line
from latentlab.files import is_temporary, writing

if TYPE_CHECKING:
    import pyarrow as pa

LOCK = ".lock"


@dataclass(frozen=True)
class Place:
    """A folder of files that are written whole and read by name.

    Small and picklable: worker processes and tasks on other machines get one. Object stores put a file whole or not at
    all; in a folder it is written beside its place, flushed and renamed.

    Args:
        url: a path, or a URL such as `s3://bucket/latents`.
    """

    url: str

    def __post_init__(self) -> None:
        if not self.is_remote:
            # Workers may run elsewhere.
            object.__setattr__(self, "url", str(Path(self.url.removeprefix("file://")).expanduser().absolute()))

    @property
    def is_remote(self) -> bool:
        """Whether it is none of this machine's folders."""
        return "://" in self.url and not self.url.startswith("file://")

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.url)

    @cached_property
    def _store(self) -> tuple[Any, str]:
        import fsspec

        try:
            return fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError, OSError) as error:
            raise UsageError(
                f"expected a folder or a URL that fsspec can open, got {self.url!r} ({first_line(error)})"
            ) from error

    def __getstate__(self) -> dict[str, str]:
        return {"url": self.url}

    def names(self) -> set[str]:
        """The files that are there; none where there is no such place yet."""
        if not self.is_remote:
            try:
                return {entry.name for entry in os.scandir(self.path) if entry.is_file()}
            except FileNotFoundError:
                return set()
            except NotADirectoryError as error:
                raise FileFormatError(f"expected the folder of a table, got the file {self.url}") from error
        store, root = self._store
        store.invalidate_cache(root)
        try:
            return {str(name).rsplit("/", 1)[-1] for name in store.ls(root, detail=False)}
        except FileNotFoundError:
            return set()

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all.

        Raises:
            LatentlabError: when it cannot be written.
        """
        with self.writing(name) as file:
            file.write(content)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """A file to write to, whole or not there at the end; of an object store, in memory until then.

        Raises:
            LatentlabError: when it cannot be written.
        """
        if not self.is_remote:
            with writing(self.path / name) as local:
                yield local
            return
        content = io.BytesIO()
        yield content
        store, root = self._store
        try:
            store.pipe_file(f"{root}/{name}", content.getvalue())
        except Exception as error:
            raise LatentlabError(f"cannot write {self.url}/{name}: {first_line(error)}") from error

    def read(self, name: str) -> bytes:
        """Read a file.

        Raises:
            FileFormatError: when it is not there, or cannot be read.
        """
        try:
            if not self.is_remote:
                return (self.path / name).read_bytes()
            store, root = self._store
            return store.cat_file(f"{root}/{name}")
        except OSError as error:
            raise FileFormatError(f"cannot read {self.url}/{name}: {error.strerror or first_line(error)}") from error

    def buffer(self, name: str) -> pa.Buffer:
        """A file as memory: mapped where it is one of this machine's, else fetched.

        Raises:
            FileFormatError: when it is not there, or cannot be read.
        """
        import pyarrow as pa

        if self.is_remote:
            return pa.py_buffer(self.read(name))
        try:
            with pa.memory_map(str(self.path / name)) as mapped:
                return mapped.read_buffer()
        except (OSError, pa.ArrowInvalid) as error:
            raise FileFormatError(f"cannot read {self.url}/{name}: {first_line(error)}") from error

    def size(self, name: str) -> int:
        """The bytes of a file; −1 where it is not there."""
        try:
            if not self.is_remote:
                return (self.path / name).stat().st_size
            store, root = self._store
            return int(store.size(f"{root}/{name}"))
        except OSError:
            return -1

    def remove(self, name: str) -> None:
        """Take a file away, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            if not self.is_remote:
                (self.path / name).unlink()
                return
            store, root = self._store
            store.rm_file(f"{root}/{name}")

    def sweep(self) -> None:
        """Take away what writers that were killed had begun; for whoever holds the place alone."""
        if not self.is_remote:
            for name in self.names():
                if is_temporary(name):
                    self.remove(name)

    def free_bytes(self) -> int | None:
        """The room that is left on the disk; None where nobody can tell."""
        if self.is_remote:
            return None
        there = next(place for place in (self.path, *self.path.parents) if place.exists())
        return shutil.disk_usage(there).free

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the place for one writer; the system lets go when the process ends, however it ends.

        Object stores have no such lock: two writers of one plan write the same there, and of two plans the one that is
        overwritten finds out before its manifest.

        Raises:
            LatentlabError: when somebody else holds it.
        """
        if self.is_remote or os.name != "posix":
            yield
            return
        import fcntl

        from latentlab.files import cannot_write

        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        # The file stays: taken away, two processes could hold a lock on two files of its name.
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise LatentlabError(
                    f"expected nobody to be writing into {self.url}, got another process that is; wait for it, or "
                    "choose another --out"
                ) from error
            yield
        finally:
            os.close(handle)
