"""The directions of a model, and how well each reads what it claims to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.picture import gallery
from latentlab.report.figures.table import table
from latentlab.report.page import Section

SIDE = 72


@dataclass(frozen=True)
class AttributeRow:
    """One direction.

    Args:
        name: the attribute or class.
        positives: images with it that the direction was found from.
        negatives: images without it.
        auc: of the probe on held-out images, or None.
        gap: length of the direction in the latent space.
        note: a warning about it.
        average_with: the decoded mean latent of the images with it, of shape (c, h, w), or None.
        average_without: that of those without.
        auc_interval: the 95 % bootstrap interval of the AUC, or None.
        accuracy: the share of held-out images that the probe reads right, with and without counting alike, or None.
        angle_degrees: by how much other images would turn the direction, or None.
        p_value: of the direction against shuffled labels, or None.
    """

    name: str
    positives: int
    negatives: int
    auc: float | None
    gap: float
    note: str = ""
    average_with: np.ndarray | None = None
    average_without: np.ndarray | None = None
    auc_interval: tuple[float, float] | None = None
    accuracy: float | None = None
    angle_degrees: float | None = None
    p_value: float | None = None


def attributes_section(rows: Sequence[AttributeRow], notes: Sequence[str] = ()) -> Section:
    """Show each attribute with its average images, counts and held-out AUC.

    Args:
        rows: one an attribute.
        notes: what the reader should know.
    """
    averages = any(row.average_with is not None or row.average_without is not None for row in rows)
    pictures = [
        [_average(row.average_without, f"{row.name}, without"), _average(row.average_with, f"{row.name}, with")]
        for row in rows
    ]
    said = any(row.note for row in rows)
    headers = [
        "attribute",
        *(["average without", "average with"] if averages else []),
        "with",
        "without",
        "held-out AUC",
        "reads right",
        "known to within",
        "shuffled labels",
        "gap ‖v‖",
        *(["note"] if said else []),
    ]
    cells = [
        [
            row.name,
            *(pair if averages else []),
            row.positives,
            row.negatives,
            _auc(row.auc, row.auc_interval),
            None if row.accuracy is None else f"{row.accuracy:.1%}",
            None if row.angle_degrees is None else f"{row.angle_degrees:.0f}°",
            None if row.p_value is None else f"p = {row.p_value:.3f}",
            row.gap,
            *([row.note] if said else []),
        ]
        for row, pair in zip(rows, pictures, strict=True)
    ]
    summary = (
        "An edit of α = 1 moves by v; by default v = mean(z with) − mean(z without). The AUC is that of a linear probe "
        "on images that neither the direction nor the probe has seen: 0.5 is a coin, 1 is certain. Known to within: by "
        "how much other images would turn the direction (95 %, bootstrap). Shuffled labels: how often they are ranked "
        "by the direction as well as the true ones."
    )
    html = Markup().join([table(headers, cells), note_list(notes)])
    return Section("attributes", "Attributes", html, summary)


def _average(image: np.ndarray | None, alt: str) -> Markup:
    return Markup() if image is None else gallery(image[None], [f"average image of {alt}"], side=SIDE)


def _auc(value: float | None, interval: tuple[float, float] | None) -> Markup:
    if value is None:
        return Markup("–")
    # The bar starts at chance.
    width = round(100 * min(max(2 * value - 1, 0.0), 1.0))
    bar = Markup('<span class="meter" aria-hidden="true"><i style="width: {}%"></i></span>')
    between = "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]"
    return bar.format(width) + f"{value:.3f}{between}"
