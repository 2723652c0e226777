"""Edits: z' = z + αv, for gallery images, images of a data set, or image files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.editing.edits import sweep
from latentlab.errors import DataError, UsageError, unknown_name
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.latents.name import match_name
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.directions.direction import Direction
    from latentlab.lab.lab import Alpha, Lab
    from latentlab.latents.table import Latents
    from latentlab.report.page import Section


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
        return [edit_section(rows, self.steps, self.title, self.scores, self.notes)]


def edit_images(
    lab: Lab,
    images: Any,
    attributes: Mapping[str, Alpha],
    *,
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
        attributes: α of each attribute or class, in class gaps: a number, or several for a sweep.
        names: of the images given.
        data: images to edit where none are given; directions are found from it for names that the model lacks.
        directions: those of a directions file, instead of the run's own.
        count: how many images to take where none are given.
        seed: of which are taken.

    Raises:
        LatentlabError: for an unknown attribute, an α that is not a number, images of another kind.
    """
    if not attributes:
        raise UsageError("expected at least one attribute to change; for example --attr smile --alpha 1.5")
    if not isinstance(attributes, Mapping) or not all(isinstance(name, str) for name in attributes):
        raise UsageError(f"expected attributes as names with alphas, such as {{'7': 1.5}}, got {attributes!r}")
    found = {}
    for asked in attributes:
        direction = _direction(lab, asked, data, directions)
        found[direction.name] = (direction, _alphas(attributes[asked]))
    notes = [_weakness(direction) for direction, _ in found.values() if _weakness(direction)]
    if images is not None:
        given = lab.as_images(images)
        originals: np.ndarray | None = given
        latents = lab.encode(given)
        shown = list(names or [f"image {i + 1}" for i in range(len(latents))])
        warnings = lab.stranger_notes(given, latents, shown)
    elif data is not None:
        table = lab.encode_data(data)
        rows = _rows_without(table, list(found), [a for _, a in found.values()], count, seed)
        originals, latents = data.take(rows).images, table.mean[rows]
        shown, warnings = [str(name) for name in table.ids[rows]], []
    else:
        table = lab.known()
        rows = _rows_without(table, list(found), [a for _, a in found.values()], count, seed)
        originals, latents = None, table.mean[rows]
        # The name by which the same image can be asked for again: `morph @12 7`.
        shown, warnings = [f"@{row}" for row in rows], []
        notes.append(
            f"these are test images as {lab.name} decodes them: it carries their latents, not their pixels; "
            "give image files or --data to see originals beside them"
        )
    moved = sweep(latents, {name: (direction.vector, alphas) for name, (direction, alphas) in found.items()})
    flat = moved.reshape(-1, moved.shape[-1])
    pictures = lab.decode(flat).reshape(*moved.shape[:2], *lab.image.shape)
    return Edit(
        origin=lab.origin(
            "edit", seed, attributes={name: list(alphas) for name, (_, alphas) in found.items()}, images=shown
        ),
        images=pictures,
        latents=moved,
        originals=originals,
        reconstructions=lab.decode(latents),
        names=shown,
        attributes=list(found),
        steps=_captions({name: alphas for name, (_, alphas) in found.items()}, moved.shape[1]),
        scores=_scores(lab, flat, moved[:, -1], [direction for direction, _ in found.values()]),
        notes=notes + [warning for warning in warnings if warning],
        warnings=warnings,
    )


def _direction(lab: Lab, asked: str, data: Dataset | None, directions: Mapping[str, Direction] | None) -> Direction:
    if directions is not None:
        name = match_name(asked, directions)
        if name is None:
            raise unknown_name("attribute or class", asked, directions)
        return directions[name]
    own = match_name(asked, lab.directions)
    return lab.directions[own] if own is not None else lab.direction(asked, data)


def _alphas(alpha: Alpha) -> tuple[float, ...]:
    try:
        values = (float(alpha),) if np.isscalar(alpha) else tuple(float(value) for value in alpha)  # type: ignore
    except (TypeError, ValueError) as error:
        raise UsageError(f"expected a number for alpha, got {alpha!r}") from error
    if not values or not np.isfinite(values).all():
        raise UsageError(f"expected finite numbers for alpha, got {alpha!r}")
    return values


def _rows_without(
    table: Latents, names: Sequence[str], alphas: Sequence[Sequence[float]], count: int, seed: int
) -> np.ndarray:
    """Rows that an edit can show something on: without what is added, with what is taken away."""
    if count < 1:
        raise UsageError(f"expected at least one image, got --count {count}")
    fit = np.ones(len(table), bool)
    for name, values in zip(names, alphas, strict=True):
        if name in table.property_names() and not (min(values) < 0 < max(values)):
            fit &= table.truth(name) == (0.0 if max(values) > 0 else 1.0)
    rows = np.flatnonzero(fit)
    if not len(rows):
        raise DataError(f"expected images that {' and '.join(names)} can be changed on, got none among {len(table)}")
    return np.sort(np.random.default_rng(seed).permutation(rows)[:count])


def _captions(alphas: Mapping[str, Sequence[float]], steps: int) -> list[str]:
    """`α 1.5` for one attribute, `smile 1.5 · hat 1` for several."""
    captions = []
    for step in range(steps):
        values = {name: values[step if len(values) > 1 else 0] for name, values in alphas.items()}
        if len(values) == 1:
            captions.append(f"α {next(iter(values.values())):+.3g}")
        else:
            captions.append(" · ".join(f"{name} {value:+.3g}" for name, value in values.items()))
    return captions


def _scores(lab: Lab, moved: np.ndarray, last: np.ndarray, directions: Sequence[Direction]) -> dict[str, Any]:
    """What the readouts say of the last step, after decode → encode: did the picture change, not only the latent."""
    scores: dict[str, Any] = {}
    returned = lab.encode(lab.decode(last))
    for direction in directions:
        if direction.readout is None:
            continue
        for where, z in (("latent", last), ("decoded and encoded again", returned)):
            share = float(((z @ direction.readout + direction.intercept) > 0).mean())
            scores[f"read as {direction.name}, {where}"] = share
    return scores


def _weakness(direction: Direction) -> str:
    """A warning about a direction whose probe can hardly tell with from without."""
    if direction.auc is not None and direction.auc < 0.75:
        return f"{direction.name} can hardly be read from these latents (AUC {direction.auc:.2f}); expect little of it"
    return ""
