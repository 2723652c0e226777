"""`latentlab morph`: a walk between two or more places in the latent space."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from latentlab.cli import option


class Path(StrEnum):
    """Kinds of path."""

    LINE = "line"
    SLERP = "slerp"
    PRESERVING = "preserving"
    GEODESIC = "geodesic"


class Speed(StrEnum):
    """How frames are spread along a path."""

    LATENT = "latent"
    EVEN = "even"


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
    path: Annotated[
        Path,
        typer.Option(
            help="Straight, turning about the mean of all latents, as spread as latents are, or shortest in pictures."
        ),
    ] = Path.LINE,
    speed: Annotated[
        Speed, typer.Option(help="Even steps in the latent space, or steps that change the picture evenly.")
    ] = Speed.LATENT,
    compare: Annotated[bool, typer.Option("--compare", help="All kinds of path, one above the other.")] = False,
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

    Every step is decoded: a strip, an animation, and a page to scrub through. With --compare all kinds of path and
    their scores, and whether the shortest one is worth its time.
    """
    from latentlab.cli.input import open_lab, read_data, require
    from latentlab.cli.output import Output, check_folder
    from latentlab.lab.end import property_names

    require(len(ends) > 1, f"expected at least two ends, got {len(ends)}; for example morph 1 7")
    require(not compare or path is Path.LINE, f"expected either --compare or --path {path.value}, got both")
    check_folder(out)
    output = Output(quiet, as_json, open_page)
    lab = open_lab(output, model, device, property_names(ends), data)
    images = read_data(
        output, data, lab, root=root, split=split, count=count, seed=seed,
        download=download, attributes=attributes, max_bad=max_bad,
    )  # fmt: skip
    wanted: dict[str, Any] = {
        "steps": steps, "speed": speed.value, "exemplar": start is Start.EXEMPLAR, "format": format.value,
        "data": images, "seed": seed,
    }  # fmt: skip
    if not compare:
        if path is Path.GEODESIC:
            output.line("searching for the shortest path: some seconds a pair of ends")
        output.result(lab.morph(*ends, path=path.value, **wanted), out)
        return
    with output.progress() as progress:
        result = lab.compare_paths(*ends, progress=progress, **wanted)
    output.result(result, out)
