"""The memory of a command and of every process that it starts."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path


class Memory(threading.Thread):
    """The peak of the memory of a process and all that it starts, in bytes."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self.process, self.peak, self.ended = process, 0, threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.2):
            self.peak = max(self.peak, sum(self._pss(number) for number in self._family()))

    def _family(self) -> list[int]:
        found, open_ = [], [self.process]
        while open_:
            number = open_.pop()
            found.append(number)
            try:
                open_ += [int(word) for word in Path(f"/proc/{number}/task/{number}/children").read_text().split()]
            except OSError:
                continue
        return found

    @staticmethod
    def _pss(number: int) -> int:
        try:
            lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
        except OSError:
            return 0
        return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def command(*words: str) -> tuple[float, float]:
    """Seconds of a command of latentlab, and gigabytes at its peak."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "latentlab", *words, "--quiet"], stdout=subprocess.DEVNULL)
    memory = Memory(process.pid)
    memory.start()
    assert process.wait() == 0
    memory.ended.set()
    return time.perf_counter() - began, memory.peak / 1e9
