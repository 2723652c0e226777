"""How well classes are read from latents, from pixels and from principal components, by the number of labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from latentlab.evaluation.feature import FeatureAccuracy, FeatureScores
from latentlab.report.figures.curve import Line, curve
from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.table import table
from latentlab.report.page import Section

NAMES = {"linear": "Linear probe", "knn": "kNN"}
KINDS = {"latents": "latents", "pixels": "pixels", "pca": "PCA"}
SUMMARY = (
    "A few labelled images teach a reader to name the others: from the latents, from the pixels, and from as many "
    "principal components of the pixels as the latent has dimensions. All readers are given the same labels. What "
    "latents are worth as features is what they name beyond the other two."
)


def probe_section(found: FeatureScores, read: str, notes: Sequence[str] = ()) -> Section:
    """Show accuracies as curves over the number of labels, and as a table with their standard errors.

    Args:
        found: the accuracies.
        read: what was read, such as "class".
        notes: what they mean.
    """
    budgets = list(dict.fromkeys(row.labels_per_class for row in found.rows))
    html, charts = [], []
    for reader in dict.fromkeys(row.reader for row in found.rows):
        rows = [row for row in found.rows if row.reader == reader]
        kinds = list(dict.fromkeys(row.features for row in rows))
        lines = [Line(KINDS.get(kind, kind), _points([row for row in rows if row.features == kind])) for kind in kinds]
        if any(len(line.points) > 1 for line in lines):
            charts.append(curve(lines, f"{NAMES[reader]}: share named rightly", "log₁₀ of labels a class"))
        by = {(row.features, row.labels_per_class): row for row in rows}
        cells = [
            [
                f"{KINDS.get(kind, kind)} ({found.dimensions[kind]:,} numbers)",
                *(_cell(by[kind, one]) for one in budgets),
            ]
            for kind in kinds
        ]
        for other in ("pixels", "pca"):
            differences = [_difference(found, other, reader, one) for one in budgets]
            cells.append([f"latents − {KINDS.get(other, other)}", *differences])
        columns = [NAMES[reader], *("all labels" if one is None else f"{one} a class" for one in budgets)]
        html.append(
            table(
                columns,
                cells,
                f"{read} of {found.test_images:,} test images: named rightly ± standard error; differences in points",
            )
        )
    return Section(
        "probe",
        "Latents as features",
        Markup('<div class="charts">{}</div>').format(Markup().join(charts)) + Markup().join(html) + note_list(notes),
        SUMMARY,
    )


def _points(rows: Sequence[FeatureAccuracy]) -> list[tuple[float, float]]:
    """Without the one of all labels, whose number differs from class to class."""
    return [(math.log10(row.labels_per_class), row.accuracy) for row in rows if row.labels_per_class is not None]


def _cell(row: FeatureAccuracy) -> str:
    return f"{row.accuracy:.1%} ± {row.standard_error:.1%}"


def _difference(found: FeatureScores, other: str, reader: str, budget: int | None) -> str:
    value, error = found.difference("latents", other, reader, budget)
    return f"{100 * value:+.1f} ± {100 * error:.1f}".replace("-", "−")
