"""`latentlab info`: what a checkpoint is, which names it knows, how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentlab.cli import option

if TYPE_CHECKING:
    from latentlab.cli.output import Output
    from latentlab.lab.claim_trial import Trial

# Digits of a hash that tell checkpoints apart; all of them are in the JSON.
HASH_DIGITS = 16
# Ways to read a file, the nearest first, and the one that was taken; all of them are in the JSON.
SHOWN_TRIALS = 8


def info(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A bundled model, a run's folder, or a checkpoint, ours or somebody else's.",
            show_default=False,
        ),
    ],
    data: option.Data = None,
    root: option.Root = None,
    split: option.SplitOf = None,
    count: option.Load = option.ENOUGH,
    download: option.Download = False,
    image_size: option.ImageSize = None,
    channels: option.Channels = None,
    range_: option.Range = None,
    activation: option.Activation = None,
    ending: option.Ending = None,
    classes: option.Classes = None,
    loader: option.Loader = None,
    seed: option.Seed = 0,
    as_json: option.Json = False,
) -> None:
    """Show what a model is and knows.

    What it was trained on, how good it is, and the names that the other commands can use. Of a model that was trained
    elsewhere: how each fact was told from its file, and what the file does not tell; with --data, what it makes of
    images, and whether it was opened rightly.
    """
    from latentlab.checkpoints.foreign.opened import Claims
    from latentlab.cli.input import read_claims, read_data
    from latentlab.cli.output import Output
    from latentlab.lab.card import verdict
    from latentlab.lab.claim_trial import adopted, evident, try_claims
    from latentlab.lab.lab import load
    from latentlab.lab.measure import measure

    output = Output(as_json=as_json)
    claims = read_claims(image_size, channels, range_, activation, ending, classes)
    lab = load(model, "cpu", claims=claims, loader=loader)
    card = lab.card()
    if not as_json:
        show(output, card)
        _show_opened(output, card["opened"], adopted=adopted(lab))
        output.line()
        # Where scores are about to be measured, that none came with the model is no news.
        for sentence in verdict(lab) if data is None or card["test"] else ():
            output.line(sentence)
        output.line()
    images = read_data(output, data, lab, root=root, split=split, count=count, seed=seed, download=download)
    if images is None:
        if as_json:
            output.json(card)
        return
    with output.progress() as progress:
        measured = measure(lab, images, seed=seed, progress=progress)
        # Whoever's code made the model knows what it takes.
        trials = try_claims(lab, images, claims or Claims(), progress) if card["opened"] and not loader else []
    spread = measured["mean_square_error_of_the_mean_image"]
    wrong = evident(trials, spread)
    if card["opened"] and not trials and measured["mean_square_error"] >= spread:
        wrong = "images come back worse than as the mean of all of them: it was trained on other images, or not at all"
    if as_json:
        tried = [
            {**trial.claims, "mean_square_error": trial.mean_square_error, "taken": trial.taken} for trial in trials
        ]
        output.json({**card, "measured": measured, "trials": tried, "warnings": [wrong] if wrong else []})
        return
    test_scores(output, measured)
    _show_trials(output, trials)
    output.say_notes([wrong] if wrong else [])


def show(output: Output, card: Mapping[str, Any]) -> None:
    """Print a model card."""
    output.line(card["name"], "bold")
    origin = card["opened"].get("origin")
    output.pairs(
        {
            "family": f"{card['family']}, {card['network']} network" if origin is None else f"a model of {origin}",
            "image": card["image"],
            "latent": ", ".join(f"{name}: {'×'.join(map(str, shape))}" for name, shape in card["latent"].items()),
            "likelihood": card["likelihood"],
            "parameters": _parameters(card),
            "trained on": _trained(card),
            "gallery": f"{card['gallery']:,} test images" if card["gallery"] else "none",
            "checkpoint": card["checkpoint"][:HASH_DIGITS],
            "made with": ", ".join(f"{name} {version}" for name, version in card["versions"].items()) or None,
        }
    )
    if card["test"]:
        output.line()
        test_scores(output, card["test"])
    if card["knows"]:
        output.line()
        output.line("knows, with held-out AUC:")
        output.pairs({name: None if auc is None else f"{auc:.3f}" for name, auc in card["knows"].items()})


def test_scores(output: Output, test: Mapping[str, Any]) -> None:
    """Print the scores on some images, with their units."""
    where = {"source", "split", "images"}
    split = "" if test["split"] == "all" else f" of the {test['split']} split"
    output.line(f"on {test['images']:,} images{split} of {test['source']}:")
    output.pairs({_unit(k): v for k, v in test.items() if isinstance(v, int | float | str) and k not in where})


def _show_opened(output: Output, opened: Mapping[str, Any], *, adopted: bool) -> None:
    """How facts were told from a file, what it does not tell, and what to beware of."""
    if not opened:
        return
    output.line()
    output.line("told from the file:")
    for line in opened["told"]:
        output.line(f"  {line}")
    if opened["missing"]:
        output.line()
        output.line("not told by it, and taken to be:")
        # Of a model that is adopted all has been said.
        said = {f["name"]: "" if adopted or not f["option"] else f" ({f['option']})" for f in opened["missing"]}
        output.pairs({f["name"]: f["taken"] + said[f["name"]] for f in opened["missing"]})
    output.say_notes(opened["warnings"])


def _show_trials(output: Output, trials: list[Trial]) -> None:
    if not trials:
        return
    output.line()
    output.line(f"what the file does not tell, tried out in {len(trials)} ways on a few hundred of them:")
    shown = [trial for place, trial in enumerate(trials) if place < SHOWN_TRIALS or trial.taken]
    rows = [
        [trial.options, f"{trial.mean_square_error:.4f}", "as it was opened" if trial.taken else ""] for trial in shown
    ]
    output.table(["with", "mean square error", ""], rows)


def _parameters(card: Mapping[str, Any]) -> str:
    """All of them, and those of the decoder, which in a program cannot be told from the others, or not at all."""
    whole, decoder = card["parameters"], card["decoder_parameters"]
    if not whole:
        return "unknown"
    return f"{whole:,}" if decoder == whole else f"{whole:,} ({decoder:,} in the decoder)"


def _trained(card: Mapping[str, Any]) -> str | None:
    data, training = card["trained_on"], card["training"]
    if not data:
        return None
    text = f"{data.get('images', 0):,} images of {data.get('source', '?')}"
    if training:
        from latentlab.cli.progress import clock

        text += f", {training['epochs']} epochs in {clock(training['seconds'])} on {training['device']}"
    return text


def _unit(key: str) -> str:
    """`kl_nats` as people read it: the unit behind the name, in brackets."""
    name, _, unit = key.rpartition("_")
    return f"{name} ({unit})" if unit == "nats" else key
