"""Estimators side by side on one model and one set of images: which leaks least at equal success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.directions import ESTIMATORS
from latentlab.directions.estimate import estimate_directions
from latentlab.errors import DataError
from latentlab.evaluation.edits import EditScores, staying
from latentlab.evaluation.leakage import Judge, judge_attribute, read_logits
from latentlab.evaluation.trial import AttributeEdit
from latentlab.lab.attribute import TRIED, describe_latents
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.lab.score import hold_out, measure
from latentlab.latents.name import match_name
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid
from latentlab.runtime import Progress, silent
from latentlab.statistics.split import draw_order

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.directions.direction import Direction
    from latentlab.lab.lab import Lab
    from latentlab.latents.table import Latents
    from latentlab.report.page import Section

# Differences in leakage below this are not worth choosing by, however many images are sure of them.
TELLING = 0.02
UNEQUAL = "not every estimator that succeeds elsewhere does there"
# Resamples of the held-out images, and the chance that their interval misses a difference.
RESAMPLES, MISS = 1000, 0.05
# Attributes that the picture shows.
SHOWN = 6


@dataclass(frozen=True)
class Ranked:
    """One estimator, over the attributes that every ranked estimator finds and a fair judge reads.

    α, leakage and change are compared at equal success: over those attributes alone whose edits succeed with every
    estimator that succeeds with any; None for one that succeeds with none, or where there is no such attribute.

    Args:
        method: its name in ESTIMATORS.
        reached: the attributes whose edit reaches the success asked for, in pictures.
        asked: how many attributes are compared.
        alpha: the median α of success in pictures, in class gaps.
        leak_latents: the mean absolute leakage onto other attributes at equal success in latents, in class gaps; None
            also where no other could stay: classes give way to each other.
        leak_pictures: the same at equal success in pictures, read from them.
        change: the mean rms change of a pixel value.
        angle: between its directions and those of the mean difference (or, without it, of the first estimator), the
            median, in degrees.
    """

    method: str
    reached: int
    asked: int
    alpha: float | None
    leak_latents: float | None
    leak_pictures: float | None
    change: float | None
    angle: float


@dataclass(frozen=True)
class Comparison:
    """Estimators, the best first.

    Args:
        ranked: one an estimator: by the edits that succeed, then by leakage in pictures.
        images: of shape (m, k, c, h, w): each estimator's edit of one image for the first k attributes.
        attributes: the k attributes that are pictured.
        failed: why an estimator found nothing.
        notes: what to take and why; then what was not compared.
    """

    origin: Origin
    ranked: tuple[Ranked, ...]
    images: np.ndarray
    before: np.ndarray
    attributes: list[str]
    failed: dict[str, str]
    notes: list[str] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("attrs-compare", self.origin.model)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"Estimators on {self.origin.model}"

    @property
    def scores(self) -> Mapping[str, Any]:
        """One entry an estimator, the best first."""
        return {one.method: {key: value for key, value in vars(one).items() if key != "method"} for one in self.ranked}

    def strip(self) -> np.ndarray:
        """The best estimator's edits."""
        return self.images[0]

    def pictures(self) -> dict[str, bytes]:
        """A row an estimator, a column an attribute; the images before on top."""
        rows = [("before", self.before)]
        rows += [(one.method, images) for one, images in zip(self.ranked, self.images, strict=True)]
        return {"compare.png": png_bytes(labelled_grid(rows, self.attributes))}

    def sections(self) -> list[Section]:
        """The ranking and the pictures."""
        from latentlab.report.sections.estimators import estimators_section

        rows = [("before", list(self.before))]
        rows += [(one.method, list(images)) for one, images in zip(self.ranked, self.images, strict=True)]
        return [
            estimators_section(HEADERS, [ranking_row(one) for one in self.ranked], self.attributes, rows, self.notes)
        ]


HEADERS = ["method", "reach it", "median α", "leak, latents", "leak, pictures", "image change", "turned from mean"]


def ranking_row(one: Ranked) -> list[object]:
    """One estimator as a line of the table."""
    return [
        one.method, f"{one.reached} of {one.asked}",
        *(None if value is None else f"{value:.3f}" for value in (one.alpha, one.leak_latents, one.leak_pictures)),
        None if one.change is None else f"{one.change:.4f}", f"{one.angle:.0f}°",
    ]  # fmt: skip


