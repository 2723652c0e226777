"""What the reader has to know beside a picture."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from latentlab.report.template import fill


def notes(lines: Sequence[str], warning: bool = False) -> Markup:
    """Show sentences as a list of notes; backticks set code. Nothing for no sentences."""
    return fill("notes.html.jinja", lines=lines, warning=warning) if len(lines) else Markup()
