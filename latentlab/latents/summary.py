"""What is kept of rows of latents so that directions need no second look at them: moments and cells, in two parts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from latentlab.latents.cells import Cells
from latentlab.latents.moments import Moments
from latentlab.latents.table import Latents
from latentlab.statistics.split import draw_order

# Classes and attributes that sums are kept of: their products take K² numbers.
MOST_PROPERTIES = 256
# The share of rows that find directions; the others judge them. By the hash of the id: every machine agrees.
FINDING = 0.75
SEED = 0
# Rows that are copied and sorted at once.
ROWS = 2_048


class Summary:
    """Moments of the rows that find directions, those of the rows that judge, and the cells of the former.

    Judges are fair where no row that judges a direction has found it, so that the two are kept apart from the start.

    Args:
        size: the latent dimensions d.
        properties: the names of the labels: attributes, then classes (`Latents.property_names`).
        attributes: how many of them are attributes of 0/1, which cells are made of.
    """

    def __init__(self, size: int, properties: int, binary: tuple[int, ...]) -> None:
        self.binary = binary
        self.finding = Moments(size, properties)
        self.judging = Moments(size, properties)
        self.cells = Cells(size, len(binary))

    @classmethod
    def of(cls, latents: Latents) -> Summary:
        """Empty, for tables like this one."""
        return cls(latents.mean.shape[1], *kept_properties(latents))

    def add(self, latents: Latents) -> Summary:
        """Add the rows of a table; returns itself."""
        for start in range(0, len(latents), ROWS):
            self._add(latents.take(np.arange(start, min(start + ROWS, len(latents)))))
        return self

    def _add(self, latents: Latents) -> None:
        names = latents.property_names()[: self.finding.labels]
        found = is_finding(latents.ids)
        # Those that find first, so that both parts are views of one copy.
        order, count = np.concatenate([np.flatnonzero(found), np.flatnonzero(~found)]), int(found.sum())
        z, labels = latents.mean[order], np.empty((len(names), len(latents)), np.float32).T
        for number, name in enumerate(names):
            labels[:, number] = latents.truth(name)[order]
        self.finding.add(z[:count], labels[:count])
        self.judging.add(z[count:], labels[count:])
        if not self.cells.given_up:
            self.cells.add(z[:count], labels[:count, list(self.binary)])

    def merge(self, other: Summary) -> Summary:
        """Add the rows of another part; returns itself."""
        self.finding.merge(other.finding)
        self.judging.merge(other.judging)
        self.cells.merge(other.cells)
        return self

    @property
    def count(self) -> int:
        """All rows."""
        return self.finding.count + self.judging.count

    def whole(self) -> Moments:
        """The moments of all rows."""
        return Moments(self.finding.size, self.finding.labels).merge(self.finding).merge(self.judging)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything by name, as a file keeps it."""
        parts = {"finding": self.finding.arrays(), "judging": self.judging.arrays(), "cells": self.cells.arrays()}
        return {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], binary: tuple[int, ...]) -> Summary:
        """What `arrays` gave.

        Raises:
            DataError: when one is missing, or of another shape than the others.
        """

        def part(name: str) -> dict[str, np.ndarray]:
            return {key.partition(".")[2]: value for key, value in arrays.items() if key.startswith(f"{name}.")}

        finding = Moments.from_arrays(part("finding"))
        found = cls(finding.size, finding.labels, binary)
        found.finding, found.judging = finding, Moments.from_arrays(part("judging"))
        found.cells = Cells.from_arrays(finding.size, len(binary), part("cells"))
        return found


def is_finding(ids: np.ndarray) -> np.ndarray:
    """Which rows find directions, bool of shape (n,); the others judge."""
    return draw_order(ids, SEED) < np.uint64(FINDING * 2.0**64)


def kept_properties(latents: Latents) -> tuple[int, tuple[int, ...]]:
    """How many classes and attributes sums are kept of, and which of them are 0/1 and make cells."""
    names = latents.property_names()[:MOST_PROPERTIES]
    return len(names), tuple(number for number, name in enumerate(names) if name not in latents.thresholds)
