"""`latentlab compare`: models side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentlab.cli import option

if TYPE_CHECKING:
    from latentlab.cli.output import Output
    from latentlab.data.dataset import Dataset
    from latentlab.lab.compare.models import ModelComparison
    from latentlab.lab.lab import Lab


def compare(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL", help="Two or more: bundled models, folders of runs, checkpoints.", show_default=False
        ),
    ],
    seeds: Annotated[
        int,
        typer.Option(metavar="N", min=1, help="How often pairs of images are drawn, and a classifier fitted."),
    ] = 5,
    between: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="CLASS CLASS",
            help="The classes whose path is shown.  [default: 1 and 7, or the first two]",
            show_default=False,
        ),
    ] = None,
    images: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many images and samples are shown; scores are over all.")
    ] = 10,
    data: option.Data = None,
    root: option.Root = None,
    split: option.SplitOf = None,
    count: option.Load = 1_000,
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
    """Put models side by side, and PCA of as many dimensions beside them.

    The same images, ends and seeds through each: reconstructions, samples, rate against distortion, probes of the
    latents, and what lies between a 1 and a 7. Without --data, images of the kind that the first model was trained on.
    """
    from latentlab.cli.output import Output, check_folder
    from latentlab.lab.compare.contestant import check_models
    from latentlab.lab.lab import load

    check_folder(out)
    output = Output(quiet, as_json, open_page)
    labs = [load(model, device) for model in models]
    check_models(labs)
    output.line(f"models: {', '.join(lab.name for lab in labs)}", "bold")
    train, shown = _images(
        output, labs[0], data, split, root=root, count=count, seed=seed, download=download, attributes=attributes,
        max_bad=max_bad,
    )  # fmt: skip
    with output.progress() as progress:
        result = labs[0].compare(
            *labs[1:], data=shown, train=train, seeds=seeds, between=between, images=images, seed=seed,
            progress=progress,
        )  # fmt: skip
    output.result(result, out, table=(COLUMNS, _rows(result)))


def _images(
    output: Output, lab: Lab, data: str | None, split: option.Split | None, **options: Any
) -> tuple[Dataset | None, Dataset]:
    """Images to fit to, where a source has some, and images to look at."""
    from latentlab.cli.input import read_data
    from latentlab.data import LOCATED, load_data, split_source
    from latentlab.lab.compare.ground import train_count, trained_source
    from latentlab.lab.home import as_in_training

    if data is None:
        # Words that only mean something with --data are refused there.
        read_data(output, None, lab, split=split, **options)
    source = trained_source(lab) if data is None else data
    shown = read_data(output, source, lab, split=split, **options)
    assert shown is not None
    # Of other splits than the test images, nobody knows that the training images are others.
    if split_source(source)[0] in LOCATED or split not in (None, option.Split.TEST):
        return None, shown
    options["count"] = train_count(lab.image.size)
    return load_data(source, split="train", image=lab.image, **options, **as_in_training(lab, source)), shown


COLUMNS = [
    "", "latent", "mse", "KL nats", "−ELBO nats", "linear probe", "mid cycle", "mid confidence", "mid nearest",
]  # fmt: skip
BOUND = "negative_elbo_nats"
KEYS = {
    "latent_size": None, "mean_square_error": None, "kl_nats": None, "negative_elbo_nats": None,
    "linear_accuracy": "%", "midpoint_cycle_error": None, "midpoint_confidence": "%", "midpoint_nearest": None,
}  # fmt: skip


def _rows(result: ModelComparison) -> list[list[object]]:
    """A line a model, then the cross-fade of pixels."""
    rows: list[list[object]] = []
    for name, scores in result.numbers.items():
        values = [scores.get(key) for key in KEYS]
        if any(value is not None for value in values):
            shown = [_cell(value, unit) for value, unit in zip(values, KEYS.values(), strict=True)]
            if scores.get("nats_are") == "pseudo" and scores.get(BOUND) is not None:
                shown[list(KEYS).index(BOUND)] = f"{scores[BOUND]:.4g} (pseudo)"
            rows.append([name, *shown])
    return rows


def _cell(value: float | None, unit: str | None) -> object:
    return f"{value:.1%}" if unit and value is not None else value
