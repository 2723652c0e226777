"""What it takes to encode very many images on a cluster, from measured rates: `python -m tests.benchmarks.plan --help`.

Arithmetic, no measurement: the rates are those of outputs/benchmarks.md unless others are given.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

HOUR = 3600.0


@dataclass(frozen=True)
class Rates:
    """What was measured, on one core where nothing else is said.

    Args:
        decode: images decoded and resized a second.
        forward: images encoded a second.
        gpu_forward: images encoded a second by one GPU.
        efficiency: the share of 1 / (1/decode + 1/forward) that is reached.
        image_bytes: of one JPEG.
        row_bytes: of one row of a table: mean, log-variance, and what is known of it.
        scan_bytes: that one machine adds up a second in a pass over means.
        mean_bytes: of one mean.
    """

    decode: float
    forward: float
    gpu_forward: float
    efficiency: float
    image_bytes: float
    row_bytes: float
    scan_bytes: float
    mean_bytes: float


@dataclass(frozen=True)
class Plan:
    """What a number of images takes on a cluster.

    Args:
        hours: of encoding.
        core_hours: of processors.
        read_gigabytes: of JPEGs in a second, all machines together.
        stored_terabytes: of JPEGs, and of the table.
        pass_minutes: of one machine over all means.
        first: which part gives way first.
    """

    hours: float
    core_hours: float
    read_gigabytes: float
    stored_terabytes: tuple[float, float]
    pass_minutes: float
    first: str


def plan(images: float, machines: int, cores: int, gpus: int, rates: Rates) -> Plan:
    """What so many images take on a cluster of machines with so many cores and GPUs each.

    Without GPUs every core decodes and encodes; with some, cores decode, and the slower of the two sets the pace.
    """
    workers = machines * cores
    if gpus:
        decoding, encoding = workers * rates.decode, machines * gpus * rates.gpu_forward
        pace = rates.efficiency * min(decoding, encoding)
        first = "decoding: more cores for each GPU" if decoding < encoding else "the encoder: more GPUs"
    else:
        pace = rates.efficiency * workers / (1 / rates.decode + 1 / rates.forward)
        first = "the encoder on processors: a GPU" if rates.forward < rates.decode else "decoding: more cores"
    seconds = images / pace
    return Plan(
        hours=seconds / HOUR,
        core_hours=seconds / HOUR * workers,
        read_gigabytes=pace * rates.image_bytes / 1e9,
        stored_terabytes=(images * rates.image_bytes / 1e12, images * rates.row_bytes / 1e12),
        pass_minutes=images * rates.mean_bytes / rates.scan_bytes / 60,
        first=first,
    )


def main() -> None:
    """Print the plan."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=float, default=1e8)
    parser.add_argument("--machines", type=int, default=16)
    parser.add_argument("--cores", type=int, default=16)
    parser.add_argument("--gpus", type=int, default=0, help="of each machine")
    parser.add_argument("--decode", type=float, required=True, help="images/s a core")
    parser.add_argument("--forward", type=float, required=True, help="images/s a core")
    parser.add_argument("--gpu-forward", type=float, default=20_000, help="images/s a GPU")
    parser.add_argument("--efficiency", type=float, default=0.9)
    parser.add_argument("--image-bytes", type=float, default=12_000)
    parser.add_argument("--dimensions", type=int, default=128)
    parser.add_argument("--scan", type=float, default=2e9, help="bytes of means a second")
    asked = parser.parse_args()
    mean = 4 * asked.dimensions
    rates = Rates(
        asked.decode,
        asked.forward,
        asked.gpu_forward,
        asked.efficiency,
        asked.image_bytes,
        2 * mean + 64,
        asked.scan,
        mean,
    )
    found = plan(asked.images, asked.machines, asked.cores, asked.gpus, rates)
    kind = f"{asked.machines} machines of {asked.cores} cores" + (f" and {asked.gpus} GPUs" if asked.gpus else "")
    print(f"{asked.images:,.0f} images on {kind}")
    print(f"encoding: {found.hours:.2f} h ({found.core_hours:,.0f} core hours)")
    print(f"reading: {found.read_gigabytes:.2f} GB/s from all machines together")
    print(f"stored: {found.stored_terabytes[0]:.2f} TB of images, {found.stored_terabytes[1]:.3f} TB of latents")
    print(f"one pass of one machine over all means: {found.pass_minutes:.1f} min")
    print(f"gives way first: {found.first}")


if __name__ == "__main__":
    main()
