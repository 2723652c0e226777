"""The table of latents: what a codec made of a set of images, a row an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from latentlab.data.attribute import score_thresholds
from latentlab.errors import DataError


@dataclass(frozen=True)
class Latents:
    """Latents of n images with what is known about each.

    Args:
        mean: posterior means of shape (n, d), float32.
        logvar: posterior log-variances of shape (n, d), or None for a codec without a posterior.
        ids: the name of each image, of shape (n,).
        split: the split that the images come from.
        classes: the class names, in the order of their numbers.
        labels: class numbers of shape (n,), -1 where unknown, or None.
        attributes: one array of shape (n,) a name: 0/1 or scores, NaN where unknown.
        loss: −log p(x|z) at the posterior mean in nats, of shape (n,), or None: what the model makes of
            images that it should know, against which a stranger is judged.
        thresholds: for each attribute of scores, the score above which an image has it: their median, found once, so
            that every part of the table is split alike. Found for those that are not given; 0/1 attributes have none.
    """

    mean: np.ndarray
    logvar: np.ndarray | None
    ids: np.ndarray
    split: str = "test"
    classes: tuple[str, ...] = ()
    labels: np.ndarray | None = None
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    loss: np.ndarray | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = {
            "logvar": self.logvar,
            "ids": self.ids,
            "labels": self.labels,
            "loss": self.loss,
            **self.attributes,
        }
        for name, column in rows.items():
            if column is not None and len(column) != len(self.mean):
                raise DataError(f"expected {len(self.mean)} rows of {name}, got {len(column)}")
        unknown = {name: column for name, column in self.attributes.items() if name not in self.thresholds}
        given = {name: float(self.thresholds[name]) for name in self.attributes if name in self.thresholds}
        known = {**given, **score_thresholds(unknown)}
        object.__setattr__(self, "thresholds", known)

    def __len__(self) -> int:
        return len(self.mean)

    def take(self, rows: np.ndarray) -> Latents:
        """The same table with only the given rows, in the given order."""
        return Latents(
            mean=self.mean[rows],
            logvar=None if self.logvar is None else self.logvar[rows],
            ids=self.ids[rows],
            split=self.split,
            classes=self.classes,
            labels=None if self.labels is None else self.labels[rows],
            attributes={name: values[rows] for name, values in self.attributes.items()},
            loss=None if self.loss is None else self.loss[rows],
            thresholds=self.thresholds,
        )

    def with_thresholds(self, other: Latents) -> Latents:
        """The same table with scores split where another one, such as that of the training images, splits them."""
        return replace(self, thresholds={**self.thresholds, **other.thresholds})

    def property_names(self) -> list[str]:
        """Every name that splits the rows in two: attributes, then classes."""
        return [*self.attributes, *(name for name in self.classes if name not in self.attributes)]

    def truth(self, name: str) -> np.ndarray:
        """Whether each row has the attribute, or is of the class, called `name`.

        Returns:
            float32 of shape (n,): 1 with, 0 without, NaN unknown. Scores that are not 0/1 are split at their
            threshold.
        """
        if name in self.attributes:
            values = np.asarray(self.attributes[name], dtype=np.float32)
            if name not in self.thresholds:
                return values
            above = (values > self.thresholds[name]).astype(np.float32)
            return np.where(np.isnan(values), np.float32(np.nan), above)
        if name in self.classes and self.labels is not None:
            number = self.classes.index(name)
            return np.where(self.labels < 0, np.nan, self.labels == number).astype(np.float32)
        from latentlab.errors import unknown_name

        raise unknown_name("attribute or class", name, self.property_names())