def compare_estimators(
    lab: Lab,
    data: Dataset | None = None,
    names: Sequence[str] | None = None,
    *,
    methods: Sequence[str] = tuple(ESTIMATORS),
    seed: int = 0,
    progress: Progress = silent,
) -> Comparison:
    """Find the directions of the same images with every estimator, and judge them on others.

    Half of the images find directions, a quarter fits the judges, which are the same for all, and a quarter is
    edited. Only what every estimator finds and a fair judge reads is compared, and leakage only where each edit has
    changed as many images; see `Ranked`.

    Args:
        lab: the model.
        data: labelled images; None takes the gallery.
        names: attributes or classes; None for all.
        methods: names in ESTIMATORS.
        seed: of the split.
        progress: told of the work.

    Raises:
        LatentlabError: when there are no labels, too few images with or without an attribute, or none that every
            estimator finds and a fair judge reads.
    """
    latents = lab.known() if data is None else lab.encode_data(data, progress)
    known, judges = hold_out(latents, seed)
    asked = None if names is None else [match_name(name, latents.property_names()) or name for name in names]
    tried: dict[str, _Tried] = {}
    failed: dict[str, str] = {}
    for done, method in enumerate(methods):
        progress("comparing estimators", done, len(methods), method)
        try:
            estimate = estimate_directions(known, judges, names=asked, method=method, seed=seed)
            if not estimate.directions:
                raise DataError("; ".join(dict.fromkeys(estimate.left_out.values())))
            quality = measure(lab, judges, estimate.directions, estimate.covariance, count=TRIED, seed=seed)
            tried[method] = _Tried({one.name: one for one in estimate.directions}, quality, estimate.left_out)
        except DataError as error:
            failed[method] = str(error)
    progress("comparing estimators", len(methods), len(methods))
    if not tried:
        raise DataError("; ".join(dict.fromkeys(failed.values())))
    names, left_out = _common(tried)
    if not names:
        raise DataError("expected attributes that every estimator finds and judges read: " + "; ".join(left_out))
    shared = _Comparable(tried, names, judges)
    if shared.equal() and (unequal := [name for t, name in enumerate(names) if t not in shared.equal()]):
        left_out.insert(0, f"α, leakage and change leave out {', '.join(unequal)}: {UNEQUAL}")
    ranked = sorted((_ranked(method, shared) for method in tried), key=_order)
    pictured = names[:SHOWN]
    before = np.stack([judges.mean[np.flatnonzero(judges.truth(name) == 0)[0]] for name in pictured])
    after = np.stack([_edited(before, pictured, tried[one.method]) for one in ranked])
    return Comparison(
        origin=lab.origin("attrs", seed, compare=list(methods), data=describe_latents(lab, known, data, seed)),
        ranked=tuple(ranked),
        images=lab.decode(after.reshape(-1, after.shape[-1])).reshape(*after.shape[:2], *lab.image.shape),
        before=lab.decode(before),
        attributes=pictured,
        failed=failed,
        notes=[
            _recommendation(ranked, shared.equal(), _interval(lab, ranked, shared, seed)),
            *left_out,
            *(f"{method}: {reason}" for method, reason in failed.items()),
        ],
    )


@dataclass(frozen=True)
class _Tried:
    """One estimator's directions, and what edits along them do."""

    found: Mapping[str, Direction]
    quality: EditScores
    left_out: Mapping[str, str]

    def edit(self, name: str) -> AttributeEdit:
        return next(one for one in self.quality.attributes if one.name == name)

    def lack(self, name: str) -> str:
        """Why an attribute cannot be compared, or ""."""
        for reasons in (self.left_out, self.quality.left_out):
            if name in reasons:
                return reasons[name]
        edit = self.edit(name)
        return "" if edit.fair else f"its judge reads {100 * edit.accuracy:.0f} % of held-out images right, too few"


