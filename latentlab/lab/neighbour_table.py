"""The neighbours of every row, or of every image of a source, as a table; the nearest and the loneliest as pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from latentlab.data import LOCATED
from latentlab.errors import DataError, UsageError, unknown_name
from latentlab.lab.embedding import embedded
from latentlab.lab.ground import Ground, ground_of
from latentlab.lab.neighbours import (
    COUNT,
    MOST_COUNT,
    NO_PICTURES,
    Near,
    searched_notes,
    shown_row,
    typical_distance,
)
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.lab.table import table_origin
from latentlab.latents.nearest import Metric
from latentlab.latents.nearest_many import SAMPLE, ManyNearest, nearest_of_many
from latentlab.latents.store.part import id_text
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid
from latentlab.report.sections.neighbours import MOST_CLASSES
from latentlab.runtime import Progress, silent

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.latents.store import StoredLatents
    from latentlab.report.page import Section

TABLE = "neighbours.parquet"
# What stands for every row where a row is named.
EVERY = "@all"
# Numbers of means that are held at once: 1 GB.
MOST_VALUES = 1 << 28
# Of the nearest and of the loneliest, as many are shown, each with so many neighbours.
SHOWN, SHOWN_NEAR = 8, 6
# A latent that is nearer to another than this share of a random distance is a copy of it.
SAME = 1e-6


@dataclass(frozen=True)
class Rows:
    """Latents in memory, with their names and labels.

    Args:
        mean: of shape (n, d).
        ids: of shape (n,).
        labels: class numbers, −1 where unknown.
    """

    mean: np.ndarray
    ids: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class NeighbourTable:
    """The latents nearest to each of many.

    Args:
        subject: whose neighbours these are: "digits", or "all rows".
        asked: they themselves.
        among: what was searched.
        found: rows of `among`, and their distances.
        own: whether the one is the other.
        metric: `euclidean` or `mahalanobis`.
        classes: the names behind the labels.
        closest: the asked whose nearest are nearest, of two that are each other's nearest one.
        loneliest: the asked whose nearest are farthest.
        scores: numbers by name.
        by_class: the name of each class, how many were asked, the share of their neighbours that are of it too, and
            the share of it among all.
        notes: what the reader should know.
    """

    origin: Origin
    subject: str
    asked: Rows
    among: Rows
    found: ManyNearest
    own: bool
    metric: Metric
    classes: tuple[str, ...]
    closest: tuple[Near, ...]
    loneliest: tuple[Near, ...]
    scores: dict[str, Any]
    by_class: list[tuple[str, int, float, float]]
    notes: list[str] = field(default_factory=list)

    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("neighbours", "all" if self.own else self.subject, self.origin.subject)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"Neighbours of {self.subject}"

    def save(self, folder: Path, invocation: str | None = None) -> list[Path]:
        """Write the page, its pictures and the whole table; see `lab.result.save`."""
        return save(self, folder, invocation, {TABLE: self.parquet})

    def strip(self) -> np.ndarray:
        """The nearest of all beside its neighbours; none without a model."""
        return shown_row(self.closest[0])

    def pictures(self) -> dict[str, bytes]:
        """The nearest and the loneliest, each before its neighbours."""
        if not len(self.strip()):
            return {}
        drawn = {}
        for file, near in (("closest.png", self.closest), ("loneliest.png", self.loneliest)):
            heads = ["asked", *(f"{place}" for place in range(1, len(near[0].rows) + 1))]
            drawn[file] = png_bytes(labelled_grid([(one.name, shown_row(one)) for one in near], heads))
        return drawn

    def sections(self) -> list[Section]:
        """The numbers, the nearest, the loneliest, and the classes."""
        from latentlab.report.sections.neighbours import neighbour_table_section

        return [neighbour_table_section(self.scores, self.closest, self.loneliest, self.by_class, self.own, self.notes)]

    @cached_property
    def parquet(self) -> bytes:
        """A row for each that was asked, in order: its id, and the rows, ids and distances of its neighbours."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = self.found.rows
        starts = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * np.int32(rows.shape[1]))
        names = pa.DictionaryArray.from_arrays(pa.array(rows.ravel().astype(np.int32)), pa.array(self.among.ids))
        columns = {
            "id": pa.array(self.asked.ids),
            "rows": pa.ListArray.from_arrays(starts, pa.array(rows.ravel())),
            "ids": pa.ListArray.from_arrays(starts, names),
            "distances": pa.ListArray.from_arrays(starts, pa.array(self.found.distances.ravel().astype(np.float32))),
        }
        sink = io.BytesIO()
        pq.write_table(pa.table(columns), sink)
        return sink.getvalue()


