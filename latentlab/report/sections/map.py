"""The latent space as a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from latentlab.maps.inverse import Inverse
from latentlab.report.figures.map_quality import map_quality_figure
from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.scatter_map import Ellipse, ScatterMap, scatter_map
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
    inverse: Inverse | None = None,
    split: str = "",
    seed: int = 0,
    pictured: np.ndarray | None = None,
) -> Section:
    """Show points to move over, to colour, to search, to pin and to gather.

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
        inverse: see `scatter_map`; None for a page that is not to decode between points.
        split: see `scatter_map`.
        seed: of the sample that is drawn of too many points.
        pictured: see `scatter_map`.
    """
    figure = scatter_map(coords, title, axes, colours, thumbnails, ids, ellipses, inverse, split, seed, pictured)
    said = [*([] if faithful else [CAUTION]), *notes, *_left_out(figure, len(coords), len(thumbnails), inverse, seed)]
    plane = inverse is not None and inverse.kind == "plane"
    html = [figure.html, map_quality_figure(quality or {}, len(coords), faithful, plane), note_list(said)]
    return Section("map", title, Markup().join(html), needs=figure.needs)


def _left_out(figure: ScatterMap, count: int, pictures: int, inverse: Inverse | None, seed: int) -> list[str]:
    """What is not there, and by which rule."""
    said = []
    if figure.points < count:
        rule = "" if figure.groups == "none" else f", with the share of each value of “{figure.groups}” kept"
        said.append(f"{figure.points:,} of {count:,} points are drawn: a random sample{rule} (seed {seed}).")
    if pictures and figure.pictures < figure.points:
        said.append(
            f"To keep the page small, {figure.pictures:,} of {figure.points:,} points carry a picture, evenly spaced."
        )
    if inverse is not None and figure.latents is not None and figure.latents < figure.points:
        said.append(
            f"To keep the page small, {figure.latents:,} of {figure.points:,} points carry their latent, evenly "
            "spaced: means of the nearest points are means of these."
        )
    return said