def _common(tried: Mapping[str, _Tried]) -> tuple[list[str], list[str]]:
    """The attributes that every estimator finds and fair judges read, and a line for each other one."""
    every = dict.fromkeys(name for one in tried.values() for name in [*one.found, *one.left_out])
    names, said = [], []
    for name in every:
        reasons: dict[str, list[str]] = {}
        for method, one in tried.items():
            reasons.setdefault(one.lack(name), []).append(method)
        if list(reasons) == [""]:
            names.append(name)
            continue
        reasons.pop("", None)
        whose = [r if len(who) == len(tried) else f"{', '.join(who)}: {r}" for r, who in reasons.items()]
        said.append(f"{name} is not compared: {'; '.join(whose)}")
    return names, said


@dataclass(frozen=True)
class _Comparable:
    """Estimators, the K attributes that they are compared on, and the held-out images."""

    tried: Mapping[str, _Tried]
    names: Sequence[str]
    judges: Latents

    def alphas(self, method: str, kind: str) -> list[float | None]:
        """The α of success of each attribute, in `latents` or `pictures`."""
        return [getattr(self.tried[method].edit(name), f"alpha_{kind}") for name in self.names]

    def equal(self, kind: str = "pictures") -> list[int]:
        """The attributes, as numbers in `names`, whose edits succeed with every estimator that succeeds with any."""
        succeeds = [[alpha is not None for alpha in self.alphas(method, kind)] for method in self.tried]
        reaching = [row for row in succeeds if any(row)]
        return [t for t in range(len(self.names)) if reaching and all(row[t] for row in reaching)]

    def staying(self) -> np.ndarray:
        """Which attributes should stay when another changes, bool of shape (K, K)."""
        edits = [next(iter(self.tried.values())).edit(name) for name in self.names]
        apart = np.zeros((len(edits), len(edits)), dtype=bool)
        for t in range(len(edits)):
            apart[t, staying(self.judges, edits, t)] = True
        return apart

    def leak(self, method: str, kind: str) -> float | None:
        """The mean absolute leakage at equal success; None where the method succeeds with none, or nothing can leak."""
        rows, quality = self.equal(kind), self.tried[method].quality
        if not rows or self.alphas(method, kind)[rows[0]] is None:
            return None
        order = [quality.names.index(name) for name in self.names]
        gaps = getattr(quality, kind).gaps[np.ix_(order, order)][rows]
        leaks = np.abs(gaps[self.staying()[rows]])
        return float(leaks.mean()) if leaks.size else None


def _ranked(method: str, shared: _Comparable) -> Ranked:
    one, found = shared.tried[method], shared.tried[method].found
    base = shared.tried.get("mean", next(iter(shared.tried.values()))).found
    reached = [alpha is not None for alpha in shared.alphas(method, "pictures")]
    edits = [one.edit(shared.names[t]) for t in shared.equal()] if any(reached) else []
    alphas = [edit.alpha_pictures for edit in edits if edit.alpha_pictures is not None]
    changes = [edit.change for edit in edits if edit.change is not None]
    return Ranked(
        method=method,
        reached=sum(reached),
        asked=len(shared.names),
        alpha=float(np.median(alphas)) if alphas else None,
        leak_latents=shared.leak(method, "latents"),
        leak_pictures=shared.leak(method, "pictures"),
        change=float(np.mean(changes)) if changes else None,
        angle=float(np.median([_angle(found[name].vector, base[name].vector) for name in shared.names])),
    )


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64) / np.linalg.norm(a), b.astype(np.float64) / np.linalg.norm(b)
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b))))


def _order(one: Ranked) -> tuple[float, ...]:
    """More edits that succeed, then less leakage in pictures, then less change."""
    leak, change = (np.inf if value is None else value for value in (one.leak_pictures, one.change))
    return (-one.reached, leak, change)


def _edited(before: np.ndarray, names: Sequence[str], tried: _Tried) -> np.ndarray:
    """Each image moved by its attribute's α of success, or by one gap where there is none."""
    edits = [tried.edit(name) for name in names]
    alphas = np.array([edit.alpha_pictures or edit.alpha_latents or 1.0 for edit in edits], np.float32)
    return before + alphas[:, None] * np.stack([tried.found[name].vector for name in names])


