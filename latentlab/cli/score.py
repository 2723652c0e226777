"""`latentlab score`: how good a model, its edits, paths and latents are, with numbers."""

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
    PROBE = "probe"
    FACTORS = "factors"
    USAGE = "usage"


# What an option belongs to: with anything else it would be passed over in silence.
WITH = {
    "attr": (What.EDITS, What.PROBE, What.FACTORS),
    "success": (What.EDITS,),
    "directions": (What.EDITS,),
    "samples": (What.MODEL,),
    "images": (What.MODEL, What.EDITS, What.PATHS),
    "latents": (What.USAGE,),
}
# Training images that a probe learns from, for each test image.
TRAINING = 2


def score(
    what: Annotated[What, typer.Argument(help="model, edits, paths, probe, factors or usage.")] = What.MODEL,
    attr: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="An attribute or class that is edited, the attribute that a probe reads, or a factor; may be given"
            " several times.  [default: all, or the class]",
            show_default=False,
        ),
    ] = None,
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
    latents: option.Latents = None,
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
    """Measure how good a model is, or how well its edits, paths or latents work.

    Model: reconstruction, PSNR, SSIM, KL, ELBO, IWAE, active and collapsed dimensions, mutual information and total
    correlation of --data, in nats. Edits: how far α has to go, what else changes, and how far it may go. Paths: length
    in pictures, evenness, distance from the data. Probe: what a linear probe and kNN read from latents with few labels,
    beside pixels and PCA. Factors: MIG, DCI, SAP and FactorVAE of latents by the attributes of --data. Usage:
    which dimensions do something, how latents spread, and what goes together, of --latents, --data or the gallery.
    """
    from latentlab.cli.input import open_stored, open_with_directions, read_data, require
    from latentlab.cli.option import Split
    from latentlab.cli.output import Output, check_folder

    given = _given(attr=attr, success=success, directions=directions, samples=samples, images=images, latents=latents)
    for name in given:
        kinds = " or ".join(kind.value for kind in WITH[name])
        require(what in WITH[name], f"expected --{name} with {kinds}, got it with {what.value}; leave it out")
    if what is What.PROBE:
        require(len(attr or []) < 2, f"expected one --attr to read, got {len(attr or [])}; read one at a time")
        require(split is not Split.TRAIN, "expected images to judge by, got --split train, which probes learn from")
        # Folders too have a test split, by the hash of each name.
        split = split or Split.TEST
    require(not (data and latents), "expected --data or --latents, got both; leave one out")
    check_folder(out)
    output = Output(quiet, as_json, open_page)
    if latents is not None:
        from latentlab.lab.usage import score_usage

        table_of, made_by = open_stored(
            output,
            latents,
            model,
            device,
            data=data,
            root=root,
            split=split,
            download=download,
            attributes=attributes,
            count=count,
        )
        with output.progress() as progress:
            usage = score_usage(made_by, latents=table_of, seed=seed, progress=progress)
        output.result(usage, out)
        return
    names = (attr or []) if what is What.EDITS else []
    lab, stored = open_with_directions(output, model, device, directions, names, data)
    place: dict[str, Any] = {
        "root": root, "seed": seed, "download": download, "attributes": attributes, "max_bad": max_bad
    }  # fmt: skip
    labelled = read_data(output, data, lab, split=split, count=count, **place)
    learned = None
    if what is What.PROBE and labelled is not None:
        learned = read_data(output, data, lab, split=Split.TRAIN, count=TRAINING * count, **place)
    table = None
    with output.progress() as progress:
        options: dict[str, Any] = {"seed": seed, "progress": progress}
        if what is What.MODEL:
            result: Any = lab.score_model(labelled, **options, **_given(samples=samples, images=images))
        elif what is What.PROBE:
            result = lab.score_probe(labelled, learned, attribute=attr[0] if attr else None, **options)
        elif what is What.FACTORS:
            result = lab.score_factors(labelled, attr, **options)
        elif what is What.USAGE:
            result = lab.score_usage(labelled, **options)
        elif what is What.PATHS:
            result = lab.score_paths(data=labelled, **options, **_given(pairs=images))
        else:
            given = _given(success=success, count=images)
            result = lab.score_edits(attr, data=labelled, directions=stored, **options, **given)
            table = (COLUMNS, [row(one) for one in result.quality.attributes])
    output.result(result, out, table)


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
