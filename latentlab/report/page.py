"""One self-contained HTML page out of sections: nothing is fetched, everything is escaped."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from markupsafe import Markup

from latentlab.errors import DataError
from latentlab.report.template import asset, fill, prose, script_data

# What a figure can need: the style sheets and scripts that then go into the page.
ASSETS: dict[str, tuple[str, ...]] = {
    "strip": ("strip.css", "strip.js"),
    "map": (
        "view.js",
        "map.css",
        "map_data.js",
        "map_index.js",
        "map_points.js",
        "map_plot.js",
        "map_colour.js",
        "map_picture.js",
        "map_place.js",
        "map_export.js",
        "map_card.js",
        "map_tray.js",
        "map_gallery.js",
        "map_lasso.js",
        "map_search.js",
        "map_bench.js",
        "map.js",
    ),
    "bench": (
        "view.js",
        "bench.css",
        "bench_model.js",
        "bench_support.js",
        "bench_path.js",
        "bench_state.js",
        "bench_link.js",
        "bench_still.js",
        "bench_picture.js",
        "bench_start.js",
        "bench_slider.js",
        "bench_morph.js",
        "bench_grid.js",
        "bench_gauge.js",
        "bench_save.js",
        "bench.js",
    ),
    "plotly": (),
    "plotly-gl": (),
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
        policy=POLICY.format(_evaluation(needs, live)),
        styles=[asset(name) for name in ["page.css", *files] if name.endswith(".css")],
        scripts=[asset(name) for name in ["page.js", *host, *files] if name.endswith(".js")],
        live=None if live is None else script_data(live),
        runtime="" if live is None else _runtime(),
        plotly=plotly_bundle() if needs & {"plotly", "plotly-gl"} else "",
    )
    return str(page)


def _runtime() -> Markup:
    from latentlab.report.live.runtime import runtime_script

    return Markup(runtime_script())


def _evaluation(needs: frozenset[str], live: Mapping[str, object] | None) -> str:
    """What scripts may compile beside themselves: WebGL plots functions of theirs, a live decoder its kernels."""
    gl = " 'unsafe-eval'" if "plotly-gl" in needs else ""
    return gl if live is None else f"{gl} 'wasm-unsafe-eval'"


@cache
def plotly_bundle() -> str:
    """plotly.js, gzipped and in base64 (2 MB instead of 5): the page inflates it itself."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), compresslevel=9, mtime=0)).decode("ascii")
