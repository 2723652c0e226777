"""`latentlab reconstruct`: real above guess."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentlab.cli import option


def reconstruct(
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="IMAGE", help="Image files; else images of the data or the gallery.", show_default=False
        ),
    ] = None,
    count: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many are shown; the scores are over all images.")
    ] = 16,
    worst: Annotated[bool, typer.Option("--worst", help="Show those with the greatest loss, greatest first.")] = False,
    model: option.Model = None,
    data: option.Data = None,
    root: option.Root = None,
    split: option.SplitOf = None,
    download: option.Download = False,
    attributes: option.Labels = None,
    max_bad: option.MaxBad = 0.01,
    out: option.Out = None,
    device: option.Device = "auto",
    seed: option.Seed = 0,
    as_json: option.Json = False,
    open_page: option.Open = False,
    quiet: option.Quiet = False,
) -> None:
    """Show images beside their reconstructions.

    With the loss of each in nats; --worst finds what the model understands least.
    """
    from latentlab.cli.input import open_lab, read_data, require
    from latentlab.cli.output import Output, check_folder

    require(not (images and data), "expected image files or --data, got both; leave one out")
    check_folder(out)
    output = Output(quiet, as_json, open_page)
    lab = open_lab(output, model, device, source=data)
    loaded = read_data(
        output, data, lab, root=root, split=split, count=None, seed=seed,
        download=download, attributes=attributes, max_bad=max_bad,
    )  # fmt: skip
    result = lab.reconstruct(
        lab.read_images(images) if images else None,
        data=loaded,
        names=[path.name for path in images] if images else None,
        count=count,
        worst=worst,
    )
    output.result(result, out)
