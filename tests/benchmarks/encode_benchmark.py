"""Encoding JPEGs beside what decoding and the encoder alone would allow: `python -m tests.benchmarks.encode_benchmark`.

40,000 JPEGs of 178×218 pixels (2,000 drawn faces under twenty names each) to 64×64, through an encoder of 1.4 million
parameters, as in the measurements that the design rests on. The bound is that of one process on each core which
decodes and then encodes, 1 / (1/decode + 1/forward) a core: each does nothing but the one, and then nothing but the
other, at the same time as the others, since cores that share caches and memory are slower together. What one of them
does while the others rest is told as well. All of it is measured just before and after, in processes that keep the
memory that they free, as workers do: without that they encode at two thirds of the speed, or not, by what they did
before. The start of processes (imports of torch) is told apart: it does not grow with the number of images. Ray is
held against the local engine without the start and the end of Ray's own processes, which a cluster has behind it; the
whole command has them in it. Memory is that of all processes together, each shared page counted once.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image

from latentlab import load, load_data
from latentlab.checkpoints import write_checkpoint
from latentlab.codec import ImageSpec
from latentlab.data.stream import stream_data
from latentlab.latents.encode import posterior_of
from latentlab.runtime import keep_memory
from latentlab.training import build_recipe
from tests.benchmarks.figure import say
from tests.benchmarks.memory import command
from tests.benchmarks.photographs import linked_images

COUNT, DISTINCT, SAMPLE = 40_000, 2_000, 2_048
# Images of each process before the clock starts: libraries are loaded, and kernels chosen, at the first ones.
WARM = 512
SPEC = ImageSpec(3, 64, 64)
NETWORK = {"kind": "conv", "channels": [32, 64, 128, 256], "hidden": 256}
LATENT = 128
ROUNDS = 3
# What one thread encodes fastest, of 24 to 256 at a time.
FLOOR_ROWS = 48
MEMORY_GB, BOUND, RAY_BOUND = 1.5, 0.9, 0.7


def make_images(folder: Path, count: int) -> Path:
    """JPEGs of the size of aligned photographs, with the grain of a camera."""
    drawn = load_data("faces", split="train", count=min(DISTINCT, count))
    rng = np.random.default_rng(0)

    def photograph(pixels: np.ndarray) -> Image.Image:
        large = Image.fromarray(pixels.transpose(1, 2, 0)).resize((178, 218), Image.Resampling.BICUBIC)
        grain = np.asarray(large, np.int16) + rng.integers(-6, 7, (218, 178, 1), dtype=np.int16)
        return Image.fromarray(grain.clip(0, 255).astype(np.uint8))

    return linked_images(folder, count, map(photograph, drawn.pixels))


def make_model(path: Path) -> int:
    """A checkpoint with random weights, and the parameters of its encoder."""
    torch.manual_seed(0)
    table = {
        "name": "x", "data": {"source": "faces"}, "training": {"epochs": 1},
        "model": {"family": "vae", "latent": LATENT, "network": NETWORK},
    }  # fmt: skip
    model = build_recipe(table, "benchmark").for_images(SPEC).model.build().eval()
    write_checkpoint(path, model, {})
    return sum(weight.numel() for weight in model.encoder.parameters())


def wait_for(barrier: Barrier) -> None:
    """Begin a process of the bound."""
    keep_memory()
    wait_for.barrier = barrier  # type: ignore[attr-defined]


def bound_of_core(images: Path, checkpoint: Path, together: bool) -> tuple[float, float]:
    """Images a second that one thread decodes, and that it encodes, at the same time as other processes or alone."""
    model = load(checkpoint, "cpu").codec
    piece = stream_data(f"folder:{images}", image=SPEC, rows=SAMPLE, split="all").pieces[0]
    torch.set_num_threads(1)
    next(piece.read(FLOOR_ROWS, 1))

    def begin() -> float:
        if together:
            wait_for.barrier.wait()  # type: ignore[attr-defined]
        return time.perf_counter()

    began = begin()
    blocks = list(piece.read(FLOOR_ROWS, 1))
    decode = SAMPLE / (time.perf_counter() - began)
    batches = [torch.from_numpy(block.images) for block in blocks]
    with torch.inference_mode():
        posterior_of(model, batches[0], True)
        began = begin()
        for batch in batches:
            posterior_of(model, batch, True)
        forward = SAMPLE / (time.perf_counter() - began)
    return decode, forward


@dataclass
class Bound:
    """What processes that wait from one measurement to the next decode and encode."""

    pool: ProcessPoolExecutor
    images: Path
    checkpoint: Path
    cores: int

    def measure(self) -> dict[str, float]:
        """Images a second: of all cores at once, of each then, and of so many cores as one does alone."""
        asked = [self.pool.submit(bound_of_core, self.images, self.checkpoint, True) for _ in range(self.cores)]
        decode, forward = (
            statistics.harmonic_mean(rates) for rates in zip(*(one.result() for one in asked), strict=True)
        )
        alone = self.pool.submit(bound_of_core, self.images, self.checkpoint, False).result()
        return {
            "decode": decode, "forward": forward, "bound": self.cores / (1 / decode + 1 / forward),
            "alone": self.cores / sum(1 / rate for rate in alone),
        }  # fmt: skip


def encoded(images: Path, model: Path, table: Path, engine: str = "local") -> tuple[float, float]:
    """Seconds of an encoding in this process, and images a second once every process is at work."""
    told: list[tuple[float, int]] = []
    began = time.perf_counter()
    load(model, "cpu").encode_source(
        f"folder:{images}", table, engine=engine,
        progress=lambda task, done, total, note="": told.append((time.perf_counter(), done)),
    )  # fmt: skip
    seconds = time.perf_counter() - began
    cores = os.cpu_count() or 1
    begun, before = next((moment, done) for moment, done in told if done >= cores * WARM)
    return seconds, (told[-1][1] - before) / (told[-1][0] - begun)


@contextlib.contextmanager
def watched(module: Any, *names: str) -> Iterator[list[float]]:
    """The seconds that some functions of a module take."""
    spent: list[float] = []

    def timed(work: Callable[..., object]) -> Callable[..., object]:
        def run(*words: object, **named: object) -> object:
            began = time.perf_counter()
            try:
                return work(*words, **named)
            finally:
                spent.append(time.perf_counter() - began)

        return run

    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(patch.object(module, name, timed(getattr(module, name))))
        yield spent


def by_ray(images: Path, model: Path, table: Path) -> tuple[float, float]:
    """Seconds of an encoding by Ray without Ray's own start and end, and the seconds of these."""
    import ray

    with watched(ray, "init", "shutdown") as spent:
        seconds, _ = encoded(images, model, table, "ray")
    return seconds - sum(spent), sum(spent)


