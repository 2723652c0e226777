"""Common ground for models that are compared: the images, their classes, and the places to go between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentlab.errors import CapabilityError, DataError, UsageError
from latentlab.lab.home import as_in_training, home_source
from latentlab.latents.name import find_name
from latentlab.statistics.split import draw_order, split_rows

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.evaluation.midpoint import Pairs
    from latentlab.lab.lab import Lab

# The question that everybody asks.
ENDS = ("1", "7")
# Sources that need no folder of downloaded files.
DRAWN = ("digits", "faces", "patterns")
# What is set aside to fit PCA, probes and classifiers, where nobody says which images are for that.
SET_ASIDE = 0.7
# Every class has its share on both sides, but where one has fewer images, which might all fall on one.
FEW = 4
# Training images that are enough for those: at most so many, of so many values in all.
MOST_TRAIN, MOST_VALUES = 5_000, 24_000_000


class Places:
    """Pairs of images with their names, and the one whose path is shown.

    Args:
        data: the images.
        pairs: rows of it.
        between: the classes of the one that is shown, as the user named them; None for 1 and 7, or the first two.

    Attributes:
        names: of the pairs of the first draw.
        rows: of the pair that is shown.
        ends: the names of its ends.
        where: what the pairs are, in words.

    Raises:
        UnknownNameError: when a class has another name.
        UsageError: when the two classes are one.
        DataError: when classes are named where there are none.
    """

    def __init__(self, data: Dataset, pairs: Pairs, between: tuple[str, str] | None) -> None:
        self.pairs = pairs
        self.images = data.images
        times = "once" if len(pairs.first) == 1 else f"{len(pairs.first)} times"
        if not pairs.classes:
            if between is not None:
                raise DataError(f"expected images with classes to go between {' and '.join(between)}, got none")
            self.names = [f"@{a}–@{b}" for a, b in zip(pairs.first[0], pairs.second[0], strict=True)]
            self.rows = int(pairs.first[0, 0]), int(pairs.second[0, 0])
            self.ends = f"@{self.rows[0]}", f"@{self.rows[1]}"
            self.where = f"any two images ({len(self.names)} pairs, drawn {times})"
            return
        self.names = [f"{data.classes[a]}–{data.classes[b]}" for a, b in pairs.classes]
        self.where = f"images of two classes ({len(self.names)} pairs of classes, drawn {times})"
        self.ends = _ends(data.classes, pairs, between)
        a, b = (data.classes.index(end) for end in self.ends)
        place = pairs.classes.index((min(a, b), max(a, b)))
        rows = int(pairs.first[0, place]), int(pairs.second[0, place])
        self.rows = rows if a < b else rows[::-1]


def trained_source(lab: Lab) -> str:
    """The source of the images that a model was trained on, which needs no folder.

    Raises:
        CapabilityError: when the source needs a folder, or is not known.
    """
    source = home_source(lab)
    if source is None:
        raise CapabilityError(f"{lab.name} does not say what it was trained on; give images with --data")
    if source not in DRAWN:
        raise CapabilityError(
            f"{lab.name} was trained on {source}, whose files lie in a folder; give --data {source} --root FOLDER"
        )
    return source


def train_count(values: int) -> int:
    """How many training images, of so many values each, are enough."""
    return max(2, min(MOST_TRAIN, MOST_VALUES // values))


def gather_images(lab: Lab, train: Dataset | None, data: Dataset | None, seed: int) -> tuple[Dataset, Dataset]:
    """Images to fit to, and images to look at.

    Args:
        lab: a model; without `data`, what it was trained on is taken.
        train: images to fit to; None sets some of the data aside.
        data: images to look at.
        seed: of what is set aside, or left out where there are more than enough.

    Raises:
        CapabilityError: as `trained_source`.
        DataError: when the images are of another kind than the model takes, or too few.
    """
    from latentlab.data import load_data
    from latentlab.latents.encode import check_images

    most = train_count(lab.image.size)
    if data is None:
        source = trained_source(lab)
        options = as_in_training(lab, source)
        data = load_data(source, split="test", image=lab.image, **options)
        train = train or load_data(source, split="train", image=lab.image, count=most, **options)
    if train is None:
        check_images(lab.codec, data.pixels)
        few = data.labels is None or np.unique(data.labels, return_counts=True)[1].min() < FEW
        aside, rest = split_rows(draw_order(data.ids, seed), (SET_ASIDE, 1 - SET_ASIDE), None if few else data.labels)
        train, data = data.take(aside), data.take(rest)
    if min(len(train), len(data)) < 2:
        raise DataError(
            f"expected at least 2 images to fit to and 2 to look at, got {len(train)} and {len(data)}; give more"
        )
    for part in (train, data):
        check_images(lab.codec, part.pixels)
    if len(train) > most:
        train = train.take(np.sort(np.argsort(draw_order(train.ids, seed), kind="stable")[:most]))
    return train, data


def shared_labels(train: Dataset, data: Dataset) -> tuple[np.ndarray | None, str]:
    """The class numbers of the images to look at; None, and why, where the others do not teach them."""
    if train.labels is None or data.labels is None:
        return None, f"{data.source} comes without classes"
    known, asked = ({int(one) for one in np.unique(part) if one >= 0} for part in (train.labels, data.labels))
    if train.classes != data.classes or not asked <= known or len(asked) < 2:
        return None, (
            f"of the {len(asked)} classes of the images to look at, {len(asked & known)} are among those of the images "
            "to fit to"
        )
    return data.labels, ""


def _ends(classes: tuple[str, ...], pairs: Pairs, between: tuple[str, str] | None) -> tuple[str, str]:
    """The names of the two classes whose path is shown."""
    known = [classes[one] for one in dict.fromkeys(one for pair in pairs.classes for one in pair)]
    asked = between or (ENDS if set(ENDS) <= set(known) else (known[0], known[1]))
    first, second = (find_name("class", end, known) for end in asked)
    if first == second:
        raise UsageError(f"expected two classes to go between, got {first} twice; name another one")
    return first, second
