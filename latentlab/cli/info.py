"""`latentlab info`: what a checkpoint is, which names it knows, how good it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentlab.cli import option

if TYPE_CHECKING:
    from latentlab.cli.output import Output

# Digits of a hash that tell checkpoints apart; all of them are in the JSON.
HASH_DIGITS = 16


def info(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A bundled model, a run's folder, or a checkpoint.", show_default=False),
    ],
    as_json: option.Json = False,
) -> None:
    """Show what a model is and knows.

    What it was trained on, how good it is, and the names that the other commands can use.
    """
    from latentlab.cli.output import Output
    from latentlab.lab.card import verdict
    from latentlab.lab.lab import load

    output = Output(as_json=as_json)
    lab = load(model, "cpu")
    card = lab.card()
    if as_json:
        output.json(card)
        return
    show(output, card)
    output.line()
    for sentence in verdict(lab):
        output.line(sentence)


def show(output: Output, card: Mapping[str, Any]) -> None:
    """Print a model card."""
    output.line(card["name"], "bold")
    output.pairs(
        {
            "family": f"{card['family']}, {card['network']} network",
            "image": card["image"],
            "latent": ", ".join(f"{name}: {'×'.join(map(str, shape))}" for name, shape in card["latent"].items()),
            "likelihood": card["likelihood"],
            "parameters": f"{card['parameters']:,} ({card['decoder_parameters']:,} in the decoder)",
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
    """Print the scores on the test split, with their units."""
    where = {"source", "split", "images"}
    output.line(f"on {test['images']:,} images of the {test['split']} split of {test['source']}:")
    output.pairs({_unit(k): v for k, v in test.items() if isinstance(v, int | float | str) and k not in where})


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
