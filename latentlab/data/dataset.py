"""A set of images with what is known about each, as every source gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from latentlab.codec import ImageSpec, Ink

Split = Literal["train", "validation", "test", "all"]


@dataclass(frozen=True)
class Request:
    """What is asked of a source.

    Args:
        location: the path behind `folder:PATH`, `npz:PATH` or `tar:PATTERN`, else "".
        split: which part of the data.
        count: how many images (a seeded sample where the source has more), or None for all.
        seed: for drawn data what is drawn, for stored data which are sampled.
        image: the images that a model takes, to which those of the source are fitted; None for their own size.
        root: where data that was downloaded before lies.
        download: whether the network may be asked.
        attributes: a CSV of attributes or labels beside a folder of images or tar files.
        max_bad: the largest share of unreadable files that is only warned about.
        options: further options of a source by name, such as the correlations of `faces`.
    """

    location: str = ""
    split: Split = "test"
    count: int | None = None
    seed: int = 0
    image: ImageSpec | None = None
    root: Path | None = None
    download: bool = False
    attributes: Path | None = None
    max_bad: float = 0.01
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Skipped:
    """A file that could not be read, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Dataset:
    """Images of one split of a source.

    Args:
        source: the name of the source.
        split: which part of the source this is.
        pixels: of shape (n, c, h, w): uint8 in 0..255, or float32 in [0, 1].
        ids: a name for each image, of shape (n,), the same whenever it is loaded.
        classes: the class names in the order of their numbers; empty without labels.
        labels: class numbers of shape (n,), int64, -1 where unknown; None without labels.
        attributes: float32 of shape (n,) a name; 0/1 for a binary attribute, scores otherwise, NaN where unknown.
        ink: which way a drawing runs, where that is known.
        skipped: the files that could not be read.
    """

    source: str
    split: str
    pixels: np.ndarray
    ids: np.ndarray
    classes: tuple[str, ...] = ()
    labels: np.ndarray | None = None
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    ink: Ink = "any"
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(self.pixels)

    def __repr__(self) -> str:
        known = ", ".join([*self.attributes, *self.classes][:12]) or "no names"
        return f"Dataset({self.source!r}, {self.split}: {len(self)} images of {self.image}; knows {known})"

    @property
    def images(self) -> np.ndarray:
        """The images as float32 in [0, 1], of shape (n, c, h, w)."""
        return as_unit(self.pixels)

    @property
    def image(self) -> ImageSpec:
        """The kind of image that this is."""
        channels, height, width = self.pixels.shape[1:]
        return ImageSpec(channels, height, width, self.ink)

    def take(self, rows: np.ndarray) -> Dataset:
        """The same data with only the given rows, in the given order."""
        return Dataset(
            source=self.source,
            split=self.split,
            pixels=self.pixels[rows],
            ids=self.ids[rows],
            classes=self.classes,
            labels=None if self.labels is None else self.labels[rows],
            attributes={name: values[rows] for name, values in self.attributes.items()},
            ink=self.ink,
            skipped=self.skipped,
        )


def as_unit(pixels: np.ndarray) -> np.ndarray:
    """Pixels as float32 in [0, 1]: uint8 is divided by 255, floats are taken as they are."""
    if pixels.dtype == np.uint8:
        return np.divide(pixels, np.float32(255), dtype=np.float32)
    return np.asarray(pixels, dtype=np.float32)
