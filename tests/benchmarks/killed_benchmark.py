"""An encoding of 100,000 images killed at 20 random moments: `python -m tests.benchmarks.killed_benchmark`.

Some drawn faces are written as JPEGs and linked under 100,000 names. They are encoded once without a break, and once
with SIGKILL to the parent, to a worker or to all of them at moments that a seed draws, and with --resume after each.
Both tables have to be the same, byte for byte. Takes about ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from latentlab import load_data
from tests.benchmarks.photographs import linked_images

IMAGES, DISTINCT, KILLS = 100_000, 2_000, 20
# From a start to its kill: seconds, since starting alone takes some, and up to a share of what all takes.
SECONDS, SHARE = 2.0, 0.1
# What one whose worker was killed goes on for, as shares of what all takes.
GOES_ON = (0.007, 0.03)


def start(images: Path, table: Path, model: str) -> subprocess.Popen[bytes]:
    """An encoding that goes on where the last one was killed."""
    words = ["encode", f"folder:{images}", "--model", model, "--out", str(table), "--resume", "--quiet"]
    return subprocess.Popen([sys.executable, "-m", "latentlab", *words], stderr=subprocess.DEVNULL)


def workers_of(parent: int) -> list[int]:
    """The processes that a process has started."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(word) for word in children.read_text().split()] if children.exists() else []


def contents(table: Path) -> dict[str, bytes]:
    """Every file of a table."""
    return {path.name: path.read_bytes() for path in table.iterdir() if path.name != ".lock"}


def main() -> None:
    """Print how often it was killed, how far it had come, and whether the bytes are the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--model", default="faces")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as scratch:
        drawn = load_data("faces", split="train", count=min(DISTINCT, asked.images))
        pictures = (Image.fromarray(pixels.transpose(1, 2, 0)) for pixels in drawn.pixels)
        images = linked_images(Path(scratch) / "images", asked.images, pictures)
        whole, killed = Path(scratch) / "whole", Path(scratch) / "killed"
        began = time.monotonic()
        assert start(images, whole, asked.model).wait() == 0
        alone = time.monotonic() - began
        kills: dict[str, int] = {"parent": 0, "worker": 0, "all": 0}
        began = time.monotonic()
        while sum(kills.values()) < KILLS:
            process = start(images, killed, asked.model)
            time.sleep(SECONDS + chance.uniform(0, SHARE * alone))
            victim = chance.choice(list(kills))
            workers = workers_of(process.pid)
            victims = {"parent": [process.pid], "worker": workers[-1:], "all": [process.pid, *workers]}[victim]
            if process.poll() is not None:
                print(f"it was done after {sum(kills.values())} kills: take more --images")
                break
            for number in victims:
                os.kill(number, signal.SIGKILL)
            kills[victim] += 1
            if victim == "worker":
                # It goes on by itself, and is killed at another moment.
                time.sleep(alone * chance.uniform(*GOES_ON))
                if process.poll() is None:
                    process.kill()
            process.wait()
            parts = len(list(killed.glob("part-*.sidecar")))
            print(f"kill {sum(kills.values())}: {victim}; {parts} parts", flush=True)
        assert start(images, killed, asked.model).wait() == 0
        taken = time.monotonic() - began
        same = contents(whole) == contents(killed)
        told = ", ".join(f"{count} × {victim}" for victim, count in kills.items())
        print(
            f"{asked.images:,} images, killed {sum(kills.values())} times ({told}): "
            f"{'identical bytes' if same else 'OTHER BYTES'} in {len(contents(whole))} files; {taken:.0f} s, without a "
            f"break {alone:.0f} s"
        )
        sys.exit(not same)


if __name__ == "__main__":
    main()
