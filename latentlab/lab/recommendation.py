"""Which estimator to take, in words, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from latentlab.evaluation.leakage import Judge, judge_attribute, read_logits
from latentlab.statistics.split import draw_order

if TYPE_CHECKING:
    from latentlab.lab.lab import Lab
    from latentlab.lab.ranking import Comparable, Ranked

# Differences in leakage below this are not worth choosing by, however many images are sure of them.
TELLING = 0.02
# Resamples of the held-out images, and the chance that their interval misses a difference.
RESAMPLES, MISS = 1000, 0.05


def advantage(lab: Lab, ranked: Sequence[Ranked], shared: Comparable, seed: int) -> tuple[float, float] | None:
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


def _effects(lab: Lab, shared: Comparable, method: str, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
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


def recommend(ranked: Sequence[Ranked], equal: Sequence[int], interval: tuple[float, float] | None) -> str:
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
