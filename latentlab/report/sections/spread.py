"""How latents spread over their dimensions, and which of these go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from latentlab.report.figures.bars import bars
from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.score import scores
from latentlab.report.figures.table import table
from latentlab.report.page import Section

MOST_DIMENSIONS = 64
NAMES = {
    "latent_size": "dimensions",
    "principal_axes_90": "principal axes for 90 %",
    "principal_axes_99": "principal axes for 99 %",
    "largest_correlation": "largest |correlation|",
}
SUMMARY = (
    "Effective dimension is (Σλ)² / Σλ² over the variances λ along principal axes: as many as there are dimensions "
    "where latents spread alike in all directions, 1 where they lie on a line. Dead: a deviation below a tenth of the "
    "widest."
)


def spread_section(
    values: Mapping[str, object],
    variance: np.ndarray,
    correlations: Sequence[tuple[int, int, float]],
    notes: Sequence[str] = (),
) -> Section:
    """Show variances and correlations.

    Args:
        values: numbers by name.
        variance: of each dimension, of shape (d,).
        correlations: pairs of dimensions and r, largest first.
        notes: what the reader should know.
    """
    order = np.argsort(-variance, kind="stable")[:MOST_DIMENSIONS]
    cut = f", the {MOST_DIMENSIONS} largest of {len(variance):,}" if len(variance) > MOST_DIMENSIONS else ""
    chart = bars(
        [f"dim {dimension}" for dimension in order],
        [float(variance[dimension]) for dimension in order],
        f"Variance of each dimension{cut}",
        "dimensions, in the order of their variance",
    )
    html = [
        scores({NAMES.get(name, name): value for name, value in values.items()}),
        Markup('<div class="charts">{}</div>').format(chart),
    ]
    if correlations:
        rows = [[f"dim {first}", f"dim {second}", f"{r:+.3f}".replace("-", "−")] for first, second, r in correlations]
        html.append(table(["dimension", "and", "correlation"], rows, "the pairs of dimensions that go together most"))
    return Section("spread", "Spread", Markup().join([*html, note_list(notes)]), SUMMARY)
