"""A table of 1,000,000 × 128 latents with 40 attributes: `python -m tests.benchmarks.store_benchmark [--rows N]`.

Written in parts as `encode` writes them, and then opened, read in part and whole, and checked. Warm: the files are in
the system's cache. The floor of reading everything is np.fromfile of the same numbers.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from latentlab.codec import Block
from latentlab.latents.store import Manifest, TablePlan, open_latents
from latentlab.latents.store.manifest import write_manifest
from latentlab.latents.store.place import Place
from latentlab.latents.store.room import part_rows
from latentlab.latents.store.write import write_part
from latentlab.latents.table import Latents
from tests.benchmarks.figure import say

ROWS, SIZE, ATTRIBUTES = 1_000_000, 128, 40
RUNS = 7
OPEN_MS, GATHER_MS = 50, 20


def write(place: Place, rows: int) -> float:
    """Write the table; returns the seconds that writing alone took."""
    names = tuple(f"a{number}" for number in range(ATTRIBUTES))
    step = part_rows(rows, SIZE)
    plan = TablePlan(
        model="x", checkpoint="", preprocessing="", blocks=(Block("z", (SIZE,)),), source="x", split="all",
        attributes=names, posterior=False, pieces=-(-rows // step),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    parts, seconds = [], 0.0
    for number, start in enumerate(range(0, rows, step)):
        count = min(step, rows - start)
        labels = (rng.random((count, ATTRIBUTES), dtype=np.float32) < 0.3).astype(np.float32)
        latents = Latents(
            rng.normal(size=(count, SIZE)).astype(np.float32),
            None,
            np.array([f"image/{row:09d}.jpg" for row in range(start, start + count)]),
            split="all",
            attributes=dict(zip(names, np.ascontiguousarray(labels.T), strict=True)),
        )
        began = time.perf_counter()
        parts.append(write_part(place, plan, number, latents, "x"))
        seconds += time.perf_counter() - began
    write_manifest(place, Manifest(plan, tuple(parts)))
    return seconds


def median(work: Callable[[], object]) -> float:
    """Median seconds of some runs, after one that does not count."""
    work()
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Print a line a figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    rows = parser.parse_args().rows
    shape = f"{rows:,} × {SIZE}"
    with tempfile.TemporaryDirectory() as folder:
        place, raw = Place(f"{folder}/table"), Path(folder) / "raw"
        seconds = write(place, rows)
        table = open_latents(place.url)
        with open(raw, "wb") as file:
            for block in table.means():
                file.write(block.tobytes())
        gigabytes = sum(part.bytes for part in table.manifest.parts) / 1e9
        say(f"writing {shape} latents with {ATTRIBUTES} attributes, their sums and checksums", f"{seconds:.1f} s",
            f"{gigabytes:.2f} GB")  # fmt: skip
        opening = 1000 * median(lambda: open_latents(place.url).take([0]))
        say(
            "opening that table, and a first row of it", f"{opening:.1f} ms", value=opening, at_most=OPEN_MS, unit=" ms"
        )
        chosen = np.random.default_rng(1).integers(0, rows, 1000)
        gather = 1000 * median(lambda: table.take(chosen))
        say(
            "gathering 1,000 rows of it at random, warm",
            f"{gather:.1f} ms",
            value=gather,
            at_most=GATHER_MS,
            unit=" ms",
        )
        floor = median(lambda: np.fromfile(raw, np.float32))
        reading = median(lambda: [float(block.sum()) for block in table.means()])
        say(
            "adding up all of its means",
            f"{reading:.2f} s",
            f"np.fromfile of them: {floor:.2f} s",
            ratio=reading / floor,
        )
        summing = median(lambda: open_latents(place.url).summary.whole().covariance())
        say("its covariance, from the sidecars", f"{1000 * summing:.0f} ms")
        checking = median(table.verify)
        say("checking every byte of it", f"{checking:.2f} s", f"np.fromfile of its means: {floor:.2f} s",
            ratio=checking / floor)  # fmt: skip


if __name__ == "__main__":
    main()
