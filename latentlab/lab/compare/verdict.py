"""What a comparison of models comes to: paired differences, and the words for them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.evaluation.midpoint import Midpoints
from latentlab.lab.compare.contestant import Contestant
from latentlab.lab.compare.score import FADE, REAL
from latentlab.lab.home import home_source
from latentlab.statistics.paired import Difference, paired_difference

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.evaluation.feature import FeatureScores

# The standard normal's .975 quantile: what a standard error is widened by.
WIDE = 1.96


@dataclass(frozen=True)
class Measure:
    """Something that is measured of every model.

    Args:
        key: its name in the record.
        title: in words.
        short: in fewer words, among others of its kind.
        lower: whether less is better.
        percent: whether it is a share.
        unit: behind its numbers.
    """

    key: str
    title: str
    short: str = ""
    lower: bool = True
    percent: bool = False
    unit: str = ""

    def text(self, value: float, sign: bool = False) -> str:
        """A value as it is printed, or with its sign as a difference is."""
        plus = "+" if sign else ""
        shown = f"{value * 100:{plus}.1f}" if self.percent else f"{value:{plus}.3g}"
        unit = (" points" if sign else " %") if self.percent else self.unit
        return f"{shown.replace('-', '−')}{unit}"


CYCLE = Measure("midpoint_cycle_error", "cycle error at the mid-points", "cycle error")
CONFIDENCE = Measure(
    "midpoint_confidence",
    "the classifier's confidence at the mid-points",
    "the classifier's confidence",
    lower=False,
    percent=True,
)
NEAREST = Measure(
    "midpoint_nearest", "distance of the mid-points from the nearest real image", "distance from the nearest real image"
)
SQUARED = Measure("mean_square_error", "mean square error of reconstructions")
BOUND = Measure("negative_elbo_nats", "−ELBO", unit=" nats")
PSEUDO_BOUND = Measure("negative_elbo_nats", "bound of the pseudo-likelihood", unit=" nats")
PROBE = Measure("linear_accuracy", "linear probe of the latents, all labels", lower=False, percent=True)
BETWEEN = (CYCLE, CONFIDENCE, NEAREST)
# The scores of mid-points, and those of the ends.
Scored = tuple[Midpoints, Midpoints]


@dataclass(frozen=True)
class Compared:
    """One measure of two models.

    Args:
        measure: what was measured.
        a: the first model, with its value.
        b: the second.
        difference: a − b.
        over: what the interval is over: "seeds" or "images".
        aside: what else belongs to the numbers, in words.
    """

    measure: Measure
    a: tuple[str, float]
    b: tuple[str, float]
    difference: Difference
    over: str
    aside: str = ""

    @property
    def better(self) -> str | None:
        """The name of the model that does better beyond what chance explains; None for neither."""
        if not self.difference.decided:
            return None
        return self.a[0] if (self.difference.mean < 0) == self.measure.lower else self.b[0]

    def values_of(self, first: str) -> str:
        """The value of one of the two, then of the other."""
        values = [self.measure.text(value) for _, value in (self.a, self.b)]
        return " against ".join(values if self.a[0] == first else values[::-1])

    @property
    def interval(self) -> str:
        """From where to where the difference may be; "" where nothing is known of it."""
        found, text = self.difference, self.measure.text
        if math.isnan(found.low):
            return ""
        low, high = text(found.low, sign=True), text(found.high, sign=True)
        # The unit stands once.
        return f"{low.partition(' ')[0]} to {high}"

    @property
    def figures(self) -> tuple[str, str, str, str]:
        """The two values, the difference and its interval, as a table has them."""
        text, found = self.measure.text, self.difference
        spread = f"{self.interval or '–'}, {self._count}"
        return text(self.a[1]), text(self.b[1]), text(found.mean, sign=True), spread

    @property
    def sentence(self) -> str:
        """The finding in words with its numbers."""
        values = [f"{name} {self.measure.text(value)}" for name, value in (self.a, self.b)]
        title = self.measure.title[:1].upper() + self.measure.title[1:]
        found = self.difference
        count = self._count
        spread = f", {found.level * 100:.0f} % interval {self.interval}" if self.interval else ""
        if not self.interval:
            end = f"one of the {self.over} says nothing of chance; take more with --seeds"
        elif self.better is None:
            end = f"does not differ by what {count} can tell"
        else:
            end = f"{self.better} does better"
        aside = f"; {self.aside}" if self.aside else ""
        apart = f"difference {self.measure.text(found.mean, sign=True)}{spread}, {count}{aside}"
        return f"{title}: {' against '.join(values)} ({apart}): {end}."

    @property
    def _count(self) -> str:
        return f"{self.difference.count:,} {self.over if self.difference.count != 1 else self.over.removesuffix('s')}"

    def record(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {
            "measure": self.measure.key, "a": self.a[0], "b": self.b[0], "value_a": self.a[1], "value_b": self.b[1],
            "difference": asdict(self.difference), "over": self.over, "better": self.better,
        }  # fmt: skip


def compare_pairs(
    contestants: Sequence[Contestant], scored: Mapping[str, Scored], features: FeatureScores | None
) -> list[Compared]:
    """Every measure of every two contestants."""
    found: list[Compared] = []
    for a, b in combinations(contestants, 2):
        found += _between(a.name, b.name, scored[a.name], scored[b.name])
        found.append(_paired(SQUARED, (a.name, a.squared_error), (b.name, b.squared_error), "images"))
        if a.bound_nats is not None and b.bound_nats is not None and a.nats == b.nats:
            measure = PSEUDO_BOUND if a.nats == "pseudo" else BOUND
            found.append(_paired(measure, (a.name, a.bound_nats), (b.name, b.bound_nats), "images"))
        if features is not None:
            mean, error = features.difference(a.name, b.name, "linear", None)
            values = [features.find(one.name, "linear", None).accuracy for one in (a, b)]
            interval = Difference(mean, mean - WIDE * error, mean + WIDE * error, features.test_images)
            found.append(Compared(PROBE, (a.name, values[0]), (b.name, values[1]), interval, "images"))
    return found


def headline(found: Iterable[Compared], a: str, b: str) -> str:
    """What lies half-way, of two models, in a sentence without its end."""
    between = [one for one in found if one.measure in BETWEEN and (one.a[0], one.b[0]) == (a, b)]
    said = []
    for name, other in ((a, b), (b, a)):
        ahead = [f"{one.measure.short} ({one.values_of(name)})" for one in between if one.better == name]
        if ahead:
            said.append(f"{name} does better than {other} in {_listed(ahead)}")
    even = [f"{one.measure.short} ({one.values_of(a)})" for one in between if one.better is None]
    if even:
        count = between[0].difference.count
        many = "1 seed" if count == 1 else f"{count} seeds"
        said.append(f"{a} does not differ from {b} by what {many} can tell in {_listed(even)}")
    return "; ".join(said)


def verdict(
    found: Sequence[Compared], own: Sequence[str], where: str, scores: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """What lies between images, of every two models that were asked for; of only two, every measure.

    Args:
        found: the measures.
        own: the names of those models.
        where: what mid-points lie between, in words.
        scores: those of real images and of the cross-fade give the scale.
    """
    pairs = list(dict.fromkeys((one.a[0], one.b[0]) for one in found if {one.a[0], one.b[0]} <= set(own)))
    said = [f"Half-way between {where}: {headline(found, *pair)}." for pair in pairs]
    if len(pairs) == 1:
        # Of more models, a table says it better.
        shown = [one for one in found if (one.a[0], one.b[0]) == pairs[0]]
        said += [one.sentence for one in shown if not one.measure.key.startswith("rise")]
    real, fade = scores[REAL], scores[FADE]
    distances = (
        f"real images lie {real['end_nearest']:.3g} from the nearest one of the others, the middle of a cross-fade of "
        f"pixels {fade['midpoint_nearest']:.3g}"
    )
    if "classifier_accuracy" not in real:
        return [*said, f"For scale: {distances}."]
    accuracy, sure, half = (
        f"{value * 100:.1f} %"
        for value in (real["classifier_accuracy"], real["end_confidence"], fade["midpoint_confidence"])
    )
    return [
        *said,
        f"For scale: the classifiers name {accuracy} of the real images rightly, {sure} sure of it on average, and are "
        f"{half} sure half-way through a plain cross-fade of pixels; {distances}.",
    ]


def caveats(
    contestants: Sequence[Contestant], train: Dataset, data: Dataset, seeds: int, missing: str, unjudged: str = ""
) -> list[str]:
    """What the numbers mean, and what they leave open.

    Args:
        contestants: the models.
        train: the images that PCA, probes and classifiers were fitted to.
        data: those that were looked at.
        seeds: how often pairs were drawn.
        missing: why there are no classes, or "".
        unjudged: why there is no classifier of them, or "".
    """
    classifiers = "" if missing or unjudged else ", and fit other classifiers"
    drawn = f"the {seeds} seeds draw other images to go between{classifiers}"
    if seeds == 1:
        drawn = "the one seed drew the images to go between, and others would differ"
    said = [
        f"all are shown the same {len(data):,} images of {data.source} ({data.split}); PCA, probes and classifiers are "
        f"fitted to {len(train):,} others ({train.split})",
        f"{drawn}; each model was trained once, and another training of its "
        "recipe may differ by more than the intervals say: train with --set seed=1, seed=2, … and compare those",
    ]
    if missing:
        said.insert(0, f"{missing}: nothing can be said of classes, of a classifier's confidence, or of probes")
    if unjudged:
        said.insert(0, f"{unjudged}: nothing can be said of a classifier's confidence")
    pseudo = [one.name for one in contestants if one.nats == "pseudo"]
    if pseudo:
        said.append(
            f"grey pixels under a Bernoulli make a pseudo-likelihood of the nats of {_listed(pseudo)}: they are not "
            "compared with those of densities"
        )
    for one in contestants:
        source = home_source(one.lab)
        if source not in (None, data.source):
            said.append(f"{one.name} was trained on {source}, not on {data.source}: these images are strange to it")
        if not one.lab.latent.continuous:
            said.append(
                f"{one.name} is walked through in the embeddings of its codes; every frame and mid-point is decoded "
                "from the codes nearest to it"
            )
    return said


def _between(a: str, b: str, first: Scored, second: Scored) -> list[Compared]:
    """The scores of mid-points, a value a draw, and by how much they differ from those of the ends."""
    found, changes = [], []
    for measure, field in zip(BETWEEN, ("cycle", "confidence", "nearest"), strict=True):
        (mid_a, end_a), (mid_b, end_b) = (
            [None if (values := getattr(part, field)) is None else values.mean(axis=1) for part in scored]
            for scored in (first, second)
        )
        if mid_a is None or mid_b is None or end_a is None or end_b is None:
            continue
        ends = " against ".join(measure.text(float(values.mean())) for values in (end_a, end_b))
        found.append(_paired(measure, (a, mid_a), (b, mid_b), "seeds", f"at the ends {ends}"))
        change = replace(
            measure,
            key=measure.key.replace("midpoint", "rise"),
            title=f"{measure.short}, from the ends to the mid-points",
        )
        changes.append(_paired(change, (a, mid_a - end_a), (b, mid_b - end_b), "seeds"))
    return [*found, *changes]


def _paired(
    measure: Measure, a: tuple[str, np.ndarray], b: tuple[str, np.ndarray], over: str, aside: str = ""
) -> Compared:
    """A measure of two models, with as many values of each."""
    values = (a[0], float(a[1].mean())), (b[0], float(b[1].mean()))
    return Compared(measure, *values, paired_difference(a[1], b[1]), over, aside)


def _listed(words: Sequence[str]) -> str:
    """Words with commas, and "and" before the last."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
