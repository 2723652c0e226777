"""One self-contained HTML page out of sections: nothing is fetched, everything is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from latentlab.errors import DataError
from latentlab.report.template import asset, fill, prose, script_data

# What a figure can need: the style sheets and scripts that then go into the page.
ASSETS: dict[str, tuple[str, ...]] = {
    "strip": ("strip.css", "strip.js"),
    "map": (
        "view.js",
        "map/map.css",
        "map/data.js",
        "map/index.js",
        "map/points.js",
        "map/plot.js",
        "map/colour.js",
        "map/picture.js",
        "map/place.js",
        "map/export.js",
        "map/card.js",
        "map/tray.js",
        "map/gallery.js",
        "map/lasso.js",
        "map/search.js",
        "map/bench.js",
        "map/map.js",
    ),
    "bench": (
        "view.js",
        "bench/bench.css",
        "bench/model.js",
        "bench/support.js",
        "bench/path.js",
        "bench/state.js",
        "bench/link.js",
        "bench/still.js",
        "bench/picture.js",
        "bench/start.js",
        "bench/slider.js",
        "bench/morph.js",
        "bench/grid.js",
        "bench/gauge.js",
        "bench/save.js",
        "bench/bench.js",
    ),
}
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'{}; style-src 'unsafe-inline'; img-src data: blob:; "
    "worker-src blob:; base-uri 'none'; form-action 'none'"
)

NOTHING = Markup()


@dataclass(frozen=True)
class Section:
    """One part of a page; where a page has several, each has its tab.

    Args:
        id: its name in the address of the page, unique there.
        title: its heading.
        html: its content, already escaped.
        summary: one or two sentences under the heading; backticks set code.
        needs: keys of `ASSETS`.
        missing: where there is nothing to show, what to run so that there is.
    """

    id: str
    title: str
    html: Markup = NOTHING
    summary: str = ""
    needs: frozenset[str] = frozenset()
    missing: str = ""


def joined(id: str, title: str, parts: Sequence[Section]) -> Section:
    """Several sections as one, each under a heading of its own."""
    html = [
        Markup("<h3>{}</h3>{}{}").format(
            part.title,
            Markup('<p class="summary">{}</p>').format(prose(part.summary)) if part.summary else "",
            part.html or Markup('<p class="missing">{}</p>').format(prose(part.missing)),
        )
        for part in parts
    ]
    return Section(id, title, Markup().join(html), needs=frozenset().union(*(part.needs for part in parts)))


def render_page(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    provenance: Mapping[str, object] | None = None,
    live: Mapping[str, object] | None = None,
) -> str:
    """Render sections as one HTML page that works from a file, without a network.

    Args:
        title: heading of the page, and of its window.
        subtitle: what the page shows, in a sentence.
        sections: at least one, with ids of their own.
        provenance: how the page was made (model, checkpoint, seed, command), shown at its foot.
        live: the decoder that the page carries, as `Live.data()` gives it; None for a page of finished pictures.

    Returns:
        The page.

    Raises:
        DataError: when there is no section, or two have one id.
    """
    ids = [section.id for section in sections]
    if not ids or len(set(ids)) < len(ids):
        raise DataError(f"expected sections with ids of their own, got {ids}")
    needs = frozenset().union(*(section.needs for section in sections))
    files = list(dict.fromkeys(name for need in ASSETS if need in needs for name in ASSETS[need]))
    host = [] if live is None else ["host.js"]
    page = fill(
        "page.html.jinja",
        title=title,
        subtitle=subtitle,
        sections=sections,
        provenance={key: value for key, value in (provenance or {}).items() if value not in (None, "")},
        policy=POLICY.format("" if live is None else " 'wasm-unsafe-eval'"),
        styles=[asset(name) for name in ["page.css", *files] if name.endswith(".css")],
        scripts=[asset(name) for name in ["page.js", *host, *files] if name.endswith(".js")],
        live=None if live is None else script_data(live),
        runtime="" if live is None else _runtime(),
    )
    return str(page)


def _runtime() -> Markup:
    from latentlab.report.live.runtime import runtime_script

    return Markup(runtime_script())
