"""The map: a scatter of latents with their pictures, colours to choose, a search, and points to pin."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from latentlab.errors import DataError
from latentlab.picture.atlas import Atlas, build_atlases
from latentlab.picture.encode import data_uri
from latentlab.report.figures.picture import cells
from latentlab.report.figures.score import number
from latentlab.report.template import fill, script_data

# Beyond this SVG is slow, and one WebGL canvas takes over.
MOST_SVG_POINTS = 5000
PICTURE_BUDGET_BYTES = 10_000_000
TABLE_ROWS = 200
ELLIPSE_CORNERS = 72
UNKNOWN = "unknown"


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
        pictures: how many points have a picture.
    """

    html: Markup
    needs: frozenset[str]
    pictures: int


def scatter_map(
    coords: np.ndarray,
    title: str,
    axes: tuple[str, str],
    colours: Mapping[str, np.ndarray],
    thumbnails: np.ndarray,
    ids: Sequence[object],
    ellipses: Sequence[Ellipse] = (),
) -> ScatterMap:
    """Draw points that show their pictures.

    Args:
        coords: of shape (n, 2).
        title: what the map shows, for those who hear the page.
        axes: names of the axes.
        colours: what the points can be coloured by: names of classes, or numbers. Numbers that are all
            0, 1 or missing are an attribute that is there or not.
        thumbnails: of shape (n, c, h, w), or (0, …) for none. Beyond 10 MB evenly spaced points keep theirs.
        ids: one a point.
        ellipses: outlines with captions.

    Raises:
        DataError: when the arrays are not of one length, or there are no points.
    """
    coords = np.asarray(coords, dtype=np.float32)
    count = len(coords)
    lengths = {"ids": len(ids), **{f"colour {name}": len(values) for name, values in colours.items()}}
    wrong = [f"{length} {name}" for name, length in lengths.items() if length != count]
    if count == 0 or coords.ndim != 2 or coords.shape[1] != 2 or len(thumbnails) not in (0, count) or wrong:
        shapes = f"{coords.shape} and thumbnails {np.shape(thumbnails)} {' '.join(wrong)}".strip()
        raise DataError(f"expected coordinates of shape (n, 2) and one picture, id and colour a point, got {shapes}")
    layers = [_layer(name, np.asarray(values)) for name, values in colours.items()]
    slots, atlases = _atlases(np.asarray(thumbnails))
    gl = count > MOST_SVG_POINTS
    data = {
        "x": _packed(coords[:, 0]),
        "y": _packed(coords[:, 1]),
        "axes": list(axes),
        "ids": [str(name) for name in ids],
        "layers": layers,
        "slots": None if len(slots) == count else _packed(_slot_of_point(slots, count)),
        "atlases": [_described(atlas) for atlas in atlases],
        "cells": bool(len(thumbnails)) and cells(thumbnails),
        "ellipses": [_outline(ellipse) for ellipse in ellipses],
        "gl": gl,
    }
    rows = [
        (str(ids[row]), *(number(float(value)) for value in coords[row]), *(_named(layer, row) for layer in layers))
        for row in range(min(count, TABLE_ROWS))
    ]
    html = fill(
        "map.html.jinja",
        title=title,
        axes=axes,
        layers=[layer["name"] for layer in layers],
        data=script_data(data),
        count=count,
        rows=rows,
        pictures=len(slots),
    )
    return ScatterMap(html, frozenset({"map", "plotly-gl" if gl else "plotly"}), len(slots))


def _layer(name: str, values: np.ndarray) -> dict[str, object]:
    if values.dtype.kind in "fiub":
        numbers = values.astype(np.float32)
        finite = np.isfinite(numbers)
        if not np.isin(numbers[finite], (0.0, 1.0)).all():
            return {"name": name, "scores": _packed(numbers), "shown": [number(float(value)) for value in numbers]}
        values = np.where(finite, np.where(numbers == 1.0, name, f"no {name}"), UNKNOWN)
    names = [str(value) for value in values]
    known = sorted(set(names) - {UNKNOWN}, key=lambda text: (not text.isdigit(), len(text) * text.isdigit(), text))
    categories = known + [UNKNOWN] * (UNKNOWN in names)
    place = {text: index for index, text in enumerate(categories)}
    return {"name": name, "categories": categories, "codes": [place[text] for text in names]}


def _named(layer: Mapping[str, object], row: int) -> str:
    if "codes" in layer:
        return layer["categories"][layer["codes"][row]]  # type: ignore[index]
    return layer["shown"][row]  # type: ignore[index]


def _atlases(thumbnails: np.ndarray) -> tuple[np.ndarray, list[Atlas]]:
    """The points that keep their picture, and the pictures: all, or as many as the budget holds."""
    count = len(thumbnails)
    if count == 0:
        return np.arange(0), []
    # A page grows by 4/3 in base64. The first atlas tells how large a thumbnail is.
    first = build_atlases(thumbnails[np.linspace(0, count - 1, min(count, 1024)).round().astype(int)])
    bytes_each = sum(len(atlas.content) for atlas in first) / min(count, 1024) * 4 / 3
    most = max(1, int(PICTURE_BUDGET_BYTES / bytes_each))
    kept = np.arange(count) if count <= most else np.linspace(0, count - 1, most).round().astype(int)
    return kept, first if len(kept) == count <= 1024 else build_atlases(thumbnails[kept])


def _slot_of_point(slots: np.ndarray, count: int) -> np.ndarray:
    places = np.full(count, -1, dtype=np.float32)
    places[slots] = np.arange(len(slots))
    return places


def _described(atlas: Atlas) -> dict[str, object]:
    return {
        "src": data_uri(atlas.content, "image/webp"),
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
    return {"x": x, "y": y, "center": np.asarray(ellipse.center, dtype=float).tolist(), "caption": ellipse.caption}


def _packed(values: np.ndarray) -> str:
    """Little-endian float32 in base64: a third of the size of JSON numbers, and read at once."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")
