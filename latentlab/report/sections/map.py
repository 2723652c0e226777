"""The latent space as a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.scatter_map import Ellipse, scatter_map
from latentlab.report.figures.score import scores as score_list
from latentlab.report.page import Section

CAUTION = "Distances on a map are not latent distances: neighbours are mostly right, gaps and sizes are not."


def map_section(
    coords: np.ndarray,
    title: str,
    axes: tuple[str, str],
    colours: Mapping[str, np.ndarray],
    thumbnails: np.ndarray,
    ids: Sequence[object],
    quality: Mapping[str, float | str] | None = None,
    notes: Sequence[str] = (),
    ellipses: Sequence[Ellipse] = (),
    faithful: bool = False,
) -> Section:
    """Show points to move over, to colour, to search and to pin.

    Args:
        coords: of shape (n, 2).
        title: of the section.
        axes: names of the axes.
        colours: see `scatter_map`.
        thumbnails: of shape (n, c, h, w).
        ids: one a point.
        quality: how well the map keeps the latent space.
        notes: what the reader should know.
        ellipses: outlines with captions.
        faithful: whether the map is the latent space itself, so that its distances can be trusted.
    """
    figure = scatter_map(coords, title, axes, colours, thumbnails, ids, ellipses)
    said = list(notes) if faithful else [CAUTION, *notes]
    if 0 < figure.pictures < len(coords):
        said.append(f"To keep the page small, {figure.pictures:,} of {len(coords):,} points carry a picture.")
    html = [figure.html, score_list(quality or {}), note_list(said)]
    return Section("map", title, Markup().join(html), needs=figure.needs)
