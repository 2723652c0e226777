"""`latentlab edit`: z' = z + αv."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from latentlab.cli import option

DEFAULT_ALPHA = "1.5"


def edit(
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="IMAGE", help="Image files; else images of the data or the gallery.", show_default=False
        ),
    ] = None,
    attr: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="What to change; may be given several times.", show_default=False),
    ] = None,
    alpha: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ALPHA",
            help="How far, in class gaps: 1.5, or 0,1,2, or -2:2:9 (from, to, count). One for all, or one for each "
            f"--attr in order.  [default: {DEFAULT_ALPHA}]",
            show_default=False,
        ),
    ] = None,
    directions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A directions file that attrs wrote for this model.", show_default=False),
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", min=1, help="How many images, where no files are given.")] = 8,
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
    """Change attributes of images.

    z' = z + αv, where α = 1 is the gap between the means with and without the attribute.
    """
    from latentlab.cli.input import open_lab, read_data
    from latentlab.cli.output import Output, check_folder

    changes = pair(attr or [], alpha or [])
    check_folder(out)
    output = Output(quiet, as_json, open_page)
    source = data
    if directions is not None and model is None:
        model = owner(directions)
    lab = open_lab(output, model, device, changes, source)
    known = None
    if directions is not None:
        from latentlab.directions.file import read_directions

        known = {direction.name: direction for direction in read_directions(directions, lab.checkpoint).directions}
    labelled = read_data(
        output, source, lab, root=root, split=split, count=max(option.ENOUGH, count), seed=seed,
        download=download, attributes=attributes, max_bad=max_bad,
    )  # fmt: skip
    result = lab.edit(
        lab.read_images(images) if images else None,
        changes,
        names=[path.name for path in images] if images else None,
        data=labelled,
        directions=known,
        count=count,
        seed=seed,
    )
    output.result(result, out)


def pair(attributes: Sequence[str], alphas: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Give each attribute its α: in order, or one α for all.

    Raises:
        UsageError: when there is no attribute, one twice, an α that does not parse, or another number of α.

    >>> pair(["smile", "hat"], ["-1:1:3"])
    {'smile': (-1.0, 0.0, 1.0), 'hat': (-1.0, 0.0, 1.0)}
    """
    from latentlab.cli.input import require
    from latentlab.editing.edits import parse_alphas

    require(
        bool(attributes), "expected at least one attribute to change, got none; for example --attr smile --alpha 1.5"
    )
    twice = [name for name in attributes if attributes.count(name) > 1]
    require(not twice, f"expected each --attr once, got {twice[0] if twice else ''!r} twice; add its alphas up")
    parsed = [parse_alphas(text) for text in (alphas or [DEFAULT_ALPHA])]
    require(
        len(parsed) in (1, len(attributes)),
        f"expected one --alpha, or one for each of {len(attributes)} --attr, got {len(parsed)}",
    )
    if len(parsed) == 1:
        parsed *= len(attributes)
    return dict(zip(attributes, parsed, strict=True))


def owner(directions: Path) -> str:
    """The bundled model that a directions file belongs to.

    Raises:
        UsageError: when it belongs to none of them.
    """
    from latentlab.cli.input import require
    from latentlab.directions.file import read_directions
    from latentlab.runs.bundled import bundled_cards

    checkpoint = read_directions(directions).checkpoint
    found = [card["name"] for card in bundled_cards() if card["checkpoint"] == checkpoint]
    require(bool(found), f"{directions} belongs to no bundled model; give the one that it was made for with --model")
    return found[0]
