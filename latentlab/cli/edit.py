"""`latentlab edit`: z' = z + αv."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from latentlab.cli import option

DEFAULT_ALPHA = "1.5"


class Unit(StrEnum):
    """What an α of 1 comes to."""

    GAP = "gap"
    SD = "sd"
    LOGIT = "logit"
    TARGET = "target"


def edit(
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="IMAGE",
            help="Image files, with --condition also @12 (a row); else images of the data or the gallery.",
            show_default=False,
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
            help="How far: 1.5, or 0,1,2, or -2:2:9 (from, to, count). One for all, or one for each "
            f"--attr in order.  [default: {DEFAULT_ALPHA}, or 1 to the target]",
            show_default=False,
        ),
    ] = None,
    unit: Annotated[
        Unit,
        typer.Option(
            help="Of α: the gap between the class means, a standard deviation of the latents, a logit of the readout, "
            "or the way to --target."
        ),
    ] = Unit.GAP,
    target: Annotated[
        float | None,
        typer.Option(
            metavar="P", help="The probability that the readout shall give, with --unit target.", show_default=False
        ),
    ] = None,
    level: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=P",
            help="Bring an attribute to a level, as in smile=.9, on every image; may be given several times.",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES", help="Attributes that stay as they are, with commas between them.", show_default=False
        ),
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="For conditional models, instead of all these: keep the rest and make it a 7, smile, not smile, or "
            "all in turn; may be given several times.",
            show_default=False,
        ),
    ] = None,
    directions: option.Directions = None,
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

    z' = z + αv, where α = 1 is the gap between the means with and without the attribute. With --condition a conditional
    model keeps z and is told something else.
    """
    from latentlab.cli.input import open_lab, open_with_directions, read_data, require
    from latentlab.cli.output import Output, check_folder
    from latentlab.latents.name import match_name

    if condition:
        moved: dict[str, object] = {"attr": attr, "alpha": alpha, "set": level, "keep": keep, "directions": directions}
        moved |= {"target": target, "unit": None if unit is Unit.GAP else unit}
        both = [name for name, value in moved.items() if value is not None]
        require(not both, f"expected either --condition or --{''.join(both[:1])}, got both; do one after the other")
        check_folder(out)
        output = Output(quiet, as_json, open_page)
        lab = open_lab(output, model, device, source=data)
        labelled = read_data(
            output, data, lab, root=root, split=split, count=max(option.ENOUGH, count), seed=seed,
            download=download, attributes=attributes, max_bad=max_bad,
        )  # fmt: skip
        ends = [str(image) for image in images] if images else None
        output.result(lab.swap(ends, condition, data=labelled, count=count, seed=seed), out)
        return
    levels = read_levels(level or [])
    require((unit is Unit.TARGET) == (target is not None), "expected --unit target and --target P together, got one")
    if target is not None:
        levels |= dict.fromkeys(attr or [], target)
    changes = pair(attr or [], alpha or ["1"] * (unit is Unit.TARGET), optional=bool(levels))
    require(bool(attr) or not alpha, "expected --attr NAME beside --alpha, got none; --set needs no alpha")
    kept = [name.strip() for names in keep or [] for name in names.split(",") if name.strip()]
    check_folder(out)
    output = Output(quiet, as_json, open_page)
    source = data
    lab, stored = open_with_directions(output, model, device, directions, [*changes, *levels, *kept], source)
    if stored is not None:
        unused = not any(match_name(name, stored.by_name) for name in [*changes, *levels, *kept])
        require(not unused, f"expected --attr, --set or --keep with a name that {directions} has, got none of: "
                f"{', '.join(stored.by_name)}")  # fmt: skip
    labelled = read_data(
        output, source, lab, root=root, split=split, count=max(option.ENOUGH, count), seed=seed,
        download=download, attributes=attributes, max_bad=max_bad,
    )  # fmt: skip
    result = lab.edit(
        lab.read_images(images) if images else None,
        changes,
        keep=kept,
        unit=Unit.GAP.value if unit is Unit.TARGET else unit.value,
        levels=levels,
        names=[path.name for path in images] if images else None,
        data=labelled,
        directions=None if stored is None else stored.by_name,
        count=count,
        seed=seed,
    )
    output.result(result, out)


def read_levels(texts: Sequence[str]) -> dict[str, float]:
    """Read levels such as `smile=.9`.

    Raises:
        UsageError: when one is no name with a number, or a name comes twice.

    >>> read_levels(["smile=.9", "hat=.1"])
    {'smile': 0.9, 'hat': 0.1}
    """
    from latentlab.cli.input import require

    levels: dict[str, float] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            levels[name.strip()] = float(number)
        except ValueError:
            name = ""
        require(bool(name.strip()), f"expected --set NAME=LEVEL, such as smile=.9, got {text!r}")
    require(len(levels) == len(texts), "expected each name once in --set, got one twice")
    return levels


def pair(attributes: Sequence[str], alphas: Sequence[str], optional: bool = False) -> dict[str, tuple[float, ...]]:
    """Give each attribute its α: in order, or one α for all.

    Args:
        attributes: their names.
        alphas: as they were typed; none for the default.
        optional: whether there may be no attribute, since something else is changed.

    Raises:
        UsageError: when there is no attribute, one twice, an α that does not parse, or another number of α.

    >>> pair(["smile", "hat"], ["-1:1:3"])
    {'smile': (-1.0, 0.0, 1.0), 'hat': (-1.0, 0.0, 1.0)}
    """
    from latentlab.cli.input import require
    from latentlab.editing.edits import parse_alphas

    require(
        bool(attributes) or optional,
        "expected at least one attribute to change, got none; for example --attr smile --alpha 1.5",
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
