"""`latentlab adopt`: somebody else's model as a run of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from latentlab.cli import option


def adopt(
    model: Annotated[
        str,
        typer.Argument(metavar="PATH", help="A file or folder that somebody else's code wrote.", show_default=False),
    ],
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What it is called from now on.  [default: as its file]", show_default=False),
    ] = None,
    data: option.Data = None,
    root: option.Root = None,
    count: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many images to find directions in, and to score it on.")
    ] = 20_000,
    download: option.Download = False,
    attributes: option.Labels = None,
    image_size: option.ImageSize = None,
    channels: option.Channels = None,
    range_: option.Range = None,
    activation: option.Activation = None,
    ending: option.Ending = None,
    classes: option.Classes = None,
    loader: option.Loader = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The run.  [default: outputs/adopt-<name>]", show_default=False),
    ] = None,
    device: option.Device = "auto",
    seed: option.Seed = 0,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Make a model that was trained elsewhere one of your own.

    Writes a checkpoint that remembers what you say of it; with --data also its scores, its directions and a gallery.
    All commands then take it with --model.
    """
    from latentlab.cli.info import test_scores
    from latentlab.cli.input import read_claims
    from latentlab.cli.output import OUTPUTS, Output, check_folder, shown
    from latentlab.cli.train import follow_up
    from latentlab.data import load_data
    from latentlab.lab.lab import load
    from latentlab.lab.result import folder_name
    from latentlab.runs.adopt import adopt as write

    check_folder(out)
    output = Output(quiet, as_json)
    claims = read_claims(image_size, channels, range_, activation, ending, classes)
    lab = load(model, device, claims=claims, loader=loader)
    name = name or lab.name
    folder = out or OUTPUTS / folder_name("adopt", name)
    output.line(f"model: {lab.name}, a model of {lab.card()['opened'].get('origin', 'latentlab')}", "bold")
    images = {}
    if data is not None:
        options: dict[str, Any] = {
            "root": root,
            "download": download,
            "attributes": attributes,
            "seed": seed,
            "image": lab.image,
        }
        images = {split: load_data(data, split=split, count=count, **options) for split in ("train", "test")}
        output.line(
            f"data: {data}, {len(images['train']):,} images to find directions in, {len(images['test']):,} others"
        )
    with output.progress() as progress:
        metrics = write(lab.run, name, folder, claims=claims, **images, seed=seed, progress=progress)
    if as_json:
        output.json({"folder": shown(folder), "opened": lab.card()["opened"], "metrics": metrics})
        return
    if metrics:
        test_scores(output, metrics["test"])
        output.say_notes(f"left out {one}: {reason}" for one, reason in metrics["left_out"].items())
    else:
        output.say_notes(["without --data it has no directions, no gallery and no scores"])
    output.line()
    output.paths([folder])
    command = follow_up(metrics) if metrics else "sample"
    output.line(f"try: latentlab {command} --model {shown(folder)}", "dim")
