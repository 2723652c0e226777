"""`latentlab denoise`: noise taken away."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from latentlab.cli import option


class Corruption(StrEnum):
    """Kinds of noise."""

    MASK = "mask"
    GAUSSIAN = "gaussian"
    SALT_AND_PEPPER = "salt-and-pepper"


def denoise(
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="IMAGE",
            help="Noisy image files; else clean images of the data, to be corrupted.",
            show_default=False,
        ),
    ] = None,
    corruption: Annotated[
        Corruption | None,
        typer.Option(
            help="The noise to add.  [default: what the model was trained on, else gaussian; none to image files]",
            show_default=False,
        ),
    ] = None,
    level: Annotated[
        float | None,
        typer.Option(
            metavar="AMOUNT",
            help="The share of the pixels that is hit, or the standard deviation of Gaussian noise.  [default: as the"
            " model was trained, else .3]",
            show_default=False,
        ),
    ] = None,
    show: Annotated[int, typer.Option(metavar="N", min=1, max=64, help="How many of the data are shown.")] = 16,
    model: option.Model = None,
    data: option.Data = None,
    root: option.Root = None,
    split: option.SplitOf = None,
    count: option.Load = option.ENOUGH,
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
    """Take noise out of images.

    A model that was trained to denoise does it best; any other puts images on what it knows. Filters and PCA stand
    beside it.
    """
    from latentlab.cli.input import open_lab, read_data, require
    from latentlab.cli.output import Output, check_folder

    require(not (images and data), "expected image files or --data, got both; leave one out")
    require(bool(images or data), "expected noisy image files, or --data SOURCE to corrupt, got neither; give one")
    check_folder(out)
    output = Output(quiet, as_json, open_page)
    lab = open_lab(output, model, device, source=data)
    loaded = read_data(
        output, data, lab, root=root, split=split, count=count, seed=seed,
        download=download, attributes=attributes, max_bad=max_bad,
    )  # fmt: skip
    with output.progress() as progress:
        result = lab.denoise(
            lab.read_images(images) if images else None,
            data=loaded,
            names=[path.name for path in images] if images else None,
            corruption=None if corruption is None else corruption.value,
            level=level,
            count=show,
            root=root,
            download=download,
            seed=seed,
            progress=progress,
        )
    output.result(result, out)
