"""`latentlab encode`: images of any number into a table of latents."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from latentlab.cli import option


class EngineName(StrEnum):
    """What the work is shared by."""

    LOCAL = "local"
    RAY = "ray"


def encode(
    source: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="Images: a source as --data takes it elsewhere, folder:PATH, or tar:PATTERN of shards such as"
            " tar:train-{000..099}.tar, also of an object store.",
            show_default=False,
        ),
    ],
    model: option.Model = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an encoding was stopped.")] = False,
    engine: Annotated[
        EngineName, typer.Option(help="Processes of this machine, or Ray, here or on a cluster.")
    ] = EngineName.LOCAL,
    ray_address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Ray cluster: host:port, ray://host:port or auto.", show_default=False),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Processes.  [default: one a processor, or one for a GPU]"),
    ] = None,
    root: option.Root = None,
    split: option.SplitOf = None,
    count: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many images.  [default: all]", show_default=False)
    ] = None,
    download: option.Download = False,
    attributes: option.Labels = None,
    max_bad: option.MaxBad = 0.01,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="The table; a folder or a URL.  [default: outputs/encode-<model>-<data>]",
            show_default=False,
        ),
    ] = None,
    device: option.Device = "auto",
    seed: option.Seed = 0,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Encode images into a table of latents.

    Posterior means and log-variances, with labels and attributes, as Arrow files that open where they lie, whatever
    their number. --resume goes on after anything that stopped it. attrs, map, neighbours and score take the table with
    --latents.
    """  # fmt: skip
    import shlex
    from pathlib import Path

    from latentlab.cli.input import open_encoder, require
    from latentlab.cli.output import OUTPUTS, Output, check_folder, shown
    from latentlab.lab.encoding import encode_source
    from latentlab.lab.result import folder_name
    from latentlab.latents.engines.local import Crew

    require(
        ray_address is None or engine is EngineName.RAY,
        f"expected --ray-address with --engine ray, got it with {engine.value}; leave it out",
    )
    require(
        out is None or not out.startswith("memory://"),
        f"expected a folder or an object store, got {out}, which ends with this command; choose another --out",
    )
    remote = out is not None and "://" in out
    if not remote:
        check_folder(None if out is None else Path(out))
    output = Output(quiet, as_json)
    # This process reads names and hands out work; it has no torch, which takes as much memory as a worker's images.
    with Crew() as crew:
        encoder = open_encoder(output, crew, model, device, source)
        out = out or str(OUTPUTS / folder_name("encode", encoder.name, source))
        if engine is not EngineName.LOCAL:
            crew.close()
        with output.progress() as progress:
            done = encode_source(
                encoder, source, out, split=None if split is None else split.value, count=count, seed=seed, root=root,
                download=download, attributes=attributes, max_bad=max_bad, engine=engine.value, crew=crew,
                workers=workers, address=ray_address, resume=resume, progress=progress,
            )  # fmt: skip
    table = done.latents
    rate = done.images / done.seconds if done.images else 0.0
    if as_json:
        output.json(
            {
                "folder": table.place.url, "model": encoder.name, "checkpoint": table.checkpoint,
                "source": table.plan.source, "split": table.plan.split, "seed": seed, "rows": len(table),
                "dimensions": table.size, "skipped": done.skipped, "parts": len(table.manifest.parts),
                "parts_kept": done.kept, "images": done.images, "seconds": done.seconds, "images_per_second": rate,
                "versions": dict(table.manifest.versions),
            }
        )  # fmt: skip
        return
    output.line(f"data: {table.plan.source}, {len(table):,} images{of_split(table.plan.split)}")
    if done.images:
        output.line(f"encoded {done.images:,} images in {done.seconds:.1f} s: {rate:,.0f} images/s")
    if done.kept:
        output.line(f"{done.kept} of {len(table.manifest.parts)} parts were there already")
    if done.skipped:
        output.note(f"skipped {done.skipped:,} images that cannot be read; skipped.csv lists them with reasons")
    output.say_notes(output.notes)
    output.paths([Path(out)] if not remote else [])
    if remote:
        output.line(out)
    words = [
        "latentlab",
        "attrs" if table.property_names() else "map",
        "--latents",
        out if remote else shown(Path(out)),
    ]
    output.line(f"try: {shlex.join([*words, '--model', model or encoder.name])}", "dim")


def of_split(split: str) -> str:
    """A split in words.

    >>> of_split("test"), of_split("all")
    (' of the test split', '')
    """
    return "" if split == "all" else f" of the {split} split"
