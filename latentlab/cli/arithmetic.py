"""`latentlab arithmetic`: sums and differences of latents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from latentlab.cli import option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from latentlab.directions.algebra import Node


def arithmetic(
    expression: Annotated[
        str,
        typer.Argument(
            metavar="EXPRESSION",
            help="As in 'mean(7) - mean(1) + photo.png' (a place) or 'smile - 0.5*glasses' (a direction).",
            show_default=False,
        ),
    ],
    alpha: Annotated[
        str, typer.Option(metavar="ALPHA", help="How far images are moved, where the result is a direction.")
    ] = "-1,0,1,2",
    count: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many images are moved, where the result is a direction.")
    ] = 6,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Save the direction as an attribute of this name, for edit --directions.",
            show_default=False,
        ),
    ] = None,
    directions: option.Directions = None,
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
    """Calculate with latents.

    A bare attribute or class is its direction; mean(…), an image file, @12, random and mean are places.
    mean(beard, not glasses) is the mean of the images with a beard and without glasses.
    """
    from latentlab.cli.input import open_with_directions, read_data
    from latentlab.cli.output import Output, check_folder
    from latentlab.directions.algebra import parse
    from latentlab.editing.edits import parse_alphas
    from latentlab.lab.end import property_names

    alphas = parse_alphas(alpha)
    names = property_names(name_texts(parse(expression)))
    check_folder(out)
    output = Output(quiet, as_json, open_page)
    lab, stored = open_with_directions(output, model, device, directions, names, data)
    images = read_data(
        output, data, lab, root=root, split=split, count=max(option.ENOUGH, count), seed=seed,
        download=download, attributes=attributes, max_bad=max_bad,
    )  # fmt: skip
    result = lab.arithmetic(
        expression,
        name=name,
        data=images,
        directions=None if stored is None else stored.by_name,
        alphas=alphas,
        count=count,
        seed=seed,
    )
    output.result(result, out)


def name_texts(node: Node) -> Iterator[str]:
    """The names in an expression, in the order of the text."""
    from latentlab.directions.algebra import Mean, Name, Scaled

    if isinstance(node, Name):
        yield node.text
    elif isinstance(node, Mean):
        for name, _ in node.parts:
            yield name.text
    elif isinstance(node, Scaled):
        yield from name_texts(node.part)
    else:
        for part in node.parts:
            yield from name_texts(part)
