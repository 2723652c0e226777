"""A map of a million latents that no image and no model belongs to: `python -m tests.benchmarks.large_map_benchmark`.

1,000,000 × 128 latents in ten clusters, adopted as a table, then `latentlab map --latents` as a command of its own:
50,000 are fitted, the others placed. Beside it the map of those 50,000 alone; memory is that of all its processes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from latentlab.lab.given import adopt_latents
from latentlab.maps.large import FIT
from tests.benchmarks.figure import say
from tests.benchmarks.memory import command

ROWS, SIZE, CLUSTERS = 1_000_000, 128, 10


def write(path: Path, rows: int) -> None:
    """Latents about ten middles, with their numbers as labels, of which most directions are noise."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLUSTERS, rows)
    z = rng.standard_normal((rows, SIZE), dtype=np.float32)
    z += rng.normal(0, 0.25, (CLUSTERS, SIZE)).astype(np.float32)[labels]
    np.savez(path, latents=z, labels=labels)


def mapped(table: Path, out: Path) -> tuple[float, float, dict[str, float]]:
    """Seconds, gigabytes at the peak, and scores."""
    seconds, peak = command("map", "--latents", str(table), "--out", str(out))
    return seconds, peak, json.loads((out / "result.json").read_text())["scores"]


def main() -> None:
    """Print what both take."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        times = {}
        for count in sorted({min(rows, FIT), rows}):
            write(home / f"{count}.npz", count)
            adopt_latents(home / f"{count}.npz", home / f"{count}")
            (home / f"{count}.npz").unlink()
            times[count] = mapped(home / f"{count}", home / f"map-{count}")
    (few, _, _), (seconds, memory, scores) = times[min(rows, FIT)], times[rows]
    what = f"`latentlab map` of {rows:,} × {SIZE} latents, {min(rows, FIT):,} of them fitted"
    say(what, f"{seconds:.0f} s", f"of those {min(rows, FIT):,} alone: {few:.0f} s", ratio=seconds / few)
    say("its memory", f"{memory:.2f} GB", f"the latents: {4e-9 * rows * SIZE:.2f} GB")
    if "placed_label_hit" in scores:
        say("its label hit of points that were placed", f"{scores['placed_label_hit']:.3f}",
            f"of those that were fitted: {scores['fitted_label_hit']:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
