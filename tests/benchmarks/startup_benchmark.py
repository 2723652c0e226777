"""How long commands take beside the imports that nobody can avoid: `python -m tests.benchmarks.startup_benchmark`.

Each pair is measured in turn, A B A B …, and the medians and their ratio are printed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time

from tests.benchmarks.figure import say

RUNS = 7
COMMAND = [sys.executable, "-m", "latentlab"]
PAIRS = [
    ("latentlab --help", [*COMMAND, "--help"], "import typer, rich", 1.5),
    ("latentlab morph 1 7", [*COMMAND, "morph", "1", "7"], "import torch", 1.8),
]


def seconds(command: list[str], folder: str) -> float:
    """Wall-clock seconds of a whole process, run in `folder`."""
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Print a line a pair."""
    with tempfile.TemporaryDirectory() as folder:
        for name, command, floor, bound in PAIRS:
            floor_command = [sys.executable, "-c", floor]
            seconds(command, folder), seconds(floor_command, folder)
            times = [(seconds(command, folder), seconds(floor_command, folder)) for _ in range(RUNS)]
            ours = statistics.median(a for a, _ in times)
            theirs = statistics.median(b for _, b in times)
            ratio = statistics.median(a / b for a, b in times)
            say(f"`{name}`", f"{ours:.2f} s", f"`{floor}`: {theirs:.2f} s", ratio=ratio, at_most=bound)


if __name__ == "__main__":
    main()
