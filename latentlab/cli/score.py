"""`latentlab score`: how good edits and paths are, with numbers."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentlab.cli import option

if TYPE_CHECKING:
    from latentlab.evaluation.edits import AttributeEdit


class What(StrEnum):
    """What can be scored."""

    MODEL = "model"
    EDITS = "edits"
    PATHS = "paths"


def score(
    what: Annotated[What, typer.Argument(help="model, edits or paths.")] = What.MODEL,
    attr: option.Attr = None,
    success: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="The share of images that an edit has to change.  [default: 0.9]", show_default=False
        ),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Images of the IWAE bound, that each edit is tried on, or pairs that paths go between."
            "  [default: 500, 200, or 8 pairs]",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            metavar="K", min=1, help="Samples an image of the IWAE bound of a model.  [default: 64]", show_default=False
        ),
    ] = None,
    directions: option.Directions = None,
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
    """Measure how good a model is, or how well its edits or paths work.

    Model: reconstruction, KL, ELBO, IWAE, active units, mutual information and total correlation of --data, in nats.
    Edits: how far α has to go, what else changes, and how far it may go. Paths: length in pictures, evenness, distance
    from the data.
    """
    from latentlab.cli.input import open_with_directions, read_data, require
    from latentlab.cli.output import Output, check_folder

    edits_only = [name for name, given in (("attr", attr), ("success", success), ("directions", directions)) if given]
    require(
        what is What.EDITS or not edits_only,
        f"expected --{''.join(edits_only[:1])} with edits, got it with {what.value}; leave it out",
    )
    require(
        what is What.MODEL or samples is None, f"expected --samples with model, got it with {what.value}; leave it out"
    )
    check_folder(out)
    output = Output(quiet, as_json, open_page)
    lab, stored = open_with_directions(output, model, device, directions, attr or [], data)
    labelled = read_data(
        output, data, lab, root=root, split=split, count=count, seed=seed,
        download=download, attributes=attributes, max_bad=max_bad,
    )  # fmt: skip
    if what is What.MODEL:
        given = _given(samples=samples, images=images)
        with output.progress() as progress:
            scored = lab.score_model(labelled, seed=seed, progress=progress, **given)
        output.result(scored, out)
        return
    options = {"data": labelled, "seed": seed}
    if what is What.PATHS:
        with output.progress() as progress:
            paths = lab.score_paths(**options, **_given(pairs=images), progress=progress)
        output.result(paths, out)
        return
    given = _given(success=success, count=images)
    with output.progress() as progress:
        result = lab.score_edits(attr, directions=stored, **options, **given, progress=progress)
    output.result(result, out, table=(COLUMNS, [row(one) for one in result.quality.attributes]))


def _given(**options: Any) -> dict[str, Any]:
    """The options that the user gave; the others keep the library's defaults."""
    return {name: value for name, value in options.items() if value is not None}


COLUMNS = ["attribute", "judge", "α latents", "α pictures", "leak", "into", "change", "outside", "cycle", "safe α"]


def row(one: AttributeEdit) -> list[object]:
    """One attribute as a line of the table."""
    leak = None if one.leak_pictures is None else f"{one.leak_pictures:+.2f}"
    return [
        one.name, f"{one.accuracy:.1%}",
        *(None if alpha is None else f"{alpha:.2f}" for alpha in (one.alpha_latents, one.alpha_pictures)),
        leak, one.leak_name or None, one.change, None if one.outside is None else f"{one.outside:.0%}", one.cycle,
        str(one.safe),
    ]  # fmt: skip
