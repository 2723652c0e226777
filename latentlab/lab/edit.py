"""Edits: z' = z + αv, for gallery images, images of a data set, or image files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.editing.edits import sweep
from latentlab.editing.unit import gaps_per_unit
from latentlab.errors import DataError, UsageError
from latentlab.lab.change import Change, find_changes, find_directions, find_steps
from latentlab.lab.embedding import require_continuous
from latentlab.lab.reach import Reach, find_reach, find_safe_range, find_yard
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.lab.stranger import stranger_notes
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid
from latentlab.statistics.covariance import fit_covariance

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.directions.direction import Direction
    from latentlab.lab.lab import Lab
    from latentlab.lab.verbs import Alpha
    from latentlab.latents.table import Latents
    from latentlab.report.page import Section


# The share of pictures that has to follow a level that the latents have.
MOST = 0.75


@dataclass(frozen=True)
class Edit:
    """Images moved along directions.

    Args:
        images: of shape (n, k, c, h, w): k steps of α for each of n images.
        latents: of shape (n, k, d).
        originals: the real images, of shape (n, c, h, w); None for those of a gallery, which has latents alone.
        reconstructions: α = 0, of shape (n, c, h, w).
        names: of the n images.
        attributes: what was changed.
        steps: a caption for each α.
        warnings: one an image, "" for none.
        reach: for each step what the readouts say and how far it is from the data; none where that is not known.
    """

    origin: Origin
    images: np.ndarray
    latents: np.ndarray
    originals: np.ndarray | None
    reconstructions: np.ndarray
    names: list[str]
    attributes: list[str]
    steps: list[str]
    scores: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    reach: list[dict[str, Any]] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("edit", *self.attributes)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return "Edit " + " + ".join(self.attributes)

    def strip(self) -> np.ndarray:
        """Each image beside its last edit; one image with all its edits."""
        if len(self.images) == 1:
            return np.concatenate([self.reconstructions, self.images[0]])
        return np.stack([self.reconstructions, self.images[:, -1]], axis=1).reshape(-1, *self.images.shape[2:])

    def pictures(self) -> dict[str, bytes]:
        """One sheet: a row an image."""
        before = [self.reconstructions[:, None]]
        captions = ["decoded" if self.originals is None else "reconstruction"]
        if self.originals is not None:
            before.insert(0, self.originals[:, None])
            captions.insert(0, "original")
        rows = np.concatenate([*before, self.images], axis=1)
        named = [(name, row) for name, row in zip(self.names, rows, strict=True)]
        return {"edit.png": png_bytes(labelled_grid(named, [*captions, *self.steps]))}

    def sections(self) -> list[Section]:
        """The sheet as a table."""
        from latentlab.report.sections.edit import EditRow, edit_section

        rows = [
            EditRow(
                caption=name,
                original=None if self.originals is None else self.originals[i],
                reconstruction=self.reconstructions[i],
                frames=self.images[i],
                note=self.warnings[i] if self.warnings else "",
            )
            for i, name in enumerate(self.names)
        ]
        return [edit_section(rows, self.steps, self.title, self.scores, self.notes, self.reach)]


def edit_images(
    lab: Lab,
    images: Any,
    attributes: Mapping[str, Alpha],
    *,
    keep: Sequence[str] = (),
    unit: str = "gap",
    levels: Mapping[str, float] | None = None,
    names: Sequence[str] | None = None,
    data: Dataset | None = None,
    directions: Mapping[str, Direction] | None = None,
    count: int = 8,
    seed: int = 0,
) -> Edit:
    """Move images along the directions of attributes: z' = z + Σ αᵢvᵢ.

    Args:
        lab: the model.
        images: of shape (n, c, h, w) in [0, 1]; None takes gallery images (or those of `data`) without the attributes.
        attributes: α of each attribute or class: a number, or several for a sweep.
        keep: attributes or classes whose readouts are to stay as they are.
        unit: of α: `gap` (between the class means), `sd` (of the latents along the direction) or `logit` (of the
            readout).
        levels: for some attributes the probability that the readout gives at α = 1, image by image; α = 0.5 goes
            half the way. An attribute that stands only here has α = 1.
        names: of the images given.
        data: images to edit where none are given; directions are found from it for names that the model lacks.
        directions: those of a directions file, which come before the run's own.
        count: how many images to take where none are given.
        seed: of which are taken.

    Raises:
        LatentlabError: for an unknown attribute, an α that is not a number, images of another kind, attributes that
            cannot be kept, a level or a unit that cannot be had, or a model of codes.
    """
    require_continuous(lab, "edits")
    goals = dict(levels or {})
    table = None if data is None else lab.encode_data(data)
    covariance = lab.covariance
    if covariance is None and table is not None:
        covariance = fit_covariance(table.mean)
    changes = find_changes(lab, attributes, goals, keep, data, directions, covariance)
    notes = [_weakness(change.direction) for change in changes if _weakness(change.direction)]
    borrowed = [one.name for one in changes if one.name not in lab.directions and one.name not in (directions or {})]
    if borrowed:
        notes.append(
            f"{', '.join(borrowed)}: found in these very images, so that what is read from them flatters the direction"
        )
    if images is not None:
        given = lab.as_images(images)
        originals: np.ndarray | None = given
        latents = lab.encode(given)
        shown = list(names or [f"image {i + 1}" for i in range(len(latents))])
        warnings = stranger_notes(lab, given, latents, shown)
    elif data is not None and table is not None:
        rows = _rows_without(table, changes, count, seed)
        originals, latents = data.take(rows).images, table.mean[rows]
        shown, warnings = [str(name) for name in table.ids[rows]], []
    else:
        table = lab.known()
        rows = _rows_without(table, changes, count, seed)
        originals, latents = None, table.mean[rows]
        # The name by which the same image can be asked for again: `morph @12 7`.
        shown, warnings = [f"@{row}" for row in rows], []
        notes.append(
            f"these are test images as {lab.name} decodes them: it carries their latents, not their pixels; "
            "give image files or --data to see originals beside them"
        )
    steps = find_steps(changes, latents, unit, covariance)
    moved = sweep(latents, steps)
    flat = moved.reshape(-1, moved.shape[-1])
    pictures = lab.decode(flat)
    returned = lab.encode(pictures).reshape(moved.shape)
    yard = find_yard(lab)
    reach = [] if yard is None else find_reach(yard, moved, returned)
    captions = [_caption(changes, step) for step in range(moved.shape[1])]
    judges = [change.direction for change in changes] + find_directions(lab, keep, data, directions)
    scores = _scores(moved[:, -1], returned[:, -1], judges)
    if len(changes) == 1 and changes[0].level is None and yard is not None:
        direction = changes[0].direction
        safe = find_safe_range(lab, yard, latents, direction.vector)
        scores["safe α"] = str(safe.scaled(1 / gaps_per_unit(unit, direction, covariance)))
    missed = [one for one in changes if one.level is not None and not _reached(one, returned[:, -1])]
    notes += [
        f"{one.name}: the latents reach {one.level:g}, most pictures do not: decoded and encoded again they are read "
        "otherwise; go further, or --set a level further from the middle"
        for one in missed
    ]
    outside = [caption for caption, where in zip(captions, reach, strict=False) if not where.inside]
    if outside:
        notes.append(f"beyond the data: {', '.join(outside)}; there the model shows what it has never seen")
    return Edit(
        origin=lab.origin(
            "edit",
            seed,
            attributes={change.name: list(change.alphas) for change in changes},
            levels=goals,
            keep=list(keep),
            unit=unit,
            images=shown,
        ),
        images=pictures.reshape(*moved.shape[:2], *lab.image.shape),
        latents=moved,
        originals=originals,
        reconstructions=lab.decode(latents),
        names=shown,
        attributes=[change.name for change in changes],
        steps=captions,
        scores=scores,
        notes=notes + [warning for warning in warnings if warning],
        warnings=warnings,
        reach=_reach_table(captions, reach, moved, returned, judges),
    )


def _rows_without(table: Latents, changes: Sequence[Change], count: int, seed: int) -> np.ndarray:
    """Rows that an edit can show something on: without what is added, with what is taken away."""
    if count < 1:
        raise UsageError(f"expected at least one image, got --count {count}")
    fit = np.ones(len(table), bool)
    for change in changes:
        if change.name in table.property_names() and change.sign:
            fit &= table.truth(change.name) == (0.0 if change.sign > 0 else 1.0)
    rows = np.flatnonzero(fit)
    if not len(rows):
        names = " and ".join(change.name for change in changes)
        raise DataError(f"expected images that {names} can be changed on, got none among {len(table)}")
    return np.sort(np.random.default_rng(seed).permutation(rows)[:count])


def _caption(changes: Sequence[Change], step: int) -> str:
    """`α +1.5` for one attribute, `smile +1.5 · hat +1` for several."""
    if len(changes) == 1 and changes[0].level is None:
        return f"α {changes[0].caption(step)}"
    return " · ".join(f"{change.name} {change.caption(step)}" for change in changes)


def _scores(last: np.ndarray, returned: np.ndarray, judges: Sequence[Direction]) -> dict[str, Any]:
    """What the readouts say of the last step, before and after decode → encode: did the picture change too."""
    scores: dict[str, Any] = {}
    for direction in judges:
        if direction.readout is not None:
            for where, z in (("latent", last), ("decoded and encoded again", returned)):
                scores[f"read as {direction.name}, {where}"] = _read_share(direction, z)
    return scores


def _reached(change: Change, returned: np.ndarray) -> bool:
    """Whether most pictures at α = 1 are on the side of the middle that their level is on."""
    if change.level is None or change.direction.readout is None or change.alphas[-1] != 1:
        return True
    share = _read_share(change.direction, returned)
    return share >= MOST if change.level > 0.5 else share <= 1 - MOST


def _read_share(direction: Direction, z: np.ndarray) -> float:
    """The share of latents of shape (n, d) that the readout takes for "with"."""
    return float((z @ direction.readout + direction.intercept > 0).mean())


def _reach_table(
    captions: Sequence[str],
    reach: Sequence[Reach],
    moved: np.ndarray,
    returned: np.ndarray,
    judges: Sequence[Direction],
) -> list[dict[str, Any]]:
    """Each step with what is read from its latents and pictures, and how far it is from the data."""
    rows = []
    for step, (caption, where) in enumerate(zip(captions, reach, strict=False)):
        row: dict[str, Any] = {"step": caption}
        for direction in judges:
            if direction.readout is not None:
                row[f"{direction.name} in latents"] = f"{_read_share(direction, moved[:, step]):.0%}"
                row[f"{direction.name} in pictures"] = f"{_read_share(direction, returned[:, step]):.0%}"
        row["further out than"] = f"{where.percentile:.0f} % of the data"
        row["cycle error"] = where.cycle_error
        row["among the data"] = where.inside
        rows.append(row)
    return rows


def _weakness(direction: Direction) -> str:
    """A warning about a direction whose probe can hardly tell with from without."""
    if direction.auc is not None and direction.auc < 0.75:
        return f"{direction.name} can hardly be read from these latents (AUC {direction.auc:.2f}); expect little of it"
    return ""
