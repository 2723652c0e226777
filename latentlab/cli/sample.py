"""`latentlab sample`: images that nobody drew."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from latentlab.cli import option


class Source(StrEnum):
    """Where latents are drawn from."""

    PRIOR = "prior"
    AGGREGATE = "aggregate"


def sample(
    count: Annotated[int, typer.Option(metavar="N", help="How many.")] = 64,
    temperature: Annotated[
        float, typer.Option(metavar="T", help="Scales the deviation from the mean: below 1 safer, above 1 stranger.")
    ] = 1.0,
    source: Annotated[
        Source, typer.Option("--from", help="The prior, or the posteriors of gallery images.")
    ] = Source.PRIOR,
    condition: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="For conditional models: what all of them shall be, such as 7, or 'smile, not hat'; else it is drawn.",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write single files 000000.png, … there instead.", show_default=False),
    ] = None,
    model: option.Model = None,
    out: option.Out = None,
    device: option.Device = "auto",
    seed: option.Seed = 0,
    as_json: option.Json = False,
    open_page: option.Open = False,
    quiet: option.Quiet = False,
) -> None:
    """Draw images from the model."""
    from latentlab.cli.input import open_lab, require
    from latentlab.cli.output import Output, check_folder

    require(
        to is None or (out is None and not open_page),
        "--to writes single files and no page; leave out --out and --open",
    )
    check_folder(to or out)
    output = Output(quiet, as_json, open_page)
    lab = open_lab(output, model, device)
    result = lab.sample(count, temperature=temperature, source=source.value, condition=condition, seed=seed)
    if to is None:
        output.result(result, out)
    else:
        output.files(result, to, result.save_images(to))
