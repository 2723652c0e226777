"""Opening somebody else's checkpoint beside `torch.load` of the same file: `python -m tests.benchmarks.open_benchmark`.

A small and a large state dict of an MLP, and an AutoencoderKL of 50 million parameters, all with random weights. Both
are measured in turn, A B A B …, the best of each counts, and imports do not. Large files are mapped and read when they
are used, so the same is measured again with every weight added up. Memory is the peak of a process of its own, over
what it had taken before it opened the file.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from latentlab.runs.run import open_run
from tests.benchmarks.figure import say
from tests.checkpoints.foreign.autoencoder_kl import draw_weights

RUNS = 5
# From this size on a ratio is asked for; below it, a difference in seconds.
LARGE = 100_000_000
RATIO, MORE_SECONDS, MEMORY_RATIO = 1.3, 0.05, 1.2
WIDTHS = {"an MLP": 1_550, "a wide MLP": 30_000}
# What is imported on the way is not counted: a small folder is opened first.
MEMORY = """
import re, sys
from latentlab.runs.run import open_run

# getrusage begins with the peak of the process that started this one.
def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])

def use(path):
    return sum(float(weight.sum()) for weight in open_run(path).checkpoint.model.parameters())

use(sys.argv[1])
before = peak()
use(sys.argv[2])
print(peak() - before)
"""


def best(first: Callable[[], Any], second: Callable[[], Any]) -> tuple[float, float]:
    """Wall-clock seconds of two pieces of work, each at its best, measured in turn."""

    def seconds(work: Callable[[], Any]) -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    seconds(first), seconds(second)
    times = [(seconds(first), seconds(second)) for _ in range(RUNS)]
    return min(a for a, _ in times), min(b for _, b in times)


def added(tensors: Any) -> float:
    """Reads every number."""
    return sum(float(tensor.sum()) for tensor in tensors)


def compare(name: str, path: Path, file: Path) -> None:
    """Print what opening a model costs, and torch.load of its file, and both with their weights read."""

    def loaded() -> dict[str, torch.Tensor]:
        return torch.load(file, map_location="cpu", weights_only=True)

    def opened() -> torch.nn.Module:
        return open_run(path).checkpoint.model

    size = file.stat().st_size
    for what, ours, theirs in (
        ("opened", *best(opened, loaded)),
        ("and read", *best(lambda: added(opened().parameters()), lambda: added(loaded().values()))),
    ):
        figures = f"{1000 * ours:.1f} ms", f"`torch.load`: {1000 * theirs:.1f} ms"
        if size >= LARGE:
            say(f"{name} of {size / 1e6:.0f} MB, {what}", *figures, ratio=ours / theirs, at_most=RATIO)
        else:
            more = 1000 * (ours - theirs)
            say(f"{name} of {size / 1e6:.0f} MB, {what}", *figures, value=more, at_most=1000 * MORE_SECONDS,
                unit=" ms more")  # fmt: skip


def mlp(width: int, path: Path) -> Path:
    """A state dict as that of the first example of PyTorch's own, of another width."""
    shapes = {"fc1": (width, 784), "fc21": (20, width), "fc22": (20, width), "fc3": (width, 20), "fc4": (784, width)}
    weights = {f"{name}.weight": 0.01 * torch.randn(shape) for name, shape in shapes.items()}
    torch.save(weights | {f"{name}.bias": torch.zeros(shape[0]) for name, shape in shapes.items()}, path)
    return path


def autoencoder(folder: Path, file: str, **options: Any) -> Path:
    """A folder as diffusers writes it; returns its file of weights."""
    folder.mkdir()
    weights = draw_weights(**options)
    (folder / "config.json").write_text(json.dumps({"norm_num_groups": 4, "sample_size": 64}))
    if file.endswith(".bin"):
        torch.save(weights, folder / file)
    else:
        save_file(weights, folder / file)
    return folder / file


def main() -> None:
    """Print a line a file and measurement."""
    with tempfile.TemporaryDirectory() as kept:
        home = Path(kept)
        for name, width in WIDTHS.items():
            file = mlp(width, home / f"{width}.pt")
            compare(name, file, file)
        for suffix in ("bin", "safetensors"):
            name = f"diffusion_pytorch_model.{suffix}"
            large = autoencoder(home / f"large-{suffix}", name, widths=(96, 192, 416, 416), layers=2)
            if suffix == "bin":
                compare("an AutoencoderKL", large.parent, large)
            if sys.platform == "linux":
                small = autoencoder(home / f"small-{suffix}", name)
                paths = [str(small.parent), str(large.parent)]
                command = [sys.executable, "-c", MEMORY, *paths]
                said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                taken, size = int(said), large.stat().st_size
                say(f"memory for an AutoencoderKL as .{suffix}", f"{taken / 1e6:.0f} MB",
                    f"the file: {size / 1e6:.0f} MB", ratio=taken / size, at_most=MEMORY_RATIO)  # fmt: skip


if __name__ == "__main__":
    main()
