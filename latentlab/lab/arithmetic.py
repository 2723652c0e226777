"""Code-vector arithmetic: `mean(7) - mean(1) + photo.png` is a place, `smile - 0.5*glasses` a direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.directions.algebra import Name
from latentlab.directions.direction import Direction
from latentlab.directions.expression import Expression, Operand, evaluate
from latentlab.errors import UsageError, unknown_name
from latentlab.lab.edit import Edit, edit_images
from latentlab.lab.end import WORDS, is_file_name, resolve
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.latents.name import match_name
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

# α at which a direction is shown: back, not at all, on.
ALPHAS = (-1.0, 0.0, 1.0, 2.0)


@dataclass(frozen=True)
class Arithmetic:
    """The value of an expression.

    Args:
        expression: the text, its kind and its vector.
        images: the operands that are places, then the result, of shape (k, c, h, w), for a point; else no images.
        captions: of the images.
        applied: the direction applied to gallery images, where the result is a direction.
    """

    origin: Origin
    expression: Expression
    images: np.ndarray
    captions: list[str]
    applied: Edit | None
    scores: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def latents(self) -> np.ndarray:
        """The vector, of shape (1, d)."""
        return self.expression.vector[None]

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("arithmetic", self.expression.text)

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


def arithmetic(
    lab: Lab,
    expression: str,
    *,
    data: Dataset | None = None,
    alphas: Sequence[float] = ALPHAS,
    count: int = 6,
    seed: int = 0,
) -> Arithmetic:
    """Evaluate an expression on points and directions, and show what it decodes to.

    Args:
        lab: the model.
        expression: a bare attribute or class is its direction, `mean(…)` a point, as are image files, `@12`, `random`
            and `mean`; a number is a scalar only beside `*` or after `/`, else a class. Names with odd characters stand
            in quotes.
        data: images for rows, and labels that the model lacks.
        alphas: at which a direction is shown on gallery images.
        count: gallery images that a direction is shown on.
        seed: of what is drawn.

    Raises:
        UsageError: when the expression does not parse, or mixes points so that it is neither place nor direction.
        UnknownNameError: for a name that is not known.
    """
    notes: list[str] = []

    def look_up(name: Name) -> Operand:
        known = match_name(name.text, lab.names(data))
        reserved = name.text in WORDS and not name.quoted
        if known is not None and not name.mean and not reserved:
            return Operand(known, "direction", lab.direction(known, data).vector)
        if name.mean and known is None:
            raise unknown_name("attribute or class", name.text, lab.names(data))
        if not (known or reserved or name.text.startswith("@") or is_file_name(name.text)):
            raise unknown_name("attribute or class", name.text, lab.names(data), "an image file has to exist")
        end = resolve(lab, name.text, seed=seed, data=data)
        if end.note:
            notes.append(end.note)
        return Operand(str(name), "point", end.latent)

    value = evaluate(expression, look_up)
    origin = lab.origin("arithmetic", seed, expression=expression, kind=value.kind)
    if value.kind == "point":
        places = [(f"{weight:+g} {operand.name}", operand.vector) for weight, operand in value.terms
                  if operand.kind == "point"]  # fmt: skip
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
    if not np.abs(value.vector).max() > 0:
        raise UsageError(f"expected a direction, got nothing: {expression!r} is zero; subtract something else")
    direction = Direction(name=expression, vector=value.vector, estimator="algebra")
    edit = edit_images(
        lab, None, {expression: alphas}, data=data, directions={expression: direction}, count=count, seed=seed
    )
    return Arithmetic(
        origin=origin,
        expression=value,
        images=edit.images[:, -1],
        captions=edit.names,
        applied=edit,
        scores={"length": float(np.linalg.norm(value.vector))},
        notes=[*notes, *edit.notes],
    )
