"""Neighbours: the latents nearest to some images, rows or means, shown as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from latentlab.errors import DataError, UsageError, unknown_name
from latentlab.lab.embedding import embedded
from latentlab.lab.end import is_file_name, resolve
from latentlab.lab.ground import Ground, ground_of
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.lab.table import table_notes, table_origin
from latentlab.latents.name import match_name
from latentlab.latents.nearest import Metric, nearest_rows
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid
from latentlab.runtime import Progress, silent
from latentlab.statistics.covariance import Covariance

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.latents.store import StoredLatents
    from latentlab.latents.table import Latents
    from latentlab.report.page import Section

COUNT = 12
# More pictures than a page shows at a glance.
MOST_COUNT = 1_000
# Random pairs whose median distance tells what is near.
PAIRS = 1_000
NO_PICTURES = np.zeros((0, 1, 1, 1), np.float32)


@dataclass(frozen=True)
class Near:
    """The neighbours of one latent.

    Args:
        name: of what was asked for.
        latent: of shape (d,).
        image: a picture of it, of shape (c, h, w); None without a model.
        label: its class or attribute; "" where that is not known.
        rows: of the neighbours, nearest first, int64 of shape (k,).
        ids: of shape (k,).
        labels: the class of each neighbour, "" where it is not known.
        distances: of shape (k,).
        images: of shape (k, c, h, w), or (0, …) without a model.
        agreement: the share of the neighbours, of those whose label is known, that have the label; None without one.
        chance: the share of all rows that have it, likewise.
        note: what the user should know of what was asked for, or "".
    """

    name: str
    latent: np.ndarray
    image: np.ndarray | None
    label: str
    rows: np.ndarray
    ids: np.ndarray
    labels: list[str]
    distances: np.ndarray
    images: np.ndarray
    agreement: float | None
    chance: float | None
    note: str = ""

    def record(self) -> dict[str, Any]:
        """Everything but latents and pictures, as plain values."""
        return {
            "rows": self.rows.tolist(),
            "ids": [str(name) for name in self.ids],
            "labels": self.labels,
            "distances": self.distances.tolist(),
            "label": self.label or None,
            "same_label": self.agreement,
            "label_share": self.chance,
        }


@dataclass(frozen=True)
class Neighbours:
    """The latents nearest to some others.

    Args:
        near: the neighbours of each.
        metric: `euclidean` or `mahalanobis`.
        typical: the median distance of two latents at random.
        scores: numbers by name, and the neighbours of each.
        notes: what the reader should know.
    """

    origin: Origin
    near: tuple[Near, ...]
    metric: Metric
    typical: float
    scores: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("neighbours", *(one.name for one in self.near), self.origin.subject)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"Neighbours of {', '.join(one.name for one in self.near)}"

    def strip(self) -> np.ndarray:
        """The first one and its neighbours; none without a model."""
        return shown_row(self.near[0])

    def pictures(self) -> dict[str, bytes]:
        """A row each: what was asked for, then its neighbours, nearest first."""
        rows = [(one.name, shown_row(one)) for one in self.near]
        if not len(rows[0][1]):
            return {}
        heads = ["asked", *(f"{place}" for place in range(1, len(self.near[0].rows) + 1))]
        return {"neighbours.png": png_bytes(labelled_grid(rows, heads))}

    def sections(self) -> list[Section]:
        """The neighbours of each."""
        from latentlab.report.sections.neighbours import neighbours_section

        return [neighbours_section(self.near, self.metric, self.typical, self.notes)]


def find_neighbours(
    lab: Lab | None,
    ends: Sequence[str],
    *,
    data: Dataset | None = None,
    latents: StoredLatents | None = None,
    metric: Metric = "euclidean",
    count: int = COUNT,
    seed: int = 0,
    progress: Progress = silent,
) -> Neighbours:
    """Find the latents nearest to some others: exact, a block at a time; codes by their embeddings.

    Args:
        lab: the model; None for a table whose model is not there, of which there are no pictures then.
        ends: image files, `@12` (a row of what is searched), classes or attributes (the mean of their rows), `mean`,
            `random`. A row is none of its own neighbours.
        data: images to search; else the gallery.
        latents: a table on disk to search instead.
        metric: `euclidean`, or `mahalanobis` by the covariance of all latents that are searched.
        count: neighbours of each.
        seed: of `random`, and of the pairs whose distance is typical.
        progress: told of the rows.

    Raises:
        LatentlabError: for what stands for nothing here, too many neighbours, codes on disk, a table of another model.
    """
    if isinstance(ends, str) or not ends or any(not isinstance(end, str) for end in ends):
        raise UsageError("expected what to find neighbours of, such as '@3', '7' or 'photo.png', got none, or no texts")
    if metric not in get_args(Metric):
        raise unknown_name("metric", metric, get_args(Metric))
    if not 1 <= count <= MOST_COUNT:
        raise UsageError(f"expected 1 to {MOST_COUNT:,} neighbours, got {count:,}")
    lab = None if lab is None else embedded(lab)
    ground = ground_of(lab, data, latents, "neighbours", progress)
    asked = [_asked(ground, lab, end, data, seed) for end in ends]
    own = np.array([row for _, row, *_ in asked])
    if count > ground.count - bool((own >= 0).any()):
        raise UsageError(
            f"expected at most {ground.count - bool((own >= 0).any()):,} neighbours, the others that are searched, got "
            f"{count:,}; take fewer with --count"
        )
    covariance = ground.covariance() if metric == "mahalanobis" else None
    queries = np.stack([latent for latent, *_ in asked])
    # One more: a row is its own nearest.
    rows, distances = nearest_rows(
        ground.means(), queries, min(count + 1, ground.count), covariance, progress, ground.count
    )
    near = []
    for place, (end, (latent, row, image, label, note)) in enumerate(zip(ends, asked, strict=True)):
        others = np.flatnonzero(rows[place] != row)[:count]
        table = ground.take(rows[place, others])
        agreement, chance = _agreement(ground, table, label)
        if image is None and ground.images is not None:
            image = ground.images(np.array([row]))[0] if row >= 0 else lab.decode(latent[None])[0]  # type: ignore[union-attr]
        near.append(
            Near(
                name=_name(end),
                latent=latent,
                image=image,
                label=label,
                rows=rows[place, others],
                ids=table.ids,
                labels=_labels(table),
                distances=distances[place, others],
                images=NO_PICTURES if ground.images is None else ground.images(rows[place, others]),
                agreement=agreement,
                chance=chance,
                note=note,
            )
        )
    typical = typical_distance(ground, covariance, seed)
    inputs: dict[str, Any] = {"ends": list(ends), "metric": metric, "count": count}
    if latents is not None:
        origin = table_origin(latents, "neighbours", seed, **inputs)
    else:
        assert lab is not None
        origin = lab.origin("neighbours", seed, data=None if data is None else data.source, **inputs)
    return Neighbours(
        origin=origin,
        near=tuple(near),
        metric=metric,
        typical=typical,
        scores={
            "latents": ground.count,
            "metric": metric,
            "typical_distance": typical,
            **{_free(one.name): one.record() for one in near},
        },
        notes=_notes(ground, lab, data, latents, covariance, near),
    )


def _asked(
    ground: Ground, lab: Lab | None, end: str, data: Dataset | None, seed: int
) -> tuple[np.ndarray, int, np.ndarray | None, str, str]:
    """The latent, its row or −1, the real image, the label and a note of what somebody named."""
    if end.startswith("@"):
        if not end[1:].isdigit():
            raise UsageError(f"expected @ and a row number, such as @12, got {end!r}")
        row = int(end[1:])
        if row >= ground.count:
            raise DataError(f"expected a row from @0 to @{ground.count - 1}, got {end}; {ground.words} are searched")
        table = ground.take(np.array([row]))
        return table.mean[0], row, None, _labels(table)[0], ""
    known = match_name(end, ground.names)
    if known is not None:
        return _mean(ground, ground.truth(known) == 1, f"rows with {known!r}"), -1, None, known, ""
    if end == "mean":
        return _mean(ground, np.ones(ground.count, bool), "rows"), -1, None, "", ""
    if lab is not None:
        found = resolve(lab, end, seed=seed, data=data)
        return found.latent, -1, found.image, "", found.note
    if end == "random" or is_file_name(end):
        raise UsageError(f"expected rows or names of a table without a model, got {end!r}; give its model with --model")
    raise unknown_name("attribute or class", end, ground.names, "or a row such as @3")


def _mean(ground: Ground, chosen: np.ndarray, what: str) -> np.ndarray:
    """The mean latent of some rows, float32 of shape (d,)."""
    total, start = 0.0, 0
    for block in ground.means():
        total = total + block[chosen[start : start + len(block)]].sum(axis=0, dtype=np.float64)
        start += len(block)
    if not chosen.any():
        raise DataError(f"expected {what} to take the mean of, got none among {ground.words}")
    return np.asarray(total / chosen.sum(), np.float32)


def _agreement(ground: Ground, table: Latents, label: str) -> tuple[float | None, float | None]:
    """The share of the neighbours that have a label, and that of all rows, of those of which it is known."""
    if not label:
        return None, None
    here, everywhere = table.truth(label), ground.truth(label)
    if np.isnan(here).all():
        return None, None
    return float(np.nanmean(here)), float(np.nanmean(everywhere))


def _labels(table: Latents) -> list[str]:
    if table.labels is None:
        return [""] * len(table)
    return ["" if number < 0 else table.classes[number] for number in table.labels]


def typical_distance(ground: Ground, covariance: Covariance | None, seed: int) -> float:
    """The median distance of 1,000 pairs of rows at random."""
    first, second = np.random.default_rng(seed).integers(ground.count, size=(2, PAIRS))
    apart = first != second
    if not apart.any():
        return 0.0
    one, other = (ground.take(rows[apart]).mean.astype(np.float64) for rows in (first, second))
    if covariance is not None:
        one, other = covariance.whiten(one), covariance.whiten(other)
    return float(np.median(np.linalg.norm(one - other, axis=1)))


def _notes(
    ground: Ground,
    lab: Lab | None,
    data: Dataset | None,
    latents: StoredLatents | None,
    covariance: Covariance | None,
    near: Sequence[Near],
) -> list[str]:
    said = searched_notes(ground, lab, data, latents, covariance)
    return [*said, *(one.note for one in near if one.note)]


def searched_notes(
    ground: Ground,
    lab: Lab | None,
    data: Dataset | None,
    latents: StoredLatents | None,
    covariance: Covariance | None,
) -> list[str]:
    """What was searched, what its pictures are, and what distances count."""
    said = [] if latents is None else table_notes(latents, lab)
    pictures = "" if lab is None else "; their pictures are " + ("real" if data is not None else "decoded")
    said.append(f"searched: {ground.words}, all of them{pictures}")
    if covariance is not None:
        alive = int(covariance.alive.sum())
        kind = "the variances alone" if covariance.matrix.ndim == 1 else "the covariance"
        idle = (
            "" if alive == len(covariance.alive) else f"; {len(covariance.alive) - alive} that hardly vary are left out"
        )
        said.append(f"Mahalanobis: {kind} of the latents that are searched, in {alive} dimensions{idle}")
    return said


def shown_row(one: Near) -> np.ndarray:
    """What was asked for and its neighbours, of shape (n, c, h, w); none without a model."""
    return one.images if one.image is None else np.concatenate([one.image[None], one.images])


def _name(end: str) -> str:
    from pathlib import Path

    return Path(end).name if is_file_name(end) else end


def _free(name: str) -> str:
    """A name for a record that is none of its other keys."""
    return f"neighbours of {name}"