def is_many(ends: Sequence[str]) -> bool:
    """Whether somebody asks for the neighbours of very many: of all rows, or of a source, which stands alone.

    Raises:
        UsageError: when other things are asked for beside it.
    """
    many = [end for end in ends if end == EVERY or (end.partition(":")[0] in LOCATED and ":" in end)]
    if many and len(ends) > 1:
        raise UsageError(f"expected {many[0]} alone, got {len(ends)} of them; ask for each by itself")
    return bool(many)


def find_all_neighbours(
    lab: Lab | None,
    asked: Dataset | None = None,
    *,
    data: Dataset | None = None,
    latents: StoredLatents | None = None,
    metric: Metric = "euclidean",
    count: int = COUNT,
    exact: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> NeighbourTable:
    """Find the neighbours of every row that is searched, or of every image of a set.

    Args:
        lab: the model; None for a table whose model is not there.
        asked: images whose neighbours are looked for; None for the rows themselves, each without itself.
        data: images to search; else the gallery.
        latents: a table on disk to search instead; its means are read into memory.
        metric: `euclidean`, or `mahalanobis` by the covariance of all latents that are searched.
        count: neighbours of each.
        exact: measure every distance; else see `nearest_of_many`.
        seed: of what is drawn.
        progress: told of the work.

    Raises:
        LatentlabError: when there are too many latents or too few neighbours, for codes on disk, a table of another
            model, or images without a model.
    """
    if metric not in get_args(Metric):
        raise unknown_name("metric", metric, get_args(Metric))
    if not 1 <= count <= MOST_COUNT:
        raise UsageError(f"expected 1 to {MOST_COUNT:,} neighbours, got {count:,}")
    lab = None if lab is None else embedded(lab)
    ground = ground_of(lab, data, latents, "neighbours", progress)
    among, classes = _gathered(ground, progress)
    if asked is None:
        whose, subject = among, f"all {ground.count:,} rows"
    elif lab is None:
        raise UsageError("expected a model that encodes the images, got a table alone; give its model with --model")
    else:
        whose, subject = _encoded(lab, asked, classes, progress), asked.source
    covariance = ground.covariance() if metric == "mahalanobis" else None
    found = nearest_of_many(
        among.mean, None if asked is None else whose.mean, count,
        covariance=covariance, exact=exact, seed=seed, progress=progress,
    )  # fmt: skip
    typical = typical_distance(ground, covariance, seed)
    by_class, labels = _by_class(whose, among, found, classes)
    nearest = found.distances[:, 0]
    inputs: dict[str, Any] = {"asked": EVERY if asked is None else asked.source, "metric": metric, "count": count}
    if latents is not None:
        origin = table_origin(latents, "neighbours", seed, **inputs)
    else:
        assert lab is not None
        origin = lab.origin("neighbours", seed, data=None if data is None else data.source, **inputs)

    def near(place: int) -> Near:
        return _near(place, whose, among, found, classes, ground, asked)

    closest = tuple(near(place) for place in _closest(found, asked is None))
    loneliest = tuple(near(place) for place in np.argsort(-nearest, kind="stable")[:SHOWN].tolist())
    return NeighbourTable(
        origin=origin,
        subject=subject,
        asked=whose,
        among=among,
        found=found,
        own=asked is None,
        metric=metric,
        classes=classes,
        closest=closest,
        loneliest=loneliest,
        scores={
            "asked": len(whose.ids),
            "latents": ground.count,
            "metric": metric,
            "nearest_median": float(np.median(nearest)),
            "typical_distance": typical,
            "copies": int((nearest <= SAME * typical).sum()),
            "recall": 1.0 if found.recall is None else found.recall,
            "recall_error": found.recall_error,
            **labels,
            "closest": [one.name for one in closest],
            "loneliest": [one.name for one in loneliest],
            **{
                f"class {name}": {"asked": count, "of their neighbours": same, "of all": share}
                for name, count, same, share in by_class[:MOST_CLASSES]
            },
        },
        by_class=by_class,
        notes=[*searched_notes(ground, lab, data, latents, covariance), _found_note(found)],
    )


def _gathered(ground: Ground, progress: Progress) -> tuple[Rows, tuple[str, ...]]:
    """All that is searched, and the names of its classes."""
    size = ground.take(np.arange(1)).mean.shape[1]
    if ground.count * size > MOST_VALUES:
        raise UsageError(
            f"expected at most {MOST_VALUES // size:,} latents of {size} dimensions to find the neighbours of many "
            f"among, which are held in memory, got {ground.words}; ask for single rows, such as @12"
        )
    mean, ids, labels = np.empty((ground.count, size), np.float32), [], []
    classes: tuple[str, ...] = ()
    start = 0
    for block in ground.blocks():
        mean[start : start + len(block)] = block.mean
        # Of a folder, names may be no text.
        ids.append(np.array([id_text(name) for name in block.ids]))
        labels.append(np.full(len(block), -1) if block.labels is None else block.labels)
        classes = block.classes
        start += len(block)
        progress("reading latents", start, ground.count)
    return Rows(mean, np.concatenate(ids), np.concatenate(labels)), classes


def _encoded(lab: Lab, asked: Dataset, classes: tuple[str, ...], progress: Progress) -> Rows:
    """Images whose neighbours are looked for; a label counts where what is searched has a class of its name."""
    table = lab.encode_data(asked, progress)
    labels = np.full(len(table), -1)
    if table.labels is not None:
        numbers = np.array([classes.index(name) if name in classes else -1 for name in table.classes] or [-1])
        labels = np.where(table.labels < 0, -1, numbers[table.labels])
    if not len(table):
        raise DataError(f"expected images to find neighbours of, got none in {asked.source}")
    return Rows(table.mean, np.array([id_text(name) for name in table.ids]), labels)


def _by_class(
    asked: Rows, among: Rows, found: ManyNearest, classes: tuple[str, ...]
) -> tuple[list[tuple[str, int, float, float]], Mapping[str, float]]:
    """How often neighbours are of one class, of those whose class is known, and how often any two are."""
    known = among.labels[among.labels >= 0]
    theirs = among.labels[found.rows]
    here = (asked.labels[:, None] >= 0) & (theirs >= 0)
    if not here.any():
        return [], {}
    same = here & (theirs == asked.labels[:, None])
    share = np.bincount(known, minlength=len(classes)) / len(known)
    rows = []
    for number, name in enumerate(classes):
        some = asked.labels == number
        if here[some].any():
            rows.append((name, int(some.sum()), float(same[some].sum() / here[some].sum()), float(share[number])))
    chance = share[np.where(asked.labels < 0, 0, asked.labels)]
    return rows, {
        "same_class": float(same.sum() / here.sum()),
        "same_class_by_chance": float((chance[:, None] * here).sum() / here.sum()),
    }


def _closest(found: ManyNearest, own: bool) -> list[int]:
    """The places whose nearest are nearest; of a pair that is each other's nearest, the first."""
    places: list[int] = []
    for place in np.argsort(found.distances[:, 0], kind="stable").tolist():
        if len(places) == SHOWN:
            break
        partner = int(found.rows[place, 0])
        if not (own and partner in places and int(found.rows[partner, 0]) == place):
            places.append(place)
    return places


def _near(
    place: int,
    asked: Rows,
    among: Rows,
    found: ManyNearest,
    classes: tuple[str, ...],
    ground: Ground,
    images: Dataset | None,
) -> Near:
    rows = found.rows[place, :SHOWN_NEAR]
    image = None
    if ground.images is not None:
        image = ground.images(np.array([place]))[0] if images is None else images.take(np.array([place])).images[0]
    return Near(
        name=f"@{place}" if images is None else str(asked.ids[place]),
        latent=asked.mean[place],
        image=image,
        label=_label(asked.labels[place], classes),
        rows=rows,
        ids=among.ids[rows],
        labels=[_label(number, classes) for number in among.labels[rows]],
        distances=found.distances[place, :SHOWN_NEAR],
        images=NO_PICTURES if ground.images is None else ground.images(rows),
        agreement=None,
        chance=None,
    )


def _label(number: int, classes: tuple[str, ...]) -> str:
    return "" if number < 0 else classes[number]


def _found_note(found: ManyNearest) -> str:
    if found.recall is None:
        return "every distance was measured"
    return (
        f"found by an index: {found.recall:.1%} ± {found.recall_error:.1%} of the true neighbours, as all distances of "
        f"{SAMPLE} latents tell; --exact measures every one"
    )
