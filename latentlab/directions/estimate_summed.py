"""From a table of any size to directions: found from its sums, over all rows that may find them; judged on a sample."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from latentlab.directions.direction import Direction
from latentlab.directions.estimate import (
    MINIMUM,
    Estimate,
    balanced_probe,
    check_finite,
    judge_direction,
    resampled,
    same_attribute,
    too_few,
)
from latentlab.directions.summed import SUMMED
from latentlab.errors import DataError, unknown_name
from latentlab.latents.summary import Summary, is_finding
from latentlab.latents.table import Latents
from latentlab.statistics.bootstrap import direction_angle
from latentlab.statistics.covariance import Covariance
from latentlab.statistics.split import draw_order, split_rows

# A quarter of the rows judge: one half of them fits the readout, the other reads by it.
SHARES = (0.5, 0.5)


def estimate_summed(
    summary: Summary,
    sample: Latents,
    *,
    names: Sequence[str] | None = None,
    method: str = "mean",
    seed: int = 0,
) -> Estimate:
    """Find the direction of each attribute and class from sums over all rows that find directions.

    Those rows are three quarters of a table, by the hash of their ids. The readout, the AUC and the p-value come from
    rows of the sample that are of the other quarter, and the angle from those of the three, scaled to their number:
    what a bootstrap adds falls as 1/√n.

    Args:
        summary: the sums.
        sample: rows of the same table, drawn at random; all of them of a small one.
        names: attributes or classes; None for all of which there are enough images.
        method: a name in SUMMED.
        seed: of the splits and of the intervals.

    Raises:
        UnknownNameError: when one of `names` or `method` is not known.
        DataError, CapabilityError: when one of `names` has too few images, or the method cannot do with sums.
    """
    if method not in SUMMED:
        raise unknown_name("estimator from sums", method, SUMMED)
    known = sample.property_names()[: summary.finding.labels]
    if not known:
        raise DataError("expected latents with labels or attributes, got none; give them when images are encoded")
    check_finite(sample)
    found = is_finding(sample.ids)
    seen, unseen = sample.take(np.flatnonzero(found)), sample.take(np.flatnonzero(~found))
    halves = judging_halves(unseen.ids, seed)
    asked = list(dict.fromkeys(known if names is None else names))
    directions: list[Direction] = []
    left_out: dict[str, str] = {}
    for name in asked:
        try:
            if name not in known:
                raise unknown_name("attribute or class", name, known)
            directions.append(_direction(name, known, summary, seen, unseen, method, seed, halves))
        except DataError as error:
            if names is not None:
                raise
            left_out[name] = str(error)
    return Estimate(tuple(directions), left_out, _covariance(summary))


def judging_halves(ids: np.ndarray, seed: int) -> list[np.ndarray]:
    """The rows of a judging quarter that fit readouts, and those that are read by them; the same for every attribute.

    What edits do is judged on the second half alone: the first has made its judges.
    """
    return split_rows(draw_order(ids, seed), SHARES)


def _covariance(summary: Summary) -> Covariance | None:
    """Of all rows; None where they do not vary."""
    try:
        return summary.whole().covariance()
    except DataError:
        return None


def _direction(
    name: str,
    known: Sequence[str],
    summary: Summary,
    seen: Latents,
    unseen: Latents,
    method: str,
    seed: int,
    halves: list[np.ndarray],
) -> Direction:
    target = known.index(name)
    negatives, positives = (int(count) for count in summary.finding.counts()[target])
    if lack := too_few(name, positives, negatives):
        raise DataError(lack)
    # Classes exclude each other: held fixed, one would be nothing but the absence of the rest.
    held = [other for other in seen.attributes if other != name and other in known]
    numbers = [known.index(other) for other in held]
    try:
        vector = SUMMED[method](summary, target, numbers)
    except DataError as error:
        truth, others = _truths(seen, name, held)
        rows = ~np.isnan(truth)
        raise DataError(same_attribute(name, held, truth[rows] > 0.5, others[rows]) or f"{name!r}: {error}") from error
    without, with_ = summary.finding.class_means()
    found = Direction(
        name=name,
        vector=vector,
        estimator=method,
        positives=positives,
        negatives=negatives,
        mean_with=with_[target].astype(np.float32),
        mean_without=without[target].astype(np.float32),
        angle_degrees=_angle(name, held, method, seen, positives + negatives, seed),
    )
    truth, others = _truths(unseen, name, held)
    fitting, judging = (half[~np.isnan(truth[half])] for half in halves)
    if min(min(truth[half].sum(), (1 - truth[half]).sum()) for half in (fitting, judging)) < MINIMUM:
        return found
    probe = balanced_probe(unseen.mean[fitting], truth[fitting], others[fitting])
    return judge_direction(found, probe, (unseen.mean[judging], truth[judging] > 0.5), seed)


def _angle(name: str, held: Sequence[str], method: str, seen: Latents, count: int, seed: int) -> float | None:
    """The angle of `direction_angle` for so many rows, told by those of the sample; None where they are too few."""
    truth, others = _truths(seen, name, held)
    rows = np.flatnonzero(~np.isnan(truth))
    y = truth[rows] > 0.5
    if min(y.sum(), len(y) - y.sum()) < MINIMUM:
        return None
    try:
        angle = direction_angle(resampled(name, held, method, seen.mean[rows], y, others[rows]), len(rows), seed=seed)
    except DataError:
        return None
    if angle >= 90:
        return angle
    # Noise across a true direction is its tangent, and falls as 1/√n; the vector of a few rows is longer than it.
    return math.degrees(math.atan(math.tan(math.radians(angle)) * math.sqrt(min(1.0, len(rows) / count))))


def _truths(latents: Latents, name: str, held: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    truth = latents.truth(name)
    others = [latents.truth(other) for other in held]
    return truth, np.stack(others, axis=1) if others else np.zeros((len(truth), 0))
