"""What an expression on latents comes to: a point of the latent space, or a direction in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from latentlab.directions.algebra import Mean, Name, Node, Scaled, parse
from latentlab.errors import DataError, UnknownNameError, UsageError

Kind = Literal["point", "direction"]
# Weights such as .1 + .2 + .7 miss 1 by rounding.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Operand:
    """What a name stands for.

    Args:
        name: as it is to be shown.
        kind: whether it is a place or a displacement.
        vector: of shape (d,).
    """

    name: str
    kind: Kind
    vector: np.ndarray


@dataclass(frozen=True)
class Expression:
    """The value of an expression.

    Args:
        text: the expression.
        kind: a point when the weights of its points add up to 1, a direction when they add up to 0.
        vector: of shape (d,), float32.
        terms: each operand with its coefficient, in the order in which they were written.
    """

    text: str
    kind: Kind
    vector: np.ndarray
    terms: tuple[tuple[float, Operand], ...]

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The operands in the order in which they were written."""
        return tuple(operand for _, operand in self.terms)


def evaluate(text: str, lookup: Callable[[Name | Mean], Operand]) -> Expression:
    """Evaluate an expression: Σ cᵢ·operandᵢ, where points must add up to weight 1 or 0.

    Args:
        text: the expression, see `algebra`.
        lookup: gives the operand of a name or a mean; called once for each, in the order of the text.

    Returns:
        Its value.

    Raises:
        UsageError: when it does not parse, or adds points up to another weight.
        UnknownNameError: from `lookup`.
        DataError: when operands are of different lengths or the result is not finite.
    """
    terms = tuple((coefficient, _found(name, lookup)) for coefficient, name in _flattened(parse(text)))
    shapes = {operand.vector.shape for _, operand in terms}
    if len(shapes) > 1:
        raise DataError(f"expected operands of one latent space, got shapes {sorted(shapes)}")
    kind = _kind(text, terms)
    with np.errstate(all="ignore"):
        vector = sum(np.float64(c) * operand.vector.astype(np.float64) for c, operand in terms)
        vector = np.asarray(vector).astype(np.float32)
    if not np.isfinite(vector).all():
        raise DataError("expected a finite result, got NaN or infinity; use smaller numbers")
    return Expression(text, kind, vector, terms)


def _flattened(node: Node, scalar: float = 1.0) -> Iterator[tuple[float, Name | Mean]]:
    if isinstance(node, Name | Mean):
        yield scalar, node
    elif isinstance(node, Scaled):
        yield from _flattened(node.part, scalar * node.scalar)
    else:
        for part in node.parts:
            yield from _flattened(part, scalar)


def _found(operand: Name | Mean, lookup: Callable[[Name | Mean], Operand]) -> Operand:
    try:
        return lookup(operand)
    except UnknownNameError as error:
        names = [operand] if isinstance(operand, Name) else [name for name, _ in operand.parts]
        if not any({"-", "/"} & set(name.text) for name in names if not name.quoted):
            raise
        raise UnknownNameError(f"{error}; to subtract or divide, put spaces around the sign") from error


def _kind(text: str, terms: tuple[tuple[float, Operand], ...]) -> Kind:
    points = [(coefficient, operand.name) for coefficient, operand in terms if operand.kind == "point"]
    weight = sum(coefficient for coefficient, _ in points)
    slack = TOLERANCE * max(1.0, sum(abs(coefficient) for coefficient, _ in points))
    if abs(weight - 1) <= slack:
        return "point"
    if abs(weight) <= slack:
        return "direction"
    names = ", ".join(name for _, name in points[:4]) + (", …" if len(points) > 4 else "")
    raise UsageError(
        f"expected points that add up to weight 1 (a point) or 0 (a direction), got weight {weight:g} from {names}; "
        "subtract one, or scale them, as in 0.5*(mean(7) + mean(1))"
    )