def _interval(lab: Lab, ranked: Sequence[Ranked], shared: _Comparable, seed: int) -> tuple[float, float] | None:
    """By how many class gaps the best leaks less than the mean difference, at least and at most; None if not compared.

    Both edits of every image are resampled together, 95 % for all estimators at once: the best of many is the best by
    luck too (Bonferroni). Directions, judges and α stay as they are.
    """
    best, mean = ranked[0], next((one for one in ranked if one.method == "mean"), None)
    if mean is None or mean is best or best.leak_pictures is None or mean.leak_pictures is None:
        return None
    effects = {one.method: _effects(lab, shared, one.method, seed) for one in (mean, best)}
    rows = np.unique(np.concatenate([images for images, _ in effects["mean"]]))
    drawn = np.random.default_rng(seed).multinomial(len(rows), np.full(len(rows), 1 / len(rows)), RESAMPLES)
    leaks = {}
    for method, edits in effects.items():
        resampled = []
        for images, changes in edits:
            weights = drawn[:, np.searchsorted(rows, images)].astype(np.float64)
            resampled.append(np.abs(weights @ changes) / np.maximum(weights.sum(axis=1, keepdims=True), 1))
        leaks[method] = np.concatenate(resampled, axis=1).mean(axis=1)
    tail = 100 * MISS / (len(ranked) - 1) / 2
    low, high = np.percentile(leaks["mean"] - leaks[best.method], [tail, 100 - tail])
    return float(low), float(high)


def _effects(lab: Lab, shared: _Comparable, method: str, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each attribute at equal success the images edited, (n,), and the changes of what should stay, (n, k)."""
    tried, judges = shared.tried[method], shared.judges
    made = [judge_attribute(tried.found[name], judges) for name in shared.names]
    readers = [judge for judge in made if isinstance(judge, Judge)]
    gaps = np.array([judge.gap for judge in readers])
    order, stays = draw_order(judges.ids, seed), shared.staying()
    found = []
    for t in shared.equal():
        edit = tried.edit(shared.names[t])
        without = np.flatnonzero(judges.truth(edit.name) == 0)
        images = np.sort(without[np.argsort(order[without], kind="stable")][: edit.count])
        z = judges.mean[images]
        moved = z + np.float32(edit.alpha_pictures or 0.0) * tried.found[edit.name].vector
        after, before = (read_logits(readers, lab.encode(lab.decode(some))) for some in (moved, z))
        found.append((images, ((after - before) / gaps)[:, stays[t]]))
    return found


def _recommendation(ranked: Sequence[Ranked], equal: Sequence[int], interval: tuple[float, float] | None) -> str:
    """Which estimator to take, in words, and by how much (within an interval) it is better than the mean difference."""
    best, mean = ranked[0], next((one for one in ranked if one.method == "mean"), None)
    if not best.reached:
        return "no edit succeeds with any estimator: there is nothing to choose by"
    if mean is None:
        return f"{best.method} comes first of those compared; the mean difference is not among them"
    if mean.reached < best.reached:
        return f"take {best.method}: its edits succeed for {best.reached} of {best.asked}, the mean's {mean.reached}"
    if not equal:
        return (
            "no attribute is reached by every estimator that reaches any: leakage cannot be compared at equal success"
        )
    if best.leak_pictures is None or mean.leak_pictures is None:
        return "nothing can leak here: there is no other attribute that could stay; the mean is good enough"
    if best.method == "mean" or interval is None:
        return (
            f"none leaks less than the mean difference ({mean.leak_pictures:.3f} in pictures): the mean is good enough"
        )
    less = mean.leak_pictures - best.leak_pictures
    bounds = f"95 %: {interval[0]:.3f} to {interval[1]:.3f}, had other images been held out".replace("-", "−")
    if interval[0] > 0 and less >= TELLING:
        return (
            f"take {best.method}: at equal success it leaks {best.leak_pictures:.3f} class gaps onto the other "
            f"attributes in pictures, the mean difference {mean.leak_pictures:.3f}; that is {less:.3f} less ({bounds})"
        )
    why = (
        f"less than {TELLING:g} is not worth choosing by" if interval[0] > 0 else "these images cannot tell them apart"
    )
    return (
        f"{best.method} leaks {less:.3f} class gaps less than the mean difference in pictures ({bounds}): {why}, and "
        "the mean is good enough here"
    )
