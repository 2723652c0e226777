"""What lies half-way between two images: how far the mid-point of their latents is from anything real."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from latentlab.data.dataset import as_unit
from latentlab.errors import DataError, UsageError
from latentlab.evaluation.identity import cycle_errors, latent_spread
from latentlab.evaluation.pixel_classifier import PixelClassifier, fit_pixel_classifier
from latentlab.runtime import Progress, silent, tracked

# As many pairs as ten classes have, where there are no classes.
PAIRS = 45
# Of so many classes that they have more pairs than this, evenly spread ones are taken.
MOST_PAIRS = 300
# Values of pictures compared at once: 32 MB in single precision.
CHUNK = 2**23

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Pairs:
    """Pairs of images, drawn several times.

    Args:
        first: row numbers of shape (draws, pairs).
        second: row numbers of shape (draws, pairs).
        classes: the class numbers of each pair; empty where pairs are of any two images.
    """

    first: np.ndarray
    second: np.ndarray
    classes: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Reality:
    """What pictures are held against: real images, and classifiers that know nothing else.

    Args:
        images: real images, float32 of shape (m, c, h, w); none of them is an end of a pair.
        classifiers: one a draw; none where images have no classes.
    """

    images: np.ndarray
    classifiers: tuple[PixelClassifier, ...] = ()

    def nearest(self, pictures: np.ndarray) -> np.ndarray:
        """The root-mean-square difference of a pixel value from the nearest real image, of shape (n,)."""
        return nearest_real(pictures, self.images)


@dataclass(frozen=True)
class Midpoints:
    """Scores of pictures, each of shape (draws, pairs), and None where it cannot be given.

    Args:
        nearest: the distance from the nearest real image; see `nearest_real`.
        cycle: ‖encode(decode(z)) − z‖ in spreads of the data's latents; see `identity.cycle_errors`.
        confidence: of the classifier of the draw.
        third: whether the classifier sees a class that is neither of the pair.
        pictures: those of the first draw, of shape (pairs, c, h, w).
    """

    nearest: np.ndarray
    cycle: np.ndarray | None
    confidence: np.ndarray | None
    third: np.ndarray | None
    pictures: np.ndarray


def draw_pairs(labels: np.ndarray | None, count: int, draws: int, seed: int = 0) -> Pairs:
    """Draw pairs of images: one pair of every two classes a draw, or 45 of any two images where there are no classes.

    Where there are more than 300 pairs of classes, as many of them are taken, evenly spread.

    Args:
        labels: class numbers of shape (count,), −1 where unknown; None without classes.
        count: how many images there are.
        draws: how often pairs are drawn, independently of each other.
        seed: of the draws. The first draws do not depend on how many there are.

    Raises:
        UsageError: when there is no draw.
        DataError: when there are fewer than two classes, or two images.
    """
    if draws < 1:
        raise UsageError(f"expected at least one seed, got {draws}")
    generators = [np.random.default_rng([seed, draw]) for draw in range(draws)]
    if labels is None:
        if count < 2:
            raise DataError(f"expected at least two images to go between, got {count}; take more with --count")
        drawn = np.array([[rng.choice(count, 2, replace=False) for _ in range(PAIRS)] for rng in generators])
        return Pairs(drawn[..., 0], drawn[..., 1])
    rows = {int(one): np.flatnonzero(labels == one) for one in np.unique(labels) if one >= 0}
    if len(rows) < 2:
        raise DataError(f"expected images of at least two classes to go between, got {len(rows)}; take other --data")
    classes = tuple(combinations(rows, 2))
    if len(classes) > MOST_PAIRS:
        classes = tuple(classes[row] for row in np.linspace(0, len(classes) - 1, MOST_PAIRS).astype(int))
    drawn = np.array([[[rng.choice(rows[one]) for one in pair] for pair in classes] for rng in generators])
    return Pairs(drawn[..., 0], drawn[..., 1], classes)


def fit_reality(
    pixels: np.ndarray, labels: np.ndarray | None, draws: int, seed: int = 0, progress: Progress = silent
) -> Reality:
    """Real images, and a classifier of their own for each draw, which differ in their seeds.

    Args:
        pixels: of shape (m, c, h, w), uint8 or float in [0, 1], of images that are no ends of pairs.
        labels: class numbers of shape (m,), −1 where unknown; None without classes.
        draws: of pairs.
        seed: of the first classifier.
        progress: told of each.

    Raises:
        DataError: when there are too few images, or classes, to fit a classifier.
    """
    images = as_unit(pixels)
    if labels is None:
        return Reality(images)
    known = labels >= 0
    seeds = tracked(range(seed, seed + draws), "fitting classifiers of pixels", progress)
    return Reality(images, tuple(fit_pixel_classifier(images[known], labels[known], one) for one in seeds))


def score_pictures(pictures: np.ndarray, pairs: Pairs, reality: Reality, cycle: np.ndarray | None = None) -> Midpoints:
    """Hold pictures, one a draw and pair, against what is real.

    Args:
        pictures: of shape (draws · pairs, c, h, w), draw by draw.
        pairs: what they stand between.
        reality: what they are held against.
        cycle: their cycle errors, of shape (draws · pairs,), where a model made them.
    """
    shape = pairs.first.shape
    by_draw = pictures.reshape(*shape, *pictures.shape[1:])
    confidence = third = None
    if reality.classifiers:
        confidence = np.stack([one.confidence(part) for one, part in zip(reality.classifiers, by_draw, strict=True)])
        read = np.stack([one.classes(part) for one, part in zip(reality.classifiers, by_draw, strict=True)])
        third = (read[..., None] != np.array(pairs.classes)).all(axis=-1)
    return Midpoints(
        nearest=reality.nearest(pictures).reshape(shape),
        cycle=None if cycle is None else cycle.reshape(shape),
        confidence=confidence,
        third=third,
        pictures=by_draw[0],
    )


def score_midpoints(
    latents: np.ndarray,
    pairs: Pairs,
    reality: Reality,
    *,
    encode: Function,
    decode: Function,
    settle: Function = np.asarray,
) -> tuple[Midpoints, Midpoints]:
    """Go half-way between images in latents, z = (z_a + z_b) / 2, and see what is decoded there.

    Args:
        latents: of the images, of shape (n, d); how they spread is the unit of cycle errors.
        pairs: rows of `latents`.
        reality: what pictures are held against.
        encode: pictures (m, c, h, w) to latents (m, d).
        decode: latents (m, d) to pictures (m, c, h, w) in [0, 1].
        settle: to the nearest latents that the model decodes: what lies between codes becomes codes.

    Returns:
        The scores of the mid-points, and those of the ends, decoded alike and averaged over the two of each pair: what
        the model loses of an image anyway.

    Raises:
        DataError: when all latents are the same.
    """
    spread = latent_spread(latents)
    if not spread > 0:
        raise DataError(f"expected latents that differ from image to image, got {len(latents)} that are all the same")
    first, second = latents[pairs.first.ravel()], latents[pairs.second.ravel()]
    scored = []
    for z in (settle((first + second) / 2), first, second):
        pictures = decode(z)
        scored.append(score_pictures(pictures, pairs, reality, cycle_errors(z, encode(pictures), spread)))
    middle, *ends = scored
    return middle, _averaged(*ends)


def nearest_real(pictures: np.ndarray, real: np.ndarray) -> np.ndarray:
    """The root-mean-square difference of a pixel value between each picture and the real image nearest to it.

    A blurred picture lies nearer to everything than a sharp one; hold it against what decoded images themselves have.

    Args:
        pictures: of shape (n, c, h, w) in [0, 1].
        real: of shape (m, c, h, w), m ≥ 1, likewise.

    Returns:
        Of shape (n,), from 0 to 1.
    """
    center = real.mean(axis=0, dtype=np.float64).ravel()
    known = (real.reshape(len(real), -1) - center).astype(np.float32)
    lengths = (known.astype(np.float64) ** 2).sum(axis=1)
    found = []
    step = max(1, CHUNK // max(known.shape))
    for start in range(0, len(pictures), step):
        part = pictures[start : start + step].reshape(-1, known.shape[1]) - center
        squared = lengths - 2 * (part.astype(np.float32) @ known.T)
        # The nearest is found in single precision, and its distance taken in double.
        found.append(np.sqrt(((part - known[squared.argmin(axis=1)]) ** 2).mean(axis=1)))
    return np.concatenate(found)


def _averaged(first: Midpoints, second: Midpoints) -> Midpoints:
    def mean(parts: Sequence[np.ndarray | None]) -> np.ndarray | None:
        known = [part for part in parts if part is not None]
        return np.mean(known, axis=0) if known else None

    return Midpoints(
        nearest=(first.nearest + second.nearest) / 2,
        cycle=mean([first.cycle, second.cycle]),
        confidence=mean([first.confidence, second.confidence]),
        third=mean([first.third, second.third]),
        pictures=first.pictures,
    )
