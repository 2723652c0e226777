"""The neighbours of each of a million latents: `python -m tests.benchmarks.neighbours_benchmark`.

1,000,000 × 128 latents that lie on a bent sheet of 16 dimensions, as those of a model lie on few, adopted as a table;
then `latentlab neighbours @all --latents` as a command of its own. Beside it what all distances would take, by those of
500 latents. The second is noise of 128 dimensions, where nothing is near: the worst case of every index.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from latentlab.lab.given import adopt_latents
from latentlab.latents.nearest import nearest_rows
from latentlab.latents.nearest_many import nearest_of_many
from tests.benchmarks.figure import say
from tests.benchmarks.memory import command

ROWS, NOISE_ROWS, SIZE, DIMENSIONS, ASKED, NEIGHBOURS = 1_000_000, 120_000, 128, 16, 500, 12


def sheet(rows: int) -> np.ndarray:
    """Latents on a bent sheet, a little off it."""
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((DIMENSIONS, SIZE), dtype=np.float32) / 4
    z = np.tanh(rng.standard_normal((rows, DIMENSIONS), dtype=np.float32) @ weights)
    return z + 0.02 * rng.standard_normal((rows, SIZE), dtype=np.float32)


def exact(z: np.ndarray) -> float:
    """Seconds that all distances of one latent take, of many that are looked for together."""
    asked = z[np.random.default_rng(0).choice(len(z), ASKED, replace=False)]
    began = time.perf_counter()
    nearest_rows([z], asked, NEIGHBOURS + 1)
    return (time.perf_counter() - began) / ASKED


def share(recall: float | None, error: float | None) -> str:
    """A recall as it is written; few latents are compared with all others, and have none."""
    return "all" if recall is None else f"{recall:.3f} ± {error or 0:.3f}"


def main() -> None:
    """Print what both take, and the share that was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        z = sheet(rows)
        each = exact(z)
        np.save(home / "z.npy", z)
        del z
        adopt_latents(home / "z.npy", home / "table")
        words = ["--latents", str(home / "table"), "--out", str(home / "out"), "-k", str(NEIGHBOURS)]
        seconds, peak = command("neighbours", "@all", *words)
        scores = json.loads((home / "out" / "result.json").read_text())["scores"]
    what = f"`latentlab neighbours @all` of {rows:,} × {SIZE} latents, {NEIGHBOURS} of each"
    say(what, f"{seconds:.0f} s", f"all distances: {each * rows:,.0f} s", ratio=seconds / (each * rows))
    say("its recall", share(scores["recall"], scores["recall_error"]), value=scores["recall"], at_least=0.95)
    say("its memory", f"{peak:.2f} GB", f"the latents: {rows * SIZE * 4 / 1e9:.2f} GB")
    noise = np.random.default_rng(0).standard_normal((NOISE_ROWS, SIZE), dtype=np.float32)
    began = time.perf_counter()
    worst = nearest_of_many(noise, None, NEIGHBOURS)
    seconds = time.perf_counter() - began
    say(
        f"the same of {NOISE_ROWS:,} latents of noise, in the library: recall",
        f"{share(worst.recall, worst.recall_error)}, told; {seconds:.0f} s",
        f"all distances: {exact(noise) * NOISE_ROWS:,.0f} s",
    )


if __name__ == "__main__":
    main()
