"""How the model was trained: the curves of its history."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from latentlab.report.figures.curve import Line, curve
from latentlab.report.figures.score import UNITS
from latentlab.report.page import Section

CLOCKS = ("epoch", "step")
SPLITS = ("train", "validation", "val", "test")
# What the history holds beside the curves.
APART = {*CLOCKS, "seconds", "time", "images_per_second"}


def training_section(history: Sequence[Mapping[str, object]]) -> Section:
    """Draw one chart a quantity, with a line a split.

    Args:
        history: one entry an epoch or step: a clock (`epoch` or `step`) and numbers, whose names may
            begin with a split (`train_loss_nats`, `test_loss_nats`) and end with a unit.
    """
    if not history:
        return Section("training", "Training", missing="No history here: `latentlab train` writes one.")
    clock = next((name for name in CLOCKS if name in history[0]), "")
    charts: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for place, entry in enumerate(history, 1):
        for name, value in entry.items():
            if name in APART or isinstance(value, str | bool) or not hasattr(value, "__float__"):
                continue
            split, quantity = _split(name)
            point = (float(entry[clock]) if clock else float(place), float(value))  # type: ignore[arg-type]
            charts.setdefault(quantity, {}).setdefault(split or quantity, []).append(point)
    drawn = [
        curve([Line(name.replace("_", " "), points) for name, points in lines.items()], *_title(quantity, clock))
        for quantity, lines in charts.items()
        if any(math.isfinite(y) for points in lines.values() for _, y in points)
    ]
    html = Markup('<div class="charts">{}</div>').format(Markup().join(drawn))
    return Section("training", "Training", html)


def _split(name: str) -> tuple[str, str]:
    for split in SPLITS:
        for between in "_/.":
            if name.startswith(split + between):
                return split, name[len(split) + 1 :]
    return "", name


def _title(quantity: str, clock: str) -> tuple[str, str, str]:
    unit = next((text for ending, text in UNITS.items() if quantity.endswith(ending)), "")
    ending = next((ending for ending in UNITS if quantity.endswith(ending)), "")
    return quantity.removesuffix(ending).replace("_", " "), clock or "entry", unit
