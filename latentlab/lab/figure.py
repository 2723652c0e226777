"""A map as a plotly figure, for those who go on from there in a notebook of their own."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from latentlab.lab.map import Map

# Above this many points WebGL draws them.
MOST_SVG_POINTS = 5_000


def map_figure(shown: Map, colour: str | None = None) -> Figure:
    """Draw a map with plotly.

    Args:
        shown: the map.
        colour: a name in `shown.colours`; None for the first.

    Returns:
        A figure with one trace a class, or one with a colour scale for a score; its hover tells the id.

    Raises:
        UnknownNameError: when there is no such colour.
    """
    from plotly.graph_objects import Figure, Scatter, Scattergl

    from latentlab.errors import unknown_name

    name = next(iter(shown.colours)) if colour is None else colour
    if name not in shown.colours:
        raise unknown_name("colour", name, shown.colours)
    values = shown.colours[name]
    # plotly reads a little HTML in text.
    ids = np.array([escape(str(each)) for each in shown.table.ids], dtype=object)
    points = Scattergl if len(values) > MOST_SVG_POINTS else Scatter
    figure = Figure()
    numbers = values.dtype.kind in "fiub"
    for group in [None] if numbers else sorted(set(values)):
        rows = slice(None) if group is None else values == group
        marker = {"color": values, "colorscale": "Viridis", "showscale": True} if group is None else {}
        x, y = shown.projection.coords[rows].T
        figure.add_trace(
            points(x=x, y=y, mode="markers", marker=marker, text=ids[rows], hoverinfo="text",
                   name=escape(name if group is None else str(group)))
        )  # fmt: skip
    across, up = shown.projection.axes
    figure.update_layout(
        title=escape(shown.title),
        xaxis_title=escape(across),
        yaxis={"title": escape(up), "scaleanchor": "x"},
        legend_title=escape(name),
    )
    return figure
