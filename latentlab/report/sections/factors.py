"""Disentanglement with its ceiling and null, and which latent dimension knows of which factor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from latentlab.evaluation.disentanglement.factor import BINS
from latentlab.evaluation.disentanglement.score import Disentanglement
from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.score import number
from latentlab.report.figures.table import table
from latentlab.report.page import Section

MOST_DIMENSIONS = 24
SUMMARY = (
    "Whether one latent dimension stands for one factor. MIG, DCI and SAP look for a gap between the best dimension "
    "and the next; FactorVAE asks which dimension stays still when a factor is held, and is high for mixed codes as "
    "well. Each score is from 0 to 1, and is to be read between its null and its ceiling."
)


def factors_section(found: Disentanglement, notes: Sequence[str] = ()) -> Section:
    """Show the scores, and the information that dimensions hold about factors.

    Args:
        found: the scores.
        notes: what they mean.
    """
    rows = [
        [
            score.name, f"{score.value:.3f}", f"{score.low:.3f} to {score.high:.3f}", f"{score.null_mean:.3f}",
            f"{score.ceiling:.3f}", f"{score.share:.0%}", number(score.p_value),
        ]
        for score in found.scores
    ]  # fmt: skip
    columns = ["score", "value", "95 % interval", "null", "ceiling", "between them", "p"]
    caption = f"over {found.images:,} images; null: factors shuffled among the images; ceiling: the factors as the code"
    information = found.information_nats
    order = np.argsort(-information.max(axis=1), kind="stable")[:MOST_DIMENSIONS]
    known = [[f"dim {j}", *(float(value) for value in np.round(information[j], 2))] for j in order]
    # The plug-in estimate of independent columns of so many levels.
    bias = (BINS - 1) ** 2 / (2 * found.images)
    left_out = "" if len(order) == len(information) else f"; the {len(order)} that know most, of {len(information)}"
    html = [
        table(columns, rows, caption),
        table(
            ["dimension", *found.factors],
            known,
            f"mutual information of each dimension, in {BINS} bins, with each factor, in nats; where there is "
            f"none, so many images make about {bias:.2f} of it with a factor of {BINS} levels{left_out}",
        ),
        note_list(notes),
    ]
    return Section("factors", "Factors", Markup().join(html), SUMMARY)
