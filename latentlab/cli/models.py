"""`latentlab models`: what is bundled."""

from __future__ import annotations

from latentlab.cli import option


def models(as_json: option.Json = False) -> None:
    """List the models that come with latentlab."""
    from latentlab.cli.output import Output
    from latentlab.runs.bundled import bundled_cards

    output = Output(as_json=as_json)
    cards = bundled_cards()
    if as_json:
        output.json(cards)
        return
    rows = []
    for card in cards:
        test, names = card["test"], list(card["directions"])
        rows.append(
            [
                card["name"], test["latent_size"], test.get("negative_elbo_nats"), test["reconstruction_nats"],
                test["mean_square_error"], ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else ""),
            ]
        )  # fmt: skip
    output.table(["model", "latent", "−ELBO (nats)", "loss (nats)", "square error", "knows"], rows)
    output.line()
    output.line("more about one: latentlab info NAME", "dim")


SHOWN = 12
