"""`latentlab attrs`: attribute vectors from averaged latents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from latentlab.cli import option

if TYPE_CHECKING:
    from latentlab.directions.direction import Direction


def attrs(
    attr: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="An attribute or class; may be given several times.  [default: all]",
            show_default=False,
        ),
    ] = None,
    method: Annotated[str, typer.Option(metavar="METHOD", help="The estimator.")] = "mean",
    model: option.Model = None,
    data: option.Data = None,
    root: option.Root = None,
    split: option.SplitOf = None,
    count: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="How many images.  [default: all]", show_default=False)
    ] = None,
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
    """Find attribute vectors in labelled images.

    v = mean(z with) − mean(z without), with counts and the AUC on held-out images. Without --data, those that the model
    carries are shown.
    """
    from latentlab.cli.input import open_lab, read_data
    from latentlab.cli.output import Output, check_folder

    check_folder(out)
    output = Output(quiet, as_json, open_page)
    lab = open_lab(output, model, device, [] if data else attr or [], data)
    labelled = read_data(
        output, data, lab, root=root, split=split, count=count, seed=seed,
        download=download, attributes=attributes, max_bad=max_bad,
    )  # fmt: skip
    with output.progress() as progress:
        result = lab.attrs(labelled, attr, method=method, seed=seed, progress=progress)
    output.result(result, out, table=(COLUMNS, [row(direction) for direction in result.directions]))


COLUMNS = ["attribute", "with", "without", "AUC", "95 % interval", "held out", "gap"]


def row(direction: Direction) -> list[object]:
    """One direction as a line of the table."""
    auc = None if direction.auc is None else f"{direction.auc:.3f}"
    interval = None if direction.auc_interval is None else "{:.3f} to {:.3f}".format(*direction.auc_interval)
    return [
        direction.name, direction.positives, direction.negatives, auc, interval, direction.probe_images,
        f"{direction.gap:.2f}",
    ]  # fmt: skip
