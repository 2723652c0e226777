"""Latents of the user's own, from an .npy or .npz, as a table: no images, and perhaps no model, are needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentlab.codec import Block
from latentlab.data.arrays import (
    CLASSES,
    IDS,
    LABELS,
    SPLIT,
    TABLE,
    TABLE_NAMES,
    column_of,
    read_arrays,
    read_attributes,
    read_labels,
)
from latentlab.data.attribute import as_attribute
from latentlab.data.folder import sorted_classes
from latentlab.data.table import Table, match_rows, read_table
from latentlab.errors import DataError, LatentlabError
from latentlab.latents.store.manifest import Manifest, TablePlan, write_manifest, write_plan
from latentlab.latents.store.part import ATTRIBUTE
from latentlab.latents.store.place import Place
from latentlab.latents.store.room import check_room, part_rows
from latentlab.latents.store.stored import StoredLatents, open_latents
from latentlab.latents.store.write import write_part
from latentlab.latents.table import Latents
from latentlab.runtime import Progress, silent, tracked

MEANS = ("mean", "means", "mu", "latents", "latent", "z", "embeddings")
LOGVARS = ("logvar", "logvars", "log_var")
SHOWN = 8
LARGEST = 1e15


@dataclass(frozen=True)
class Known:
    """What is known of each row beside its latent.

    Args:
        classes: the class names in the order of their numbers.
        labels: class numbers of shape (n,), −1 where unknown, or None.
        attributes: float32 of shape (n,) a name.
    """

    classes: tuple[str, ...]
    labels: np.ndarray | None
    attributes: Mapping[str, np.ndarray]


def write_given(
    path: Path,
    place: Place,
    *,
    table: Path | None = None,
    model: str = "",
    checkpoint: str = "",
    blocks: tuple[Block, ...] = (),
    versions: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> StoredLatents:
    """Make a table of latents that are there already.

    An .npz has them as `mean`, `latents` or `z` (or as its one array of two dimensions and more), log-variances as
    `logvar`; `ids`, `labels` with `classes`, and attributes as in `npz:` sources. An .npy has the latents alone.

    Args:
        path: the file.
        place: where the table goes.
        table: a CSV of labels and attributes, by ids where the file has some, else a line a row.
        model: the name of the model that made them; "" for the name of the file.
        checkpoint: its hash; "" where nobody knows it.
        blocks: of its latent; none for one block of the shape of the rows.
        versions: of the programs, for the manifest.
        progress: told of parts.

    Raises:
        DataError: when the file holds no latents, one is not finite, or what is known of them does not fit.
        LatentlabError: when something stands in the place, or it cannot be written.
    """
    arrays = read_arrays(path, (*MEANS, *LOGVARS, *LABELS, TABLE, IDS, *CLASSES))
    key = _means_of(arrays, path)
    stored = arrays[key]
    count, shape = len(stored), stored.shape[1:]
    mean = stored.reshape(count, -1)
    size = mean.shape[1]
    blocks = blocks or (Block("z", tuple(int(side) for side in shape)),)
    if sum(block.size for block in blocks) != size:
        raise DataError(
            f"expected latents of the {sum(block.size for block in blocks)} dimensions that {model} has in {path}, "
            f"got {size}; give the model that made them, or none"
        )
    logvar = next((arrays[name] for name in LOGVARS if name in arrays), None)
    if logvar is not None and logvar.shape == stored.shape:
        logvar = logvar.reshape(count, -1)
    elif logvar is not None:
        raise DataError(
            f"expected log-variances of the shape {mean.shape} of the latents in {path}, got {logvar.shape}"
        )
    given = column_of(arrays, IDS, count, path)
    ids = np.array([f"{path.name}/{row}" for row in range(count)]) if given is None else given.astype(str)
    if table is None:
        known = _known(arrays, key, count, path)
    else:
        ids, known = _from_table(table, ids, given is not None, path)
    _check_ids(ids, path if table is None else table)
    whole = Latents(
        np.empty((count, 0), np.float32), None, ids,
        split="all", classes=known.classes, labels=known.labels, attributes=known.attributes,
    )  # fmt: skip
    rows = part_rows(count, size)
    # Looked at before anything is written: a table is whole or not there.
    for start in range(0, count, rows):
        for values in (mean, logvar):
            if values is not None:
                _check_finite(values[start : start + rows], ids[start : start + rows], path)
    starts = range(0, count, rows)
    plan = TablePlan(
        model=model or path.stem, checkpoint=checkpoint, preprocessing="", blocks=blocks, source=str(path), split="all",
        classes=known.classes, labelled=known.labels is not None, attributes=tuple(known.attributes),
        thresholds=whole.thresholds, posterior=logvar is not None, pieces=len(starts),
    )  # fmt: skip
    with place.locked():
        if any(not name.startswith(".") for name in place.names()):
            raise LatentlabError(f"expected no files in {place.url} yet, got some; choose another --out")
        check_room(place, plan, count, plan.pieces)
        try:
            write_plan(place, plan)
            parts = []
            for number, start in enumerate(tracked(starts, "writing parts", progress)):
                some = np.arange(start, min(start + rows, count))
                block = Latents(
                    mean=np.asarray(mean[some], np.float32),
                    logvar=None if logvar is None else np.asarray(logvar[some], np.float32),
                    ids=ids[some], split="all", classes=known.classes,
                    labels=None if known.labels is None else known.labels[some],
                    attributes={name: values[some] for name, values in known.attributes.items()},
                    thresholds=whole.thresholds,
                )  # fmt: skip
                parts.append(write_part(place, plan, number, block, f"rows {start:,}–{some[-1]:,}"))
            write_manifest(place, Manifest(plan, tuple(parts), dict(versions or {})))
        except BaseException:
            # Nothing stood here before, and nothing half-made stays.
            for name in place.names():
                if not name.startswith("."):
                    place.remove(name)
            raise
    return open_latents(place.url)


def _means_of(arrays: Mapping[str, np.ndarray], path: Path) -> str:
    """The name of the array that holds the latents."""
    key = next((name for name in MEANS if name in arrays), None)
    if key is None:
        tables = [
            name for name, value in arrays.items() if value.ndim > 1 and value.dtype.kind == "f" and name != TABLE
        ]
        key = tables[0] if len(tables) == 1 else None
    if key is None:
        shown = ", ".join(list(arrays)[:SHOWN]) or "none"
        raise DataError(f"expected latents as an array {', '.join(MEANS[3:6])} or mean in {path}, got {shown}")
    found = arrays[key]
    if found.ndim < 2 or found.dtype.kind not in "fiu" or min(found.shape) < 1:
        raise DataError(
            f"expected latents as numbers of shape (n, d) in {path}, got {key} of {found.dtype} and shape {found.shape}"
        )
    return key


def _known(arrays: Mapping[str, np.ndarray], key: str, count: int, path: Path) -> Known:
    labels, classes = read_labels(arrays, count, path)
    # What an export wrote is an attribute whatever its name; of a plain name it may be something else.
    named = {name: value for name, value in arrays.items() if name.startswith(ATTRIBUTE)}
    plain = {name: value for name, value in arrays.items() if name not in named}
    others = (key, *MEANS, *LOGVARS, *CLASSES, SPLIT, IDS, TABLE, TABLE_NAMES)
    found = read_attributes(plain, others, count, path)
    for name in named:
        values = column_of(arrays, name, count, path)
        assert values is not None
        found[name.removeprefix(ATTRIBUTE)] = as_attribute(values)
    return Known(classes, labels, found)


def _from_table(path: Path, ids: np.ndarray, named: bool, latents: Path) -> tuple[np.ndarray, Known]:
    """What a CSV says of the rows, and what they are called: as the CSV does where the latents have no names."""
    table = read_table(path, keyed=False)
    lines = np.arange(len(ids))
    if table.files and (named or table.files[0] in set(ids.tolist())):
        lines = match_rows(table, list(ids))
    elif len(table.lines) != len(ids):
        raise DataError(
            f"expected a line for each of the {len(ids)} latents in {path}, got {len(table.lines)}; or give "
            f"ids with the latents in {latents}"
        )
    elif table.files:
        ids = np.array(table.files)
    labels, classes = _table_labels(table, lines)
    columns = {
        name: np.where(lines >= 0, column[lines], np.nan).astype(np.float32)
        for name, column in table.attributes.items()
    }
    return ids, Known(classes, labels, columns)


def _table_labels(table: Table, rows: np.ndarray) -> tuple[np.ndarray | None, tuple[str, ...]]:
    if table.labels is None:
        return None, ()
    words = [table.labels[row] if row >= 0 else "" for row in rows]
    classes = sorted_classes(words)
    numbers = {name: number for number, name in enumerate(classes)}
    return np.array([numbers.get(word, -1) for word in words], np.int64), classes


def _check_ids(ids: np.ndarray, path: Path) -> None:
    found, counts = np.unique(ids, return_counts=True)
    if len(found) < len(ids):
        twice = str(found[counts > 1][0])
        raise DataError(f"expected an id of its own for every row of {path}, got {twice!r} {counts.max()} times")


def _check_finite(values: np.ndarray, ids: np.ndarray, path: Path) -> None:
    # As they will be written: a large float64 is no float32.
    with np.errstate(over="ignore"):
        # Their squares are summed.
        broken = ~(np.abs(values.astype(np.float32)) < LARGEST).all(axis=1)
    if broken.any():
        raise DataError(
            f"expected finite latents below {LARGEST:g} in {path}, got NaN, infinity or more, first for "
            f"{str(ids[np.argmax(broken)])!r}; leave them out"
        )
