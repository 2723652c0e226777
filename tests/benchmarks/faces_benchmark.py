"""How many faces a second are drawn: `python -m tests.benchmarks.faces_benchmark [count]`."""

from __future__ import annotations

import sys
import time

from latentlab.data import load_data
from tests.benchmarks.figure import say


def main(count: int) -> None:
    load_data("faces", count=64)
    for nuisance in (0.0, 1.0):
        start = time.perf_counter()
        load_data("faces", split="train", count=count, nuisance=nuisance)
        rate = count / (time.perf_counter() - start)
        least = None if nuisance else 2000
        what = f"`faces` drawn{', with every disturbance of a photograph' if nuisance else ''}"
        say(what, f"{rate:,.0f} images/s", value=rate, at_least=least, unit=" images/s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4_096)
