"""Names of files in order, of any number: as many as fit lie in memory, more on disk."""

from __future__ import annotations

import heapq
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from latentlab.errors import LatentlabError

# Names that are put in order at once: 25 MB of them.
RUN = 1 << 18
# Bytes of names that stay in memory.
HELD = 1 << 22
# One name in so many is looked up by its place; those between are read through.
STEP = 1 << 10
END = b"\0"


class Names:
    """Names that were written down in their order, to be read again from any place on.

    They lie in a file that has no name itself and goes with them, in the folder for temporary files (TMPDIR).

    Args:
        names: none of which holds a zero byte, as no name of a file does.
        on_disk: all of them, instead of those alone that are too many for memory.

    Raises:
        LatentlabError: when the disk of temporary files is full.
    """

    def __init__(self, names: Iterable[str], on_disk: bool = False) -> None:
        self._file = tempfile.SpooledTemporaryFile(HELD)  # noqa: SIM115
        weakref.finalize(self, self._file.close)
        self._count, self._places = 0, [0]
        names = iter(names)
        try:
            while some := list(islice(names, STEP)):
                text = b"".join(name.encode(errors="surrogateescape") + END for name in some)
                self._file.write(text)
                self._count += len(some)
                self._places.append(self._places[-1] + len(text))
            if on_disk:
                self._file.rollover()
            self._file.flush()
        except OSError as error:
            raise LatentlabError(
                f"cannot keep the names of {self._count:,} files in {tempfile.tempdir or 'a temporary folder'}: "
                f"{(error.strerror or str(error)).lower()}; make room there, or set TMPDIR to another folder"
            ) from error

    @classmethod
    def in_order(cls, names: Iterable[str]) -> Names:
        """Names in any order, put in order; some at a time, so that there may be any number of them."""
        names = iter(names)
        runs: list[Iterable[str]] = []
        while some := list(islice(names, RUN)):
            some.sort()
            # Few enough to be all of them, they are written down once.
            runs.append(some if len(some) < RUN and not runs else cls(some, on_disk=True))
        return cls(heapq.merge(*runs) if len(runs) > 1 else runs[0] if runs else ())

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        for start in range(0, self._count, STEP):
            yield from self.part(start, start + STEP)

    def part(self, start: int, stop: int) -> list[str]:
        """The names from one place up to another."""
        stop = min(stop, self._count)
        if start >= stop:
            return []
        first, last = start // STEP, -(-stop // STEP)
        self._file.seek(self._places[first])
        text = self._file.read(self._places[last] - self._places[first])
        names = text.decode(errors="surrogateescape").split("\0")
        return names[start - first * STEP : stop - first * STEP]

    def where(self, wanted: Callable[[str], bool]) -> Names:
        """Those of which something holds."""
        return Names(filter(wanted, self))

    def at(self, places: Iterable[int]) -> Names:
        """Those at some places, given in order."""
        return Names(self._at(places))

    def _at(self, places: Iterable[int]) -> Iterator[str]:
        start, held = 0, list[str]()
        for place in places:
            if place >= start + len(held):
                start = place - place % STEP
                held = self.part(start, start + STEP)
            yield held[place - start]