def main() -> None:
    """Print what each alone allows, and what encoding reaches."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--ray", action=argparse.BooleanOptionalAction, default=True)
    asked = parser.parse_args()
    cores = os.cpu_count() or 1
    engines = ["local", *(["ray"] if importlib.util.find_spec("ray") and asked.ray else [])]
    with tempfile.TemporaryDirectory() as kept, contextlib.ExitStack() as kept_open:
        home = Path(kept)
        images = make_images(home / "images", asked.count)
        checkpoint = home / "model.safetensors"
        parameters = make_model(checkpoint)
        turns: list[dict[str, float]] = []
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(cores, context, wait_for, (context.Barrier(cores),))
        bound = Bound(kept_open.enter_context(pool), images, checkpoint, cores)
        bound.measure()
        for turn in range(asked.rounds):
            before = bound.measure()
            seconds, rate = encoded(images, checkpoint, home / f"here-{turn}")
            after = bound.measure()
            found = {name: statistics.mean((before[name], after[name])) for name in before} | {"rate": rate}
            found["local"] = asked.count / seconds
            if "ray" in engines:
                seconds, found["ray alone"] = by_ray(images, checkpoint, home / f"here-ray-{turn}")
                found["ray"] = asked.count / seconds
            for engine in engines:
                seconds, peak = command(
                    "encode", f"folder:{images}", "--model", str(checkpoint),
                    "--out", str(home / f"{engine}-{turn}"), "--engine", engine,
                )  # fmt: skip
                found |= {f"{engine} command": asked.count / seconds, f"{engine} memory": peak}
            turns.append(found)

    def middle(name: str, per: str = "") -> float:
        return statistics.median(turn[name] / (turn[per] if per else 1) for turn in turns)

    say("decoding and resizing a JPEG of 178×218 to 64×64, each core", f"{middle('decode'):,.0f} images/s")
    say(f"an encoder of {parameters / 1e6:.1f} M parameters, each core", f"{middle('forward'):,.0f} images/s")
    say(
        f"encoding {asked.count:,} such JPEGs, once all processes are at work", f"{middle('rate'):,.0f} images/s",
        f"{cores} cores that only decode and encode: {middle('bound'):,.0f} images/s",
        ratio=middle("rate", "bound"), at_least=BOUND,
    )  # fmt: skip
    say(
        "the same", f"{middle('rate'):,.0f} images/s",
        f"{cores} × one core while the others rest: {middle('alone'):,.0f} images/s", ratio=middle("rate", "alone"),
    )  # fmt: skip
    say(f"the whole command, start included: {asked.count:,} images", f"{middle('local command'):,.0f} images/s")
    peak = max(turn["local memory"] for turn in turns)
    say("its memory, all processes together", f"{peak:.2f} GB", value=peak, at_most=MEMORY_GB, unit=" GB")
    if "ray" not in engines:
        print("without Ray: it is not installed, or left out")
        return
    say(
        f"the same {asked.count:,} by the tasks of Ray, whose own start and end take {middle('ray alone'):.1f} s more",
        f"{middle('ray'):,.0f} images/s", f"local: {middle('local'):,.0f} images/s",
        ratio=middle("ray", "local"), at_least=RAY_BOUND,
    )  # fmt: skip
    say(
        "the whole command with `--engine ray`", f"{middle('ray command'):,.0f} images/s",
        f"local: {middle('local command'):,.0f} images/s", ratio=middle("ray command", "local command"),
    )  # fmt: skip
    peak = max(turn["ray memory"] for turn in turns)
    say("its memory, Ray's own processes included", f"{peak:.2f} GB", value=peak, at_most=MEMORY_GB, unit=" GB")


if __name__ == "__main__":
    main()
