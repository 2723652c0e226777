"""`latentlab map`: the latents in two dimensions."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

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
    latents: option.Latents = None,
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

    An interactive page, with pictures on hover; for a 2-D latent also what each of its places decodes to. Of --latents,
    whose images and model need not be there, as many as there are: up to 50,000 are fitted, the others placed.
    """
    from latentlab.cli.input import open_lab, open_stored, read_data, require
    from latentlab.cli.output import Output, check_folder

    check_folder(out)
    output = Output(quiet, as_json, open_page)
    wanted: dict[str, Any] = {
        "method": None if method is None else method.value, "colour": colour, "live": live, "seed": seed
    }  # fmt: skip
    if latents is not None:
        from latentlab.lab.table_map import map_table

        require(data is None, "expected --data or --latents, got both; leave one out")
        stored, made_by = open_stored(
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
            result = map_table(stored, made_by, progress=progress, **wanted)
        output.result(result, out)
        return
    lab = open_lab(output, model, device, [] if data or colour in (None, "label") else [colour], data)
    images = read_data(
        output, data, lab, root=root, split=split, count=count, seed=seed,
        download=download, attributes=attributes, max_bad=max_bad,
    )  # fmt: skip
    with output.progress() as progress:
        result = lab.map(data=images, progress=progress, **wanted)
    output.result(result, out)
