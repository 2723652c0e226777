"""`latentlab train`: from a recipe to a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentlab.cli import option


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE", help="A recipe's TOML file, or the name of one that comes along.", show_default=False
        ),
    ],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change the recipe, as in training.epochs=5; may be given several times.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a stopped training was saved.")] = False,
    root: option.Root = None,
    download: option.Download = False,
    attributes: option.Labels = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The run.  [default: outputs/train-<recipe>]", show_default=False),
    ] = None,
    device: option.Device = "auto",
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="Instead of the recipe's seed.", show_default=False),
    ] = None,
    as_json: option.Json = False,
    quiet: option.Quiet = False,
) -> None:
    """Train a model from a recipe.

    Leaves a run: checkpoints, history, scores, directions and a gallery in one folder, which --model takes.
    Ctrl-C saves first, and --resume goes on.

    Several processes train together: torchrun --nproc-per-node 2 -m latentlab train RECIPE
    """
    from latentlab.cli.output import Output, check_folder, shown
    from latentlab.processes import join_processes

    processes = join_processes()
    path = find_recipe(recipe)
    check_folder(out)
    output = Output(quiet or not processes.first, as_json and processes.first)
    output.line(f"recipe: {shown(path) if path.is_relative_to(Path.cwd()) else path.stem}", "bold")

    from latentlab.directions.estimate import left_out_notes
    from latentlab.files import read_json
    from latentlab.runs.run import METRICS
    from latentlab.runs.train import train_recipe

    with output.progress() as progress:
        folder = train_recipe(
            path,
            overrides=[*(set_ or []), *([] if seed is None else [f"seed={seed}"])],
            folder=out,
            resume=resume,
            device=device,
            root=root,
            attributes=attributes,
            download=download,
            progress=progress,
            processes=processes,
        )
    if not processes.first:
        return
    metrics = read_json(folder / METRICS)
    if as_json:
        output.json({"folder": shown(folder), "metrics": metrics})
        return
    from latentlab.cli.info import test_scores

    test_scores(output, metrics["test"])
    names = list(metrics["directions"])
    if names:
        output.line()
        output.line("knows, with held-out AUC:")
        output.pairs({name: _auc(found["auc"]) for name, found in metrics["directions"].items()})
    output.say_notes(left_out_notes(metrics["left_out"]))
    output.line()
    output.paths([folder])
    output.line(f"try: latentlab {follow_up(metrics)} --model {shown(folder)}", "dim")


def find_recipe(recipe: str) -> Path:
    """A recipe's file, by its path or by the name of one that travels with the package.

    Raises:
        UnknownNameError: when it is neither.
    """
    from latentlab.errors import unknown_name

    path = Path(recipe).expanduser()
    if path.is_file():
        return path
    package = Path(__file__).parents[1]
    # In a wheel they lie beside the bundled models, in the source tree beside the package.
    folders = [package / "zoo" / "recipes", package.parent / "recipes"]
    known = {file.stem: file for folder in reversed(folders) for file in sorted(folder.glob("*.toml"))}
    name = recipe.removesuffix(".toml")
    if name in known:
        return known[name]
    raise unknown_name("recipe", recipe, known, "or give the path of a TOML file that exists")


def follow_up(metrics: dict) -> str:
    """A command that shows what the model learned."""
    classes, attributes = metrics["classes"], metrics["attributes"]
    known = metrics["directions"]
    ends = [name for name in classes if name in known]
    if len(ends) > 1:
        first, last = ("1", "7") if {"1", "7"} <= set(ends) else (ends[0], ends[-1])
        return f"morph {_word(first)} {_word(last)}"
    moves = [name for name in attributes if name in known]
    return f"edit --attr {_word(moves[0])}" if moves else "map"


def _word(name: str) -> str:
    import shlex

    return shlex.quote(name)


def _auc(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"
