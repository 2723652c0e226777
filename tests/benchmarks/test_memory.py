"""What benchmarks say of memory: what is a process's own, and files that several map once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.benchmarks.memory import Memory, mapped_bytes, own_bytes

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the system tells nothing of it")

MB = 1_000_000
# Maps a file, reads all of it, has so many bytes of its own, says so, and waits to be ended.
HOLD = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
total = sum(mapped[at] for at in range(0, len(mapped), 4096))
own = bytearray(b"x") * int(sys.argv[2])
print("ready", flush=True)
sys.stdin.read()
"""
# Starts two of them.
TWO = """
import subprocess, sys
pair = [subprocess.Popen([sys.executable, *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in "ab"]
for one in pair:
    one.stdout.readline()
print("ready", flush=True)
sys.stdin.read()
for one in pair:
    one.communicate()
"""


def test_files_count_once_and_what_is_a_process_s_own_each_time(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(50 * MB))
    (tmp_path / "hold.py").write_text(HOLD)
    words = [str(tmp_path / "hold.py"), str(file), str(30 * MB)]
    # One that is not of the family has the file too: it takes nothing off.
    with (
        subprocess.Popen([sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stranger,
        subprocess.Popen([sys.executable, "-c", TWO, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as family,
    ):
        assert stranger.stdout is not None and family.stdout is not None
        assert stranger.stdout.readline() and family.stdout.readline()
        memory = Memory(family.pid)
        memory.start()
        time.sleep(1.0)
        memory.ended.set()
        memory.join()
        pids = memory._family()
        assert len(pids) == 3
        plain = own_bytes(family.pid), mapped_bytes([family.pid])
        assert sum(map(own_bytes, pids)) == pytest.approx(60 * MB + 3 * plain[0], abs=8 * MB)
        assert mapped_bytes(pids) == pytest.approx(50 * MB + plain[1], abs=5 * MB)
        assert memory.peak == pytest.approx(sum(map(own_bytes, pids)) + mapped_bytes(pids), abs=2 * MB)
        stranger.communicate()
        family.communicate()
