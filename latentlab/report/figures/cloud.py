"""Clouds of draws in two latent dimensions, with the ellipse that lies 2σ from the middle of each, beside the prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from latentlab.errors import DataError
from latentlab.report.figures.curve import ticks
from latentlab.report.figures.score import number
from latentlab.report.template import fill

SIDE = 400
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 8, 34
# Of the data's own width, around it.
MARGIN = 0.05
# How far outlines reach, in standard deviations.
OUTLINE = 2.0


@dataclass(frozen=True)
class Cloud:
    """Draws of one normal distribution with a diagonal covariance.

    Args:
        name: of what was drawn from.
        mean: of shape (2,).
        deviation: of shape (2,).
        draws: of shape (k, 2).
    """

    name: str
    mean: np.ndarray
    deviation: np.ndarray
    draws: np.ndarray


def cloud_chart(
    clouds: Sequence[Cloud],
    title: str,
    axes: tuple[str, str],
    prior: Cloud | None = None,
    outlined: bool = True,
    marks: Sequence[tuple[str, np.ndarray]] = (),
    first: int = 1,
) -> Markup:
    """Draw clouds with numbers, each in its colour, in one scale on both axes.

    Args:
        clouds: at least one.
        title: heading of the chart.
        axes: the names of the two dimensions.
        prior: drawn behind them, in grey.
        outlined: whether the prior is normal, and has an outline at 2σ.
        marks: places with a short name each.
        first: the number of the first cloud, which its colour goes by.

    Raises:
        DataError: when there is no cloud, or something is not finite.
    """
    if not clouds:
        raise DataError(f"expected at least one cloud to draw {title!r}, got none")
    everything = [part for cloud in [*clouds, *([prior] if prior else [])] for part in _reach(cloud)]
    places = np.concatenate([*everything, *(place[None] for _, place in marks)])
    if not np.isfinite(places).all():
        raise DataError(f"expected finite places to draw {title!r}, got others")
    low, high = places.min(axis=0), places.max(axis=0)
    half = max(float((high - low).max()) * (0.5 + MARGIN), 1e-6)
    low, high = (low + high) / 2 - half, (low + high) / 2 + half
    scale = (SIDE - LEFT - RIGHT) / (2 * half)

    def across(x: float) -> float:
        return round(LEFT + (float(x) - low[0]) * scale, 1)

    def down(y: float) -> float:
        return round(TOP + (high[1] - float(y)) * scale, 1)

    def shape(cloud: Cloud) -> dict[str, object]:
        rx, ry = (round(float(OUTLINE * value * scale), 1) for value in cloud.deviation)
        return {
            "x": across(cloud.mean[0]), "y": down(cloud.mean[1]), "rx": rx, "ry": ry,
            "dots": Markup("".join(f"M{across(x):g} {down(y):g}h0" for x, y in cloud.draws)),
        }  # fmt: skip

    shown = [
        {
            **shape(cloud),
            "name": str(place),
            "colour": f"var(--series-{(place - 1) % 10})",
            "words": f"{place}, {cloud.name}: μ = ({_pair(cloud.mean)}), σ = ({_pair(cloud.deviation)})",
        }
        for place, cloud in enumerate(clouds, first)
    ]
    bottom = TOP + SIDE - LEFT - RIGHT
    return fill(
        "cloud.html.jinja",
        title=title,
        axes=axes,
        side=SIDE,
        height=bottom + BOTTOM,
        left=LEFT,
        right=SIDE - RIGHT,
        top=TOP,
        bottom=bottom,
        x_ticks=[(across(x), number(x)) for x in ticks(low[0], high[0]) if low[0] <= x <= high[0]],
        y_ticks=[(down(y), number(y)) for y in ticks(low[1], high[1]) if low[1] <= y <= high[1]],
        prior=None if prior is None else {**shape(prior), "name": prior.name, "outlined": outlined},
        clouds=shown,
        marks=[(name, across(place[0]), down(place[1])) for name, place in marks],
    )


def _reach(cloud: Cloud) -> list[np.ndarray]:
    """The draws, and the corners of what is outlined."""
    mean, deviation = np.asarray(cloud.mean, np.float64), np.asarray(cloud.deviation, np.float64)
    return [np.asarray(cloud.draws, np.float64), np.stack([mean - OUTLINE * deviation, mean + OUTLINE * deviation])]


def _pair(values: np.ndarray) -> str:
    return ", ".join(number(float(f"{float(value):.3g}")) for value in values)
