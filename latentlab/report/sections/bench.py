"""The bench: a latent to move, with the picture it makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from latentlab.report.figures.bench import NEEDS, Bench, bench_figure
from latentlab.report.figures.note import notes
from latentlab.report.page import Section

WITHOUT = "the page carries no decoder"


def bench_section(bench: Bench, live: Mapping[str, Any] | None = None, why: str = "") -> Section:
    """Show the bench.

    Args:
        bench: what `lab.bench.gather_bench` put together.
        live: the decoder that the page carries, as `Live.data()` gives it to `render_page` too; None for none.
        why: where there is none, the reason in a few words, such as "--no-live was asked for".

    Returns:
        The section with the id "bench".
    """
    doubts = [f"{one.direction.name}: {one.doubt}" for one in bench.attributes if one.doubt]
    html = [bench_figure(bench, live, why or WITHOUT), notes([*doubts, *bench.left_out])]
    return Section("bench", "Bench", Markup().join(html), needs=NEEDS)
