"""How many faces a second are drawn: `python tests/benchmarks/faces_benchmark.py [count]`."""

from __future__ import annotations

import sys
import time

from latentlab.data import load_data


def main(count: int) -> None:
    load_data("faces", count=64)
    for nuisance in (0.0, 1.0):
        start = time.perf_counter()
        load_data("faces", split="train", count=count, nuisance=nuisance)
        print(f"nuisance {nuisance:g}: {count / (time.perf_counter() - start):.0f} images/s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4_096)
