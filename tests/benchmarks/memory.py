"""The memory of a command and of every process that it starts."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

# Seconds between two looks at what is a process's own, and at the files that it has mapped: libraries, for the most.
OFTEN, SELDOM = 0.2, 3.0


class Memory(threading.Thread):
    """The peak of the memory of a process and all that it starts, in bytes.

    A page of a file that several of them map counts once. The system's own proportional figure (PSS) would be
    too small: of the pages of a library it gives a share to every process of the machine that has the library
    too, such as a benchmark that has imported torch.
    """

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self.process, self.ended = process, threading.Event()
        self._own, self._mapped = 0, 0

    @property
    def peak(self) -> int:
        """The most that was its processes' own, and the most that they had mapped."""
        return self._own + self._mapped

    def run(self) -> None:
        looked = 0.0
        while not self.ended.wait(OFTEN):
            family = self._family()
            self._own = max(self._own, sum(map(own_bytes, family)))
            if time.monotonic() - looked >= SELDOM:
                self._mapped = max(self._mapped, mapped_bytes(family))
                looked = time.monotonic()

    def _family(self) -> list[int]:
        found, open_ = [], [self.process]
        while open_:
            number = open_.pop()
            found.append(number)
            children = lines_of(Path(f"/proc/{number}/task/{number}/children"))
            open_ += [int(word) for line in children for word in line.split()]
        return found


def own_bytes(process: int) -> int:
    """What a process has of its own, and its share of what it shares by no file."""
    lines = lines_of(Path(f"/proc/{process}/smaps_rollup"))
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))


def mapped_bytes(processes: Sequence[int]) -> int:
    """The pages of files that processes have in memory, each once: of a piece of a file that several map, the most."""
    pieces: dict[tuple[str, ...], int] = {}
    for process in processes:
        piece: tuple[str, ...] | None = None
        resident = 0
        for line in lines_of(Path(f"/proc/{process}/smaps")):
            name, _, rest = line.partition(" ")
            if not name.endswith(":"):
                # A mapping begins: its addresses, rights, offset, device, inode and path; 0 is no file.
                fields = rest.split(None, 4)
                piece = (fields[1], fields[2], fields[3]) if fields[3] != "0" else None
            elif name == "Rss:":
                resident = int(rest.split()[0])
            elif name == "Anonymous:" and piece is not None:
                pieces[piece] = max(pieces.get(piece, 0), 1024 * (resident - int(rest.split()[0])))
    return sum(pieces.values())


def lines_of(path: Path) -> list[str]:
    """The lines of a file of the system; none when its process has ended."""
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def command(*words: str) -> tuple[float, float]:
    """Seconds of a command of latentlab, and gigabytes at its peak."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "latentlab", *words, "--quiet"], stdout=subprocess.DEVNULL)
    memory = Memory(process.pid)
    memory.start()
    assert process.wait() == 0
    memory.ended.set()
    return time.perf_counter() - began, memory.peak / 1e9
