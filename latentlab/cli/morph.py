"""`latentlab morph`: a walk between two or more places in the latent space."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from latentlab.cli import option


class Path(StrEnum):
    """Kinds of path."""

    LINE = "line"
    SLERP = "slerp"


class Start(StrEnum):
    """What a class or attribute stands for."""

    MEAN = "mean"
    EXEMPLAR = "exemplar"


class Format(StrEnum):
    """Formats of the animation."""

    GIF = "gif"
    WEBP = "webp"
    APNG = "apng"


def morph(
    ends: Annotated[
        list[str],
        typer.Argument(
            metavar="END",
            help="Two or more of: a class (1), an attribute (smile), an image file, @12 (a row), random, mean.",
            show_default=False,
        ),
    ],
    steps: Annotated[int, typer.Option(metavar="N", help="Frames in all, the ends included.")] = 16,
    path: Annotated[Path, typer.Option(help="Straight, or turning about the mean of all latents.")] = Path.LINE,
    start: Annotated[
        Start, typer.Option("--from", help="Ends are the means of their class, or one image of it.")
    ] = Start.MEAN,
    format: Annotated[Format, typer.Option(help="Of the animation.")] = Format.GIF,
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
    """Walk from one place to another.

    Every step is decoded: a strip, an animation, and a page to scrub through.
    """
    from latentlab.cli.input import open_lab, read_data, require
    from latentlab.cli.output import Output, check_folder
    from latentlab.lab.end import property_names

    require(len(ends) > 1, f"expected at least two ends, got {len(ends)}; for example morph 1 7")
    check_folder(out)
    output = Output(quiet, as_json, open_page)
    lab = open_lab(output, model, device, property_names(ends), data)
    images = read_data(
        output, data, lab, root=root, split=split, count=count, seed=seed,
        download=download, attributes=attributes, max_bad=max_bad,
    )  # fmt: skip
    result = lab.morph(
        *ends,
        steps=steps,
        path=path.value,
        exemplar=start is Start.EXEMPLAR,
        format=format.value,
        data=images,
        seed=seed,
    )
    output.result(result, out)
