"""Encoding JPEGs beside what decoding and the encoder alone would allow: `python -m tests.benchmarks.encode_benchmark`.

40,000 JPEGs of 178×218 pixels (2,000 drawn faces under twenty names each) to 64×64, through an encoder of 1.4 million
parameters, as in the measurements that the design rests on. The bound is that of one thread on each core which decodes
and then encodes, 1 / (1/decode + 1/forward) a core, both measured alone in this process just before and after. The
start of processes (imports of torch) is told apart: it does not grow with the number of images. Ray is held against the
local engine without the start and the end of Ray's own processes, which a cluster has behind it; the whole command has
them in it. Memory is that of all processes together, each shared page counted once (PSS).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
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


def make_model(path: Path) -> tuple[torch.nn.Module, int]:
    """A checkpoint with random weights, and the parameters of its encoder."""
    torch.manual_seed(0)
    table = {
        "name": "x", "data": {"source": "faces"}, "training": {"epochs": 1},
        "model": {"family": "vae", "latent": LATENT, "network": NETWORK},
    }  # fmt: skip
    model = build_recipe(table, "benchmark").for_images(SPEC).model.build().eval()
    write_checkpoint(path, model, {})
    return model, sum(weight.numel() for weight in model.encoder.parameters())


def alone(images: Path, model: torch.nn.Module) -> tuple[float, float]:
    """Images a second of one thread that only decodes, and of one that only encodes."""
    piece = stream_data(f"folder:{images}", image=SPEC, rows=SAMPLE, split="all").pieces[0]
    began = time.perf_counter()
    blocks = list(piece.read(FLOOR_ROWS, 1))
    decode = SAMPLE / (time.perf_counter() - began)
    batches = [torch.from_numpy(block.images) for block in blocks]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode():
        posterior_of(model, batches[0], True)
        began = time.perf_counter()
        for batch in batches:
            posterior_of(model, batch, True)
        forward = SAMPLE / (time.perf_counter() - began)
    torch.set_num_threads(threads)
    return decode, forward


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
    with tempfile.TemporaryDirectory() as kept:
        home = Path(kept)
        images = make_images(home / "images", asked.count)
        model, parameters = make_model(home / "model.safetensors")
        checkpoint = home / "model.safetensors"
        turns: list[dict[str, float]] = []
        for turn in range(asked.rounds):
            before = alone(images, model)
            seconds, rate = encoded(images, checkpoint, home / f"here-{turn}")
            decode, forward = (statistics.mean(pair) for pair in zip(before, alone(images, model), strict=True))
            found = {"decode": decode, "forward": forward, "bound": cores / (1 / decode + 1 / forward), "rate": rate}
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

    say("decoding and resizing a JPEG of 178×218 to 64×64, one thread", f"{middle('decode'):,.0f} images/s")
    say(f"an encoder of {parameters / 1e6:.1f} M parameters, one thread", f"{middle('forward'):,.0f} images/s")
    say(
        f"encoding {asked.count:,} such JPEGs, once all processes are at work", f"{middle('rate'):,.0f} images/s",
        f"{cores} threads that only decode and encode: {middle('bound'):,.0f} images/s",
        ratio=middle("rate", "bound"), at_least=BOUND,
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
