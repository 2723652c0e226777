"""Where the model and what is said about it come from, so that somebody else can make them again."""

from __future__ import annotations

import json
from collections.abc import Mapping

from markupsafe import Markup

from latentlab.report.figures.table import table
from latentlab.report.page import Section
from latentlab.report.template import fill

LISTING = Markup('<pre class="listing" tabindex="0" role="region" aria-label="Recipe">{}</pre>')
SUMMARY = "The command that made this page stands at its foot."


def provenance_section(
    model: Mapping[str, object], files: Mapping[str, str], recipe: Mapping[str, object] | None = None
) -> Section:
    """Show hashes, versions and seeds, and the recipe.

    Args:
        model: what is known of the checkpoint and its training, as plain values.
        files: the SHA-256 of each file of the run, by its name.
        recipe: as the run resolved it; None where the model came without one.
    """
    rows = [(str(name).replace("_", " "), "–" if value in (None, "") else str(value)) for name, value in model.items()]
    html = [fill("card.html.jinja", groups=[("", rows)])]
    if files:
        html.append(table(["file", "SHA-256"], [[name, digest] for name, digest in files.items()], "files of the run"))
    if recipe:
        text = json.dumps(recipe, indent=2, ensure_ascii=False)
        html.append(Markup("<h3>Recipe</h3>") + LISTING.format(text))
    return Section("provenance", "Provenance", Markup().join(html), SUMMARY)
