"""`latentlab traverse`: one latent dimension, or principal direction, at a time."""

from __future__ import annotations

from typing import Annotated

import typer

from latentlab.cli import option


def traverse(
    dims: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="Dimensions from 0, as in 0,1,2.  [default: those that vary most]", show_default=False
        ),
    ] = None,
    principal: Annotated[
        bool, typer.Option("--principal", help="Principal directions of the latents instead of dimensions.")
    ] = False,
    count: Annotated[int, typer.Option(metavar="N", help="How many, where --dims is not given.")] = 8,
    steps: Annotated[int, typer.Option(metavar="N", help="Images a row.")] = 9,
    span: Annotated[float, typer.Option(metavar="S", help="How far each way, in standard deviations.")] = 3.0,
    start: Annotated[
        str, typer.Option("--from", metavar="END", help="Where to start: a class, an image file, random, mean.")
    ] = "mean",
    model: option.Model = None,
    out: option.Out = None,
    device: option.Device = "auto",
    seed: option.Seed = 0,
    as_json: option.Json = False,
    open_page: option.Open = False,
    quiet: option.Quiet = False,
) -> None:
    """Move along one latent axis at a time."""
    from latentlab.cli.input import open_lab
    from latentlab.cli.output import Output, check_folder
    from latentlab.lab.end import property_names

    chosen = None if dims is None else parse_dims(dims)
    check_folder(out)
    output = Output(quiet, as_json, open_page)
    lab = open_lab(output, model, device, property_names([start]))
    result = lab.traverse(dims=chosen, principal=principal, count=count, steps=steps, span=span, start=start, seed=seed)
    output.result(result, out)


def parse_dims(text: str) -> list[int]:
    """Read `0,1,2`.

    Raises:
        UsageError: when it is not a list of whole numbers.

    >>> parse_dims("3, 0")
    [3, 0]
    """
    from latentlab.errors import UsageError

    try:
        return list(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        raise UsageError(f"expected --dims as numbers with commas, such as 0,1,2, got {text!r}") from None
