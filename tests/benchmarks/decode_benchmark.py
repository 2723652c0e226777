"""Photographs of 178×218 made to fit 64×64, images a second: `python -m tests.benchmarks.decode_benchmark`.

Drawn faces are made larger, with noise, and saved as JPEG of quality 90. They are read by Pillow and resized one by
one, as before, and then as `decode_files` does it, with and without simplejpeg; each in turn, and the medians are
printed.
"""

from __future__ import annotations

import io
import os
import statistics
import sys
import time
from collections.abc import Callable

# Or torch and the libraries below it would take more than the one core that is measured.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from PIL import Image

from latentlab.codec import ImageSpec
from latentlab.data import load_data
from latentlab.data.decode import decode_files
from tests.benchmarks.figure import say

COUNT, RUNS = 1_000, 5
SIZE, QUALITY = (178, 218), 90
SPEC = ImageSpec(3, 64, 64)
OLD = "Pillow, floats and Lanczos, one by one"


def main() -> None:
    """Print images a second for each way."""
    files = photographs()
    names = [str(number) for number in range(COUNT)]
    ways: dict[str, Callable[[], object]] = {
        OLD: lambda: [old_way(file) for file in files],
        "decode_files without simplejpeg": lambda: without_simplejpeg(
            lambda: decode_files(files, names, SPEC, max_bad=0, threads=1)
        ),
        "decode_files": lambda: decode_files(files, names, SPEC, max_bad=0, threads=1),
    }
    for work in ways.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(RUNS):
        for name, work in ways.items():
            started = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - started)
    size = sum(map(len, files)) / COUNT / 1024
    print(f"{COUNT:,} JPEGs of {SIZE[0]}×{SIZE[1]}, {size:.1f} KiB each, to {SPEC}, one thread")
    rates = {name: COUNT / statistics.median(times) for name, times in seconds.items()}
    beside = f"{OLD}: {rates[OLD]:,.0f} images/s"
    for name, rate in rates.items():
        if name != OLD:
            say(
                f"a JPEG of 178×218 made to fit 64×64 by {name}",
                f"{rate:,.0f} images/s",
                beside,
                ratio=rate / rates[OLD],
            )


def photographs() -> list[bytes]:
    """JPEG files as a camera and a cropper would leave them."""
    generator = np.random.default_rng(0)
    files = []
    for pixels in load_data("faces", count=COUNT).pixels:
        large = np.asarray(Image.fromarray(pixels.transpose(1, 2, 0)).resize(SIZE, Image.Resampling.BICUBIC))
        noisy = np.clip(large + generator.normal(0, 6, large.shape), 0, 255).astype(np.uint8)
        content = io.BytesIO()
        Image.fromarray(noisy).save(content, "JPEG", quality=QUALITY)
        files.append(content.getvalue())
    return files


def old_way(file: bytes) -> np.ndarray:
    """The middle of an image in floats, resized plane by plane."""
    with Image.open(io.BytesIO(file)) as image:
        pixels = np.ascontiguousarray(np.asarray(image.convert("RGB"), np.float32).transpose(2, 0, 1)) / 255
    height, width = pixels.shape[1:]
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    box = (left, top, left + side, top + side)
    planes = [Image.fromarray(plane).resize((64, 64), Image.Resampling.LANCZOS, box=box) for plane in pixels]
    return np.rint(np.clip(np.stack([np.asarray(plane) for plane in planes]), 0, 1) * 255).astype(np.uint8)


def without_simplejpeg(work: Callable[[], object]) -> None:
    """Do something as where simplejpeg is not installed."""
    kept = sys.modules.get("simplejpeg")
    sys.modules["simplejpeg"] = None  # type: ignore[assignment]
    try:
        work()
    finally:
        del sys.modules["simplejpeg"]
        if kept is not None:
            sys.modules["simplejpeg"] = kept


if __name__ == "__main__":
    main()
