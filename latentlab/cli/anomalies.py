"""`latentlab anomalies`: the images that do not belong."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from latentlab.cli import option


class By(StrEnum):
    """What an image costs the model."""

    LOSS = "loss"
    ELBO = "elbo"


def anomalies(
    by: Annotated[
        By | None,
        typer.Option(
            help="Rank by −log p(x|z) or by −ELBO, in nats.  [default: elbo where the model has one]",
            show_default=False,
        ),
    ] = None,
    false_alarms: Annotated[
        float, typer.Option(metavar="SHARE", help="The share of clean images that may be flagged.")
    ] = 0.05,
    clean: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Images that belong.  [default: the validation split of what the model was trained on]",
            show_default=False,
        ),
    ] = None,
    anomalous: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A class or attribute whose images are the anomalies; may be given several times: how well are they"
            " found?",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option(metavar="N", min=1, max=10_000, help="Posterior samples an image of the ELBO.")
    ] = 4,
    show: Annotated[int, typer.Option(metavar="N", min=1, max=1_000, help="How many of the strangest are shown.")] = 24,
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
    """Find the images that do not belong.

    Those of --data that cost the model more than clean images do; with --anomalous, how well that finds them, beside
    what pixels alone would.
    """
    from latentlab.cli.input import open_lab, read_data, require
    from latentlab.cli.output import Output, check_folder

    require(data is not None, "expected --data SOURCE, the images to rank, got none; give it")
    require(0 < false_alarms < 1, f"expected --false-alarms between 0 and 1, got {false_alarms:g}; such as .05")
    check_folder(out)
    output = Output(quiet, as_json, open_page)
    lab = open_lab(output, model, device, source=data)
    found = {"root": root, "download": download, "seed": seed, "max_bad": max_bad}
    ranked = read_data(output, data, lab, split=split, count=count, attributes=attributes, **found)
    assert ranked is not None
    known = None
    if clean is not None:
        known = read_data(output, clean, lab, split=None, count=None, **found)
    with output.progress() as progress:
        result = lab.anomalies(
            ranked, clean=known, by=None if by is None else by.value, false_alarms=false_alarms,
            anomalous=anomalous or [], samples=samples, count=show, root=root, download=download, seed=seed,
            progress=progress,
        )  # fmt: skip
    output.result(result, out)
