"""Code-vector arithmetic: `mean(7) - mean(1) + photo.png` is a place, `smile - 0.5*glasses` a direction.

A direction can be saved under a name, and is an attribute like any other from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.directions.algebra import Mean, Name
from latentlab.directions.direction import Direction
from latentlab.directions.expression import Expression, Operand, evaluate
from latentlab.directions.file import write_directions
from latentlab.errors import DataError, UsageError, unknown_name
from latentlab.lab.edit import Edit, edit_images
from latentlab.lab.embedding import require_continuous
from latentlab.lab.end import WORDS, is_file_name, resolve
from latentlab.lab.result import Origin, folder_name, html_strip, one_line
from latentlab.lab.result import save as save_result
from latentlab.latents.fingerprint import fingerprint
from latentlab.latents.name import match_name
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.latents.table import Latents
    from latentlab.report.page import Section

# α at which a direction is shown: back, not at all, on.
ALPHAS = (-1.0, 0.0, 1.0, 2.0)
DIRECTIONS = "directions.safetensors"
ESTIMATOR = "algebra"


@dataclass(frozen=True)
class Arithmetic:
    """The value of an expression.

    Args:
        expression: the text, its kind and its vector.
        images: the operands that are places, then the result, of shape (k, c, h, w), for a point; else no images.
        captions: of the images.
        applied: the direction applied to gallery images, where the result is a direction.
        direction: the result as a direction, called as it was asked for; None where it is a place.
        saved: whether it was given a name, under which `save` writes a directions file.
        data: what the operands were found from; `given` are those that came with `directions`.
    """

    origin: Origin
    expression: Expression
    images: np.ndarray
    captions: list[str]
    applied: Edit | None
    scores: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    direction: Direction | None = None
    saved: bool = False
    data: dict[str, Any] = field(default_factory=dict)

    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def latents(self) -> np.ndarray:
        """The vector, of shape (1, d)."""
        return self.expression.vector[None]

    @property
    def name(self) -> str:
        """The folder that suits it."""
        saved = [self.direction.name] if self.direction is not None and self.saved else []
        return folder_name("arithmetic", *(saved or [self.expression.text]))

    @property
    def title(self) -> str:
        """The heading of its page."""
        return self.expression.text

    def strip(self) -> np.ndarray:
        """The operands and the result."""
        return self.images if self.applied is None else self.applied.strip()

    def pictures(self) -> dict[str, bytes]:
        """The operands and the result in one row, or the sheet of the edit."""
        if self.applied is not None:
            return {"arithmetic.png": self.applied.pictures()["edit.png"]}
        return {"arithmetic.png": png_bytes(labelled_grid([("", self.images)], self.captions))}

    def sections(self) -> list[Section]:
        """The row, or the sheet."""
        from latentlab.report.sections.edit import EditRow, edit_section

        if self.applied is not None:
            return self.applied.sections()
        row = EditRow("", None, None, self.images)
        return [edit_section([row], self.captions, self.title, self.scores, self.notes)]

    def save(self, folder: Path, invocation: str | None = None) -> list[Path]:
        """Write page, pictures and record; with a name, also the directions file that `edit --directions` takes."""
        paths = save_result(self, folder, invocation)
        if self.direction is None or not self.saved:
            return paths
        path = write_directions(
            Path(folder) / DIRECTIONS,
            [self.direction],
            checkpoint=self.origin.checkpoint,
            data=self.data,
            extra={"expressions": {self.direction.name: self.expression.text}},
        )
        return [*paths, path]


def arithmetic(
    lab: Lab,
    expression: str,
    *,
    name: str | None = None,
    data: Dataset | None = None,
    directions: Mapping[str, Direction] | None = None,
    alphas: Sequence[float] = ALPHAS,
    count: int = 6,
    seed: int = 0,
) -> Arithmetic:
    """Evaluate an expression on points and directions, and show what it decodes to.

    Args:
        lab: the model.
        expression: a bare attribute or class is its direction, `mean(…)` a point, as are image files, `@12`, `random`
            and `mean`; `mean(beard, not glasses)` is that of the images with a beard and without glasses. A number is
            a scalar only beside `*` or after `/`, else a class. Names with odd characters stand in quotes.
        name: what to call the result, which has to be a direction; it is then saved as an attribute.
        data: images for rows and means; its labels, where it has some, come in place of the model's.
        directions: those of a directions file; they come before names that the model knows.
        alphas: at which a direction is shown on gallery images.
        count: gallery images that a direction is shown on.
        seed: of what is drawn.

    Raises:
        UsageError: when the expression does not parse, mixes points so that it is neither place nor direction, or a
            place is to have a name.
        UnknownNameError: for a name that is not known.
        DataError: when no image has what stands in `mean(…)`.
    """
    require_continuous(lab, "arithmetic")
    if name is not None and not name.strip():
        raise UsageError("expected a name for the result, got an empty one; for example --name grin")
    if name is not None and match_name(name, lab.names(data)) is not None:
        raise UsageError(
            f"expected a new name for the result, got {name!r}, which {lab.name} knows already; choose another"
        )
    notes: list[str] = []
    taken: list[str] = []
    own = dict(directions or {})

    def table() -> Latents:
        return lab.known(data)

    def look_up(asked: Name | Mean) -> Operand:
        if isinstance(asked, Mean):
            return Operand(str(asked), "point", _mean(lab, asked, own, data, table, notes))
        reserved = asked.text in WORDS and not asked.quoted
        if not reserved and (given := match_name(asked.text, own)) is not None:
            taken.append(given)
            return Operand(given, "direction", own[given].vector)
        known = match_name(asked.text, lab.names(data))
        if known is not None and not reserved:
            return Operand(known, "direction", lab.direction(known, data).vector)
        if not (reserved or asked.text.startswith("@") or is_file_name(asked.text)):
            everything = [*own, *lab.names(data)]
            raise unknown_name("attribute or class", asked.text, everything, "an image file has to exist")
        end = resolve(lab, asked.text, seed=seed, data=data)
        if end.note:
            notes.append(end.note)
        return Operand(asked.text, "point", end.latent)

    value = evaluate(expression, look_up)
    called = {} if name is None else {"name": name}
    origin = lab.origin("arithmetic", seed, expression=expression, kind=value.kind, **called)
    if value.kind == "point":
        if name is not None:
            raise UsageError(
                f"expected a direction to call {name!r}, got a place: {expression!r}; subtract a place, as in … - mean"
            )
        return _place(lab, origin, value, notes)
    if not np.abs(value.vector).max() > 0:
        raise UsageError(f"expected a direction, got nothing: {expression!r} is zero; subtract something else")
    direction = Direction(name=name or expression, vector=value.vector, estimator=ESTIMATOR)
    edit = edit_images(
        lab, None, {direction.name: alphas}, data=data, directions={direction.name: direction}, count=count, seed=seed
    )
    return Arithmetic(
        origin=origin,
        expression=value,
        images=edit.images[:, -1],
        captions=edit.names,
        applied=edit,
        scores={"length": direction.gap},
        notes=[*notes, *edit.notes],
        direction=direction,
        saved=name is not None,
        data=_described(data) | ({"given": taken} if taken else {}),
    )


def _described(data: Dataset | None) -> dict[str, Any]:
    if data is None:
        return {"source": "the run's own"}
    return {"source": data.source, "split": data.split, "images": len(data), "fingerprint": fingerprint(data)}


def _place(lab: Lab, origin: Origin, value: Expression, notes: list[str]) -> Arithmetic:
    """The points of an expression, then where they add up to."""
    places = [
        (f"{weight:+g} {operand.name}", operand.vector) for weight, operand in value.terms if operand.kind == "point"
    ]
    latents = np.stack([*(vector for _, vector in places), value.vector])
    return Arithmetic(
        origin=origin,
        expression=value,
        images=lab.decode(latents),
        captions=[*(name for name, _ in places), "= result"],
        applied=None,
        scores={"distance from the mean": float(np.linalg.norm(value.vector - lab.center))},
        notes=notes,
    )


def _mean(
    lab: Lab,
    asked: Mean,
    own: Mapping[str, Direction],
    data: Dataset | None,
    table: Callable[[], Latents],
    notes: list[str],
) -> np.ndarray:
    """The mean latent of the images that have some attributes and lack others, of shape (d,)."""
    if len(asked.parts) == 1:
        ((name, has),) = asked.parts
        if (given := match_name(name.text, own)) is not None:
            return _side(own[given], has)
        if data is None and (known := match_name(name.text, lab.names())) is not None:
            return _side(lab.directions[known], has)
    names = lab.names(data)
    found = [(match_name(name.text, names), name.text, has) for name, has in asked.parts]
    for known, text, _ in found:
        if known is None:
            raise unknown_name("attribute or class", text, names)
    latents = table()
    rows = np.ones(len(latents), bool)
    for known, _, has in found:
        rows &= latents.truth(str(known)) == float(has)
    if not rows.any():
        raise DataError(f"expected an image for {asked}, got none among {len(latents)}; ask for less, or give --data")
    notes.append(f"{asked} is that of {int(rows.sum())} of {len(latents)} images")
    return latents.mean[rows].mean(axis=0, dtype=np.float64).astype(np.float32)


def _side(direction: Direction, has: bool) -> np.ndarray:
    """The mean of the images with an attribute, or of those without, that its direction was found from."""
    mean = direction.mean_with if has else direction.mean_without
    if mean is None:
        raise DataError(
            f"expected an attribute of images in mean(…), got {direction.name!r}, of which no images are known; "
            "write it without mean(…)"
        )
    return mean
