"""`latentlab neighbours`: the images whose latents are nearest."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentlab.cli import option

if TYPE_CHECKING:
    from latentlab.cli.output import Output
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.latents.store import StoredLatents


class Metric(StrEnum):
    """Distances of latents."""

    EUCLIDEAN = "euclidean"
    MAHALANOBIS = "mahalanobis"


def neighbours(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE",
            help="An image file, @12 (a row of what is searched), a class or attribute (its mean), random, mean;"
            " or for very many: @all (every row), folder:PATH, npz:PATH, tar:PATTERN.",
            show_default=False,
        ),
    ],
    count: Annotated[
        int, typer.Option("--count", "-k", metavar="N", min=1, max=1_000, help="Neighbours of each.")
    ] = 12,
    metric: Annotated[
        Metric, typer.Option(help="Plain distance, or that which counts deviations of all latents.")
    ] = Metric.EUCLIDEAN,
    exact: Annotated[
        bool, typer.Option("--exact", help="Of very many: measure every distance, however long it takes.")
    ] = False,
    latents: option.Latents = None,
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
    """Find the images whose latents are nearest.

    Those of --data, of a table of --latents, or else of the test images that the model carries; with what share of them
    is of the same class. Exact, however many are searched; of very many at once an index may find them, and the share
    that it finds is told.
    """
    from latentlab.cli.input import open_lab, open_stored, read_data, require
    from latentlab.cli.output import Output, check_folder
    from latentlab.lab.end import property_names
    from latentlab.lab.neighbour_table import is_many
    from latentlab.lab.neighbours import find_neighbours

    require(not (data and latents), "expected --data or --latents, got both; leave one out")
    many = is_many(images)
    require(many or not exact, "expected --exact with @all or a source such as folder:PATH; others are exact already")
    check_folder(out)
    output = Output(quiet, as_json, open_page)
    loaded = stored = None
    if latents is not None:
        stored, lab = open_stored(
            output, latents, model, device, data=data, root=root, split=split, download=download, attributes=attributes
        )
    else:
        lab = open_lab(output, model, device, [] if data or many else property_names(images), data)
        loaded = read_data(
            output, data, lab, root=root, split=split, count=None, seed=seed,
            download=download, attributes=attributes, max_bad=max_bad,
        )  # fmt: skip
    if many:
        _find_all(output, lab, loaded, stored, images[0], metric, count, exact, seed, max_bad, out)
        return
    with output.progress() as progress:
        result = find_neighbours(
            lab, images, data=loaded, latents=stored, metric=metric.value, count=count, seed=seed, progress=progress
        )
    rows = [
        [one.name, f"@{one.rows[0]}", str(one.ids[0]), float(one.distances[0]), float(one.distances[-1]),
         None if one.agreement is None else f"{one.agreement:.0%} are {one.label} (of all {one.chance:.0%})"]
        for one in result.near
    ]  # fmt: skip
    output.result(result, out, (["of", "nearest", "id", "distance", f"that of {count}", "label"], rows))


def _find_all(
    output: Output,
    lab: Lab | None,
    data: Dataset | None,
    latents: StoredLatents | None,
    asked: str,
    metric: Metric,
    count: int,
    exact: bool,
    seed: int,
    max_bad: float,
    out: Path | None,
) -> None:
    """Neighbours of every row, or of every image of a source."""
    from latentlab.cli.input import read_data, require
    from latentlab.lab.neighbour_table import EVERY, find_all_neighbours

    images = None
    if asked != EVERY:
        require(lab is not None, f"expected a model that encodes {asked}, got a table alone; give it with --model")
        assert lab is not None
        images = read_data(output, asked, lab, split=None, count=None, seed=seed, max_bad=max_bad)
    with output.progress() as progress:
        result = find_all_neighbours(
            lab, images, data=data, latents=latents, metric=metric.value, count=count, exact=exact, seed=seed,
            progress=progress,
        )  # fmt: skip
    output.result(result, out)
