"""What the model is, and what to think of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from latentlab.report.figures.note import notes
from latentlab.report.figures.score import number, titled
from latentlab.report.page import Section
from latentlab.report.template import fill


def summary_section(card: Mapping[str, object], verdict: Sequence[str] = (), warnings: Sequence[str] = ()) -> Section:
    """Show the model's card, a verdict in a few sentences, and what to beware of.

    Args:
        card: what is known of the model; lists are joined, and a mapping becomes a group of its own.
        verdict: what the scores mean, in plain words.
        warnings: what a reader must not overlook.
    """
    groups = [("", {key: value for key, value in card.items() if not isinstance(value, Mapping)})]
    groups += [(key, dict(value)) for key, value in card.items() if isinstance(value, Mapping)]
    shown = [(name.replace("_", " "), [_row(*item) for item in rows.items()]) for name, rows in groups if rows]
    html = Markup().join([notes(warnings, warning=True), notes(verdict), fill("card.html.jinja", groups=shown)])
    return Section("summary", "Summary", html)


def _row(name: str, value: object) -> tuple[str, str]:
    if isinstance(value, Mapping):
        return name.replace("_", " "), ", ".join(f"{key} {number(each)}" for key, each in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return name.replace("_", " "), ", ".join(number(each) for each in value)
    return titled(name, value)
