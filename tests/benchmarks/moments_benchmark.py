"""One pass over 200,000 × 128 latents with 40 labels beside one copy: `python tests/benchmarks/moments_benchmark.py`.

Both are measured in turn, A B A B …, and the medians and their ratio are printed: of wall-clock time, which is what
counts, and of processor time, which is what is left of it on a machine that is busy with something else.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from latentlab.latents.moments import Moments

ROWS, SIZE, LABELS = 200_000, 128, 40
RUNS = 7
BOUND = 3.0


def main() -> None:
    """Print the seconds of a pass and of a copy, and their ratio."""
    generator = np.random.default_rng(0)
    labels = (generator.random((ROWS, LABELS), dtype=np.float32) < 0.3).astype(np.float32)
    z = generator.normal(size=(ROWS, SIZE)).astype(np.float32)

    def copied() -> None:
        z.copy(), labels.copy()

    def passed() -> None:
        moments = Moments(SIZE, LABELS).add(z, labels)
        moments.mean_differences(), moments.regression(), moments.covariance()

    def seconds(work: Callable[[], None]) -> tuple[float, float]:
        started = time.perf_counter(), time.process_time()
        work()
        return time.perf_counter() - started[0], time.process_time() - started[1]

    seconds(copied), seconds(passed)
    times = [(seconds(passed), seconds(copied)) for _ in range(RUNS)]
    print(f"means, regression and covariance of {ROWS:,} × {SIZE} latents with {LABELS} labels in one pass")
    for kind, name in enumerate(("wall clock", "processor")):
        ours = statistics.median(a[kind] for a, _ in times)
        theirs = statistics.median(b[kind] for _, b in times)
        ratio = statistics.median(a[kind] / b[kind] for a, b in times)
        print(f"{name}: {ours:.3f} s; one copy: {theirs:.3f} s; ratio {ratio:.2f} (at most {BOUND:g})")


if __name__ == "__main__":
    main()
