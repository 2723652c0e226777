"""What the points of a map can be coloured by: classes, attributes that are there or not, scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from latentlab.report.figures.packed import packed, packed_codes
from latentlab.report.figures.score import UNITS, number

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Layer:
    """One value a point.

    Args:
        name: what the values are, as files call it.
        kind: `class`, `attribute` (its first category is to have it, its second not to) or `score`.
        categories: names of classes; empty for a score.
        codes: the category of each point, of shape (n,); empty for a score.
        scores: of shape (n,), NaN where unknown; empty for classes.
    """

    name: str
    kind: str
    categories: tuple[str, ...] = ()
    codes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def title(self) -> str:
        """The name as people read it: an ending such as `_nats` becomes the unit."""
        for ending, unit in UNITS.items():
            if self.name.endswith(ending) and len(self.name) > len(ending):
                return f"{self.name.removesuffix(ending)} ({unit})"
        return self.name

    def take(self, rows: np.ndarray) -> Layer:
        """The same layer of some of the points."""
        return replace(self, codes=_rows(self.codes, rows), scores=_rows(self.scores, rows))

    def text(self, row: int) -> str:
        """The value of a point in words."""
        return self.categories[self.codes[row]] if self.categories else number(float(self.scores[row]))

    def data(self) -> dict[str, object]:
        """The layer as the page carries it."""
        content: dict[str, object] = {"name": self.name, "title": self.title, "kind": self.kind}
        if self.categories:
            return content | {
                "categories": list(self.categories),
                "codes": packed_codes(self.codes, len(self.categories)),
            }
        return content | {"scores": packed(self.scores, "f4")}


def build_layers(colours: Mapping[str, np.ndarray]) -> list[Layer]:
    """Make layers of arrays of shape (n,): names of classes, or numbers; numbers that are all 0, 1 or missing are an
    attribute."""
    return [_layer(str(name), np.asarray(values)) for name, values in colours.items()]


def _layer(name: str, values: np.ndarray) -> Layer:
    if values.dtype.kind in "fiub":
        numbers = values.astype(np.float32)
        finite = np.isfinite(numbers)
        if not np.isin(numbers[finite], (0.0, 1.0)).all():
            return Layer(name, "score", scores=np.where(finite, numbers, np.float32(np.nan)))
        codes = np.where(finite, np.where(numbers == 1.0, 0, 1), 2)
        return Layer(name, "attribute", (name, f"no {name}", UNKNOWN)[: 2 + bool((~finite).any())], codes)
    names, codes = np.unique(np.array([str(value) for value in values]), return_inverse=True)
    order = sorted(range(len(names)), key=lambda place: _rank(str(names[place])))
    return Layer(name, "class", tuple(str(names[place]) for place in order), np.argsort(order)[codes])


def _rank(name: str) -> tuple[bool, bool, float, str]:
    """Numbers first, by size; then words; what is not known last."""
    whole = name.isdecimal()
    return name == UNKNOWN, not whole, float(name) if whole else 0.0, name


def _rows(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return values[rows] if len(values) else values
