"""The map: a scatter of latents with their pictures, colours to choose, a search, points to pin and to gather."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from latentlab.errors import DataError
from latentlab.maps.inverse import Inverse
from latentlab.picture.atlas import Atlas
from latentlab.picture.encode import data_uri
from latentlab.report.figures.map_layer import Layer, build_layers
from latentlab.report.figures.map_picture import build_pictures
from latentlab.report.figures.packed import packed, packed_codes
from latentlab.report.figures.picture import cells
from latentlab.report.figures.score import number
from latentlab.report.template import fill, script_data
from latentlab.statistics.sample import stratified_rows

# What a browser draws in a frame or two. Of more points a sample is drawn, and the page says so.
MOST_POINTS = 200_000
LATENT_BUDGET_BYTES = 3_000_000
TABLE_ROWS = 200
ELLIPSE_CORNERS = 72


@dataclass(frozen=True)
class Ellipse:
    """An outline on the map, such as the 2σ region of a posterior.

    Args:
        center: of shape (2,).
        axes: of shape (2, 2); its rows are the semi-axes.
        caption: what it is.
    """

    center: np.ndarray
    axes: np.ndarray
    caption: str = ""


@dataclass(frozen=True)
class ScatterMap:
    """A map as HTML, and what it needs and leaves out.

    Args:
        html: the figure.
        needs: keys of `page.ASSETS`.
        points: how many points are drawn.
        pictures: how many of them have a picture.
        latents: how many of them carry their latent; None where the page has no way back from a place.
        groups: the layer by whose values points were drawn when there were too many; "" where all are there.
    """

    html: Markup
    needs: frozenset[str]
    points: int
    pictures: int
    latents: int | None
    groups: str = ""


def scatter_map(
    coords: np.ndarray,
    title: str,
    axes: tuple[str, str],
    colours: Mapping[str, np.ndarray],
    thumbnails: np.ndarray,
    ids: Sequence[object],
    ellipses: Sequence[Ellipse] = (),
    inverse: Inverse | None = None,
    split: str = "",
    seed: int = 0,
    pictured: np.ndarray | None = None,
) -> ScatterMap:
    """Draw points that show their pictures.

    Args:
        coords: of shape (n, 2), finite. Beyond 200,000 points a sample stratified by the first classes is drawn.
        title: what the map shows, for those who hear the page.
        axes: names of the axes.
        colours: what the points can be coloured by: names of classes, or numbers. Numbers that are all
            0, 1 or missing are an attribute that is there or not.
        thumbnails: of shape (n, c, h, w), or (0, …) for none. Beyond 10 MB evenly spaced points keep theirs.
        ids: one a point.
        ellipses: outlines with captions.
        inverse: the latents of the points, and the way back from a place between them, for a page that decodes. Beyond
            3 MB evenly spaced points carry theirs.
        split: the split that all points come from, for what readers take away; "" where `colours` says it.
        seed: of the sample.
        pictured: the points that thumbnails are of, ascending, where not all points have one; None for all.

    Raises:
        DataError: when the arrays are not of one length, a coordinate is not finite, or there are no points.
    """
    coords = np.asarray(coords, dtype=np.float32)
    thumbnails, names = np.asarray(thumbnails), [str(name) for name in ids]
    if pictured is None:
        pictured = np.arange(len(thumbnails))
        _check(coords, thumbnails, names, colours, inverse)
    else:
        _check(coords, thumbnails[:0], names, colours, inverse)
    layers = build_layers(colours)
    rows, groups = np.arange(len(coords)), ""
    if len(coords) > MOST_POINTS:
        rows, groups = _sample(layers, len(coords), seed)
        coords, layers, names = coords[rows], [layer.take(rows) for layer in layers], [names[row] for row in rows]
        drawn = np.isin(pictured, rows)
        thumbnails, pictured = thumbnails[drawn], np.searchsorted(rows, pictured[drawn])
    count = len(coords)
    pictures = build_pictures(thumbnails, coords[pictured]).of(pictured)
    slots = pictures.slots(count)
    back = None if inverse is None else _way_back(inverse, rows)
    data = {
        "x": packed(coords[:, 0], "f4"),
        "y": packed(coords[:, 1], "f4"),
        "axes": list(axes),
        "ids": names,
        "layers": [layer.data() for layer in layers],
        "split": split,
        "slots": None if (slots == np.arange(count)).all() else packed_codes(slots, len(pictures.points)),
        "atlases": [_described(atlas) for atlas in pictures.atlases],
        "cells": bool(len(thumbnails)) and cells(thumbnails),
        "ellipses": [_outline(ellipse) for ellipse in ellipses],
        "inverse": back,
    }
    html = fill(
        "map/map.html.jinja",
        title=title,
        axes=axes,
        layers=[layer.title for layer in layers],
        data=script_data(data),
        atlases=[data_uri(atlas.content, "image/webp") for atlas in pictures.atlases],
        count=count,
        rows=_table(names, coords, layers),
        pictures=len(pictures.points),
    )
    carried = None if back is None or inverse is None else _carried(inverse, count)
    return ScatterMap(html, frozenset({"map"}), count, len(pictures.points), carried, groups)


def _check(
    coords: np.ndarray,
    thumbnails: np.ndarray,
    ids: Sequence[str],
    colours: Mapping[str, np.ndarray],
    inverse: Inverse | None,
) -> None:
    lengths = {"ids": len(ids), **{f"colour {name}": len(values) for name, values in colours.items()}}
    if inverse is not None:
        lengths["latents"] = len(inverse.latents)
    count = len(coords)
    wrong = [f"{length} {name}" for name, length in lengths.items() if length != count]
    if count == 0 or coords.ndim != 2 or coords.shape[1] != 2 or len(thumbnails) not in (0, count) or wrong:
        shapes = f"{coords.shape} and thumbnails {np.shape(thumbnails)} {' '.join(wrong)}".strip()
        raise DataError(f"expected coordinates of shape (n, 2) and one picture, id and colour a point, got {shapes}")
    if not np.isfinite(coords).all():
        raise DataError("expected finite coordinates, got NaN or infinity; leave those points out")


def _sample(layers: Sequence[Layer], count: int, seed: int) -> tuple[np.ndarray, str]:
    """Rows that are drawn of too many, and the name of the layer whose shares they keep."""
    for layer in layers:
        if layer.categories and len(layer.categories) <= MOST_POINTS:
            return stratified_rows(layer.codes, MOST_POINTS, seed), layer.title
    return stratified_rows(np.zeros(count), MOST_POINTS, seed), "none"


def _way_back(inverse: Inverse, rows: np.ndarray) -> dict[str, object]:
    """What the page needs to find latents of places. A latent map needs none: its coordinates are the latents."""
    size = inverse.latents.shape[1]
    back: dict[str, object] = {"kind": inverse.kind, "size": size, "neighbours": inverse.neighbours}
    if inverse.kind == "latent":
        return back
    if inverse.kind == "plane":
        back |= {"center": packed(np.asarray(inverse.center), "f4"), "axes": packed(np.asarray(inverse.axes), "f4")}
    kept = np.linspace(0, len(rows) - 1, _carried(inverse, len(rows))).round().astype(int)
    if len(kept) < len(rows):
        back["points"] = packed(kept, "u4")
    return back | {"latents": packed(inverse.latents[rows[kept]], "f2")}


def _carried(inverse: Inverse, count: int) -> int:
    return count if inverse.kind == "latent" else min(count, LATENT_BUDGET_BYTES // (2 * inverse.latents.shape[1]))


def _table(ids: Sequence[str], coords: np.ndarray, layers: Sequence[Layer]) -> list[tuple[str, ...]]:
    return [
        (ids[row], *(number(float(value)) for value in coords[row]), *(layer.text(row) for layer in layers))
        for row in range(min(len(ids), TABLE_ROWS))
    ]


def _described(atlas: Atlas) -> dict[str, int]:
    return {
        "first": atlas.first,
        "count": atlas.count,
        "columns": atlas.columns,
        "width": atlas.width,
        "height": atlas.height,
    }


def _outline(ellipse: Ellipse) -> dict[str, object]:
    turn = np.linspace(0.0, 2.0 * np.pi, ELLIPSE_CORNERS)
    corners = ellipse.center + np.cos(turn)[:, None] * ellipse.axes[0] + np.sin(turn)[:, None] * ellipse.axes[1]
    x, y = (np.round(line, 5).tolist() for line in np.asarray(corners, dtype=np.float64).T)
    return {"x": x, "y": y, "caption": ellipse.caption}
