"""The bench: what a page carries so that its reader can move a latent and see what comes of it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from latentlab.directions.direction import Direction
from latentlab.errors import DataError
from latentlab.evaluation.safe import GRID, SafeRange
from latentlab.picture.encode import data_uri, png_bytes, webp_bytes
from latentlab.picture.grid import grid
from latentlab.report.figures.picture import cells, shown_size
from latentlab.report.template import fill, script_data
from latentlab.statistics.support import Support

NEEDS = frozenset({"bench"})
# How far attribute sliders go either way, in class gaps: as little as shows where each safe range ends.
SPANS = (3.0, GRID[-1])
# Sides and qualities of the pictures made beforehand, until they fit: in base64 they may take so many characters.
STILL_SIZES = ((64, 85), (64, 70), (48, 75), (48, 60), (32, 60))
STILL_BUDGET = 1_000_000
STILL_COLUMNS = 32
# Values of a covariance's triangle grow with the square of the dimensions: beyond these there is no gauge.
MOST_GAUGED = 128
# Distances of more latents are thinned to as many: the percentile then is right to .05.
MOST_DISTANCES = 2001


@dataclass(frozen=True)
class BenchStart:
    """A place at which the bench can begin.

    Args:
        key: its name in a link: `mean`, `mean:smile`, `row:12` or `sample:3`.
        name: as it is shown.
        kind: "mean", "gallery" or "sample".
    """

    key: str
    name: str
    kind: str


@dataclass(frozen=True)
class BenchAttribute:
    """An attribute that a slider changes.

    Args:
        direction: along which; with its readout, where it has one.
        safe: the α in class gaps for which edits stay among the data, or None where nobody measured it.
        doubt: why not to expect much of it, or "".
    """

    direction: Direction
    safe: SafeRange | None = None
    doubt: str = ""


@dataclass(frozen=True)
class Stills:
    """Pictures made beforehand, for paper and for where nothing decodes.

    For each of s starts its own picture, then for each of k axes those at every step but 0; then for each pair of
    neighbouring starts those between them, on a line.

    Args:
        starts: rows of the bench's starts.
        axes: attributes by name, or dimensions as in `z3`.
        steps: α in class gaps, or in standard deviations for dimensions: ascending, an odd number, 0 in the middle.
        images: of shape (s·(1 + k·(len(steps) − 1)) + (s − 1)·(len(steps) − 2), c, h, w).
    """

    starts: tuple[int, ...]
    axes: tuple[str, ...]
    steps: tuple[float, ...]
    images: np.ndarray

    def row(self, start: int, axis: int) -> list[int]:
        """The pictures of one start along one axis, a step each."""
        others = len(self.steps) - 1
        own = start * (1 + len(self.axes) * others)
        first = own + 1 + axis * others
        return [*range(first, first + others // 2), own, *range(first + others // 2, first + others)]

    def between(self, pair: int) -> list[int]:
        """The pictures from start `pair` to the next, both included."""
        block = 1 + len(self.axes) * (len(self.steps) - 1)
        inner = len(self.steps) - 2
        first = len(self.starts) * block + pair * inner
        return [pair * block, *range(first, first + inner), (pair + 1) * block]


@dataclass(frozen=True)
class Bench:
    """What the bench starts from, moves along and judges by.

    Args:
        model: its name.
        checkpoint: its hash.
        starts: n of them.
        latents: their latents, of shape (n, d).
        attributes: k of them.
        deviations: the standard deviation of latents in each dimension, of shape (d,).
        dimensions: those that have a slider, those that vary most first.
        center: round which the arc between two latents turns, of shape (d,).
        support: where the latents of images lie; None where that is not known, or takes too much room.
        known: whose latents those are, in words.
        stills: pictures made beforehand.
        left_out: what the bench is without, and why.
    """

    model: str
    checkpoint: str
    starts: tuple[BenchStart, ...]
    latents: np.ndarray
    attributes: tuple[BenchAttribute, ...]
    deviations: np.ndarray
    dimensions: tuple[int, ...]
    center: np.ndarray
    support: Support | None
    known: str
    stills: Stills
    left_out: tuple[str, ...] = ()


def bench_figure(bench: Bench, live: Mapping[str, Any] | None = None, why: str = "") -> Markup:
    """Draw the bench: a picture with sliders beside it, or pictures made beforehand where nothing decodes.

    Args:
        bench: what `lab.bench.gather_bench` put together.
        live: the decoder that the page carries, as `Live.data()` gives it, or None.
        why: where there is none, the reason for that.

    Raises:
        DataError: when the arrays do not belong together.
    """
    size = bench.latents.shape[-1]
    vectors = [one.direction.vector for one in bench.attributes]
    lengths = {bench.center.shape, bench.deviations.shape, *(vector.shape for vector in vectors)}
    if lengths != {(size,)} or bench.latents.shape != (len(bench.starts), size) or not bench.starts:
        raise DataError(
            f"expected starts, attributes and dimensions of one latent space, got latents {bench.latents.shape} "
            f"of {len(bench.starts)} starts and vectors of {sorted(lengths)}"
        )
    sprite = _sprite(bench.stills.images)
    data = {
        "model": bench.model,
        "checkpoint": bench.checkpoint,
        "image": list(bench.stills.images.shape[1:]),
        "size": size,
        "starts": {
            "keys": [start.key for start in bench.starts],
            "names": [start.name for start in bench.starts],
            "kinds": [start.kind for start in bench.starts],
            "latents": _packed(bench.latents),
        },
        "attributes": [_described(one) for one in bench.attributes],
        "span": _span(bench.attributes),
        "vectors": _packed(vectors),
        "readouts": _packed([one.direction.readout for one in bench.attributes if one.direction.readout is not None]),
        "dimensions": list(bench.dimensions),
        "deviations": _packed(bench.deviations),
        "center": _packed(bench.center),
        "support": None if bench.support is None else _gauge(bench.support, bench.known),
        "stills": {
            "starts": list(bench.stills.starts),
            "axes": list(bench.stills.axes),
            "steps": list(bench.stills.steps),
            "columns": sprite["columns"],
            "width": sprite["width"],
            "height": sprite["height"],
        },
        "cells": cells(bench.stills.images),
        "error": None if live is None else float(live["error"]),
        "why": "" if live is not None else why,
    }
    width, height = shown_size(bench.stills.images, 64)
    return fill(
        "bench/bench.html.jinja",
        data=script_data(data),
        attributes=bool(bench.attributes),
        sprite=sprite,
        cells=cells(bench.stills.images),
        rows=list(_rows(bench, sprite)),
        steps=[_signed(step) for step in bench.stills.steps],
        start=bench.starts[bench.stills.starts[0]].name,
        width=width,
        height=height,
        image=bench.stills.images.shape[-2:],
    )


def _described(one: BenchAttribute) -> dict[str, Any]:
    safe = one.safe
    return {
        "name": one.direction.name,
        "read": one.direction.readout is not None,
        "intercept": float(one.direction.intercept),
        "safe": None if safe is None else [safe.low, safe.high],
        "limits": None if safe is None else [safe.low_limit, safe.high_limit],
        "doubt": one.doubt,
    }


def _span(attributes: Sequence[BenchAttribute]) -> float:
    """How far sliders go, alike for all so that they compare."""
    ends = [
        abs(end)
        for one in attributes
        if one.safe is not None
        for end, limit in ((one.safe.low, one.safe.low_limit), (one.safe.high, one.safe.high_limit))
        if limit
    ]
    return next(span for span in SPANS if span == SPANS[-1] or max(ends, default=0.0) < span)


def _gauge(support: Support, known: str) -> dict[str, Any] | None:
    """What the percentile of a latent takes: Σ over the dimensions that are alive, and the distances of the data."""
    covariance, alive = support.covariance, np.flatnonzero(support.covariance.alive)
    if len(alive) > MOST_GAUGED:
        return None
    matrix = covariance.among(alive)
    distances = support.distances
    if len(distances) > MOST_DISTANCES:
        distances = distances[np.linspace(0, len(distances) - 1, MOST_DISTANCES).round().astype(int)]
    return {
        "alive": alive.tolist(),
        "center": _packed(covariance.center),
        "triangle": _packed(matrix[np.tril_indices(len(alive))]),
        "distances": _packed(distances, "<f8"),
        "known": known,
    }


def _sprite(images: np.ndarray) -> dict[str, Any]:
    """All pictures in one, as small as the budget asks."""
    columns = min(STILL_COLUMNS, len(images))
    source = np.asarray(images, np.float32)
    for side, quality in STILL_SIZES:
        tiles = _shrunk(source, side)
        sheet = grid(tiles, columns=columns, padding=0)
        exact = cells(source)
        content = png_bytes(sheet) if exact else webp_bytes(sheet, quality)
        uri = data_uri(content, "image/png" if exact else "image/webp")
        if len(uri) <= STILL_BUDGET:
            break
    height, width = tiles.shape[-2:]
    return {"src": uri, "columns": columns, "width": width, "height": height, "sheet": sheet.shape[:0:-1]}


def _shrunk(images: np.ndarray, side: int) -> np.ndarray:
    """Images whose longer side is at most `side` pixels."""
    from PIL import Image

    height, width = images.shape[-2:]
    longer = max(height, width)
    if longer <= side:
        return images
    size = (max(1, round(width * side / longer)), max(1, round(height * side / longer)))
    planes = images.reshape(-1, height, width)
    small = [np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS)) for plane in planes]
    return np.clip(np.stack(small), 0.0, 1.0).reshape(*images.shape[:2], size[1], size[0])


def _rows(bench: Bench, sprite: dict[str, Any]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The static figure: each axis from the first start, then the walks between starts, as boxes of the sprite."""
    stills = bench.stills
    names = [bench.starts[row].name for row in stills.starts]

    def boxes(caption: str, tiles: Sequence[int], captions: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
        cut = []
        for tile, said in zip(tiles, captions, strict=True):
            row, column = divmod(tile, sprite["columns"])
            width, height = sprite["width"], sprite["height"]
            cut.append((f"{column * width} {row * height} {width} {height}", said))
        return caption, cut

    unit = "" if bench.attributes else " σ"
    for index, axis in enumerate(stills.axes):
        shown = axis if bench.attributes else f"dim {axis.removeprefix('z')}"
        said = [f"{names[0]}, {shown} {_signed(step)}{unit}" for step in stills.steps]
        yield boxes(shown, stills.row(0, index), said)
    last = len(stills.steps) - 1
    for pair in range(len(names) - 1):
        said = [f"{k}/{last} of the way from {names[pair]} to {names[pair + 1]}" for k in range(last + 1)]
        yield boxes(f"{names[pair]} → {names[pair + 1]}", stills.between(pair), said)


def _signed(value: float) -> str:
    return f"{value:+.3g}".replace("-", "−") if value else "0"


def _packed(values: Any, kind: str = "<f4") -> str:
    """Little-endian numbers in base64."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode("ascii")
