"""One pass over latents beside one reading of them: `python -m tests.benchmarks.moments_benchmark`.

1,000,000 × 128 latents with 40 labels, summed as `encode` sums them, beside np.fromfile of the same latents from the
system's cache; 200,000 of them beside a copy in memory; and how exact sums are of latents far from zero. What is
compared is measured in turn, A B A B …, and the fastest of each counts: what a reading takes swings by a factor of two
with the state of the system's memory, and its best is the floor that flatters nobody.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from latentlab.latents.moments import Moments
from latentlab.latents.summary import Summary
from latentlab.latents.table import Latents
from tests.benchmarks.figure import say

ROWS, SIZE, LABELS = 1_000_000, 128, 40
FEWER = 200_000
BLOCK = 65_536
RUNS = 9
BOUND, COPY_BOUND, ERROR = 2.5, 3.0, 1e-6


def in_turn(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """The fewest seconds of each of two pieces of work."""

    def seconds(work: Callable[[], object]) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    seconds(first), seconds(second)
    times = [(seconds(first), seconds(second)) for _ in range(RUNS)]
    return min(a for a, _ in times), min(b for _, b in times)


def main() -> None:
    """Print a line a figure."""
    generator = np.random.default_rng(0)
    z = generator.standard_normal((ROWS, SIZE), dtype=np.float32)
    labels = (generator.random((ROWS, LABELS), dtype=np.float32) < 0.3).astype(np.float32)

    def passed() -> None:
        moments = Moments(SIZE, LABELS).add(z, labels)
        moments.mean_differences(), moments.regression(), moments.covariance()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "latents"
        z.tofile(path)
        ours, floor = in_turn(passed, lambda: np.fromfile(path, np.float32))
    what = f"moments of {ROWS:,} × {SIZE} latents with {LABELS} labels, one pass"
    say(what, f"{ours:.2f} s", f"np.fromfile of them: {floor:.2f} s", ratio=ours / floor, at_most=BOUND)
    ids = np.arange(ROWS).astype(str)
    table = [
        Latents(z[rows], None, ids[rows], attributes={f"a{number}": labels[rows, number] for number in range(LABELS)})
        for rows in (slice(start, start + BLOCK) for start in range(0, ROWS, BLOCK))
    ]

    def summed() -> None:
        whole = Summary.of(table[0])
        for block in table:
            whole.merge(Summary.of(block).add(block))

    both, alone = in_turn(summed, passed)
    what = "the same as parts keep it: rows that find apart from rows that judge, by the hash of their ids"
    say(what, f"{both:.2f} s", f"moments alone: {alone:.2f} s", ratio=both / alone)
    few, some = z[:FEWER], labels[:FEWER]

    def once() -> None:
        moments = Moments(SIZE, LABELS).add(few, some)
        moments.mean_differences(), moments.regression(), moments.covariance()

    ours, floor = in_turn(once, lambda: (few.copy(), some.copy()))
    what = f"moments of {FEWER:,} of them, in memory"
    say(what, f"{ours:.3f} s", f"one copy: {floor:.3f} s", ratio=ours / floor, at_most=COPY_BOUND)
    far = (1000 + few).astype(np.float32)
    moments = Moments(SIZE, 0)
    for part in np.array_split(far, 7):
        moments.merge(Moments(SIZE, 0).add(part, np.zeros((len(part), 0), np.float32)))
    exact = np.cov(far.astype(np.float64).T, bias=True)
    error = float(np.linalg.norm(moments.raw_covariance() - exact) / np.linalg.norm(exact))
    say(
        "covariance at 1000 ± 1, put together from seven parts: relative error",
        f"{error:.1e}",
        value=error,
        at_most=ERROR,
    )


if __name__ == "__main__":
    main()
