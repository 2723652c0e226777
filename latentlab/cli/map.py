"""`latentlab map`: the latents in two dimensions."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from latentlab.cli import option


class Method(StrEnum):
    """Ways of laying latents out."""

    UMAP = "umap"
    PCA = "pca"
    LATENT = "latent"


def map_(
    method: Annotated[
        Method | None,
        typer.Option(
            help="UMAP, PCA, or a 2-D latent itself.  [default: latent if 2-D, else umap]", show_default=False
        ),
    ] = None,
    colour: Annotated[
        str | None,
        typer.Option(
            "--colour",
            "--color",
            metavar="NAME",
            help="A label or attribute to colour by at first.",
            show_default=False,
        ),
    ] = None,
    model: option.Model = None,
    data: option.Data = None,
    root: option.Root = None,
    split: option.SplitOf = None,
    count: option.Load = option.ENOUGH,
    download: option.Download = False,
    attributes: option.Labels = None,
    max_bad: option.MaxBad = 0.01,
    live: option.Live = True,
    out: option.Out = None,
    device: option.Device = "auto",
    seed: option.Seed = 0,
    as_json: option.Json = False,
    open_page: option.Open = False,
    quiet: option.Quiet = False,
) -> None:
    """Draw a map of the latent space.

    An interactive page, with pictures on hover; for a 2-D latent also what each of its places decodes to.
    """
    from latentlab.cli.input import open_lab, read_data
    from latentlab.cli.output import Output, check_folder

    check_folder(out)
    output = Output(quiet, as_json, open_page)
    lab = open_lab(output, model, device, [] if data or colour in (None, "label") else [colour], data)
    images = read_data(
        output, data, lab, root=root, split=split, count=count, seed=seed,
        download=download, attributes=attributes, max_bad=max_bad,
    )  # fmt: skip
    with output.progress() as progress:
        result = lab.map(
            method=None if method is None else method.value,
            colour=colour,
            data=images,
            live=live,
            seed=seed,
            progress=progress,
        )
    output.result(result, out)
