"""From labelled latents to directions: found on some images, probed on others, judged on a third set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from latentlab.directions import ESTIMATORS
from latentlab.directions.direction import Direction
from latentlab.errors import DataError, listed, unknown_name
from latentlab.latents.table import Latents
from latentlab.statistics.balance import balanceable, balanced_cell_weights
from latentlab.statistics.bootstrap import auc_interval, direction_angle
from latentlab.statistics.covariance import Covariance, fit_covariance
from latentlab.statistics.permutation import permutation_p_value
from latentlab.statistics.probe import Probe, auc, fit_probe
from latentlab.statistics.split import draw_order, split_rows

# Images with, and images without, that every use of an attribute needs.
MINIMUM = 5
# Images of each kind in every cell that a probe is balanced over.
CELL_MINIMUM = 10
# Shares of the images that find the direction, fit the probe and judge it; without the last when judges come apart.
SHARES = (0.5, 0.25, 0.25)
SHARES_JUDGED_APART = (2 / 3, 1 / 3)
# Two attributes that agree in a larger share of the images are named as the same.
SAME = 0.99
# Attributes that were left out of which it is said why.
TOLD = 3


@dataclass(frozen=True)
class Estimate:
    """The directions that were found.

    Args:
        directions: in the order asked for.
        left_out: the reason for each attribute or class that none could be found for.
        covariance: of all the latents; beyond 1024 dimensions of their variances alone; None where they do not vary.
    """

    directions: tuple[Direction, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    covariance: Covariance | None = None


def estimate_directions(
    latents: Latents,
    judge: Latents | None = None,
    *,
    names: Sequence[str] | None = None,
    method: str = "mean",
    seed: int = 0,
) -> Estimate:
    """Find the direction of each attribute and class, with a readout and its held-out AUC.

    The images of each attribute are split by their ids, with and without in equal shares: half find the
    direction, a quarter fits the probe (with balanced cell weights), a quarter judges it. With `judge`,
    such as the test split of a run, the first two parts are two thirds and one third, and the AUC is
    measured on `judge` alone. The same images say how well the readout reads (accuracy) and whether the vector ranks
    them better than shuffled labels (p-value). When there are too few images for that, all find the direction, and
    there is neither a readout nor an AUC.

    Args:
        latents: the latents with their labels; rows with an unknown label are left out, attribute by attribute.
        judge: latents of other images to measure the AUC on.
        names: attributes or classes; None for all of which there are enough images.
        method: a name in ESTIMATORS.
        seed: of the split and of the intervals.

    Returns:
        The directions, and what was left out and why (only where `names` is None).

    Raises:
        DataError: when there are no attributes at all, a latent is not finite, or one of `names` has
            fewer than 5 images with or without it.
        UnknownNameError: when one of `names` or `method` is not known.
    """
    if method not in ESTIMATORS:
        raise unknown_name("estimator", method, ESTIMATORS)
    known = latents.property_names()
    if not known:
        raise DataError(
            "expected images with labels or attributes, got none; "
            "give a CSV with --attributes, or one sub-folder a class"
        )
    check_finite(latents)
    order = draw_order(latents.ids, seed)
    asked = list(dict.fromkeys(known if names is None else names))
    truths = {name: latents.truth(name) for name in dict.fromkeys([*latents.attributes, *asked])}
    directions: list[Direction] = []
    left_out: dict[str, str] = {}
    for name in asked:
        try:
            lack = lack_of(name, truths[name])
            if lack:
                raise DataError(lack)
            directions.append(_direction(name, latents, truths, judge, method, seed, order))
        except DataError as error:
            if names is not None:
                raise
            left_out[name] = str(error)
    return Estimate(tuple(directions), left_out, covariance_of(latents.mean))


def covariance_of(z: np.ndarray) -> Covariance | None:
    """The covariance of latents of shape (n, d), of their variances alone where d > 1024; None where none varies."""
    try:
        return fit_covariance(z)
    except DataError:
        return None


def _direction(
    name: str,
    latents: Latents,
    truths: Mapping[str, np.ndarray],
    judge: Latents | None,
    method: str,
    seed: int,
    order: np.ndarray,
) -> Direction:
    truth = truths[name]
    labelled = np.flatnonzero(~np.isnan(truth))
    y = truth[labelled]
    shares = SHARES if judge is None else SHARES_JUDGED_APART
    few = min(y.sum(), len(y) - y.sum()) * min(shares) < MINIMUM
    parts = [labelled] if few else [labelled[rows] for rows in split_rows(order[labelled], shares, y)]
    z, positive = latents.mean[parts[0]], truth[parts[0]] > 0.5
    # Classes exclude each other: held fixed, one would be nothing but the absence of the rest.
    held = [other for other in latents.attributes if other != name]
    others = np.stack([truths[other] for other in held], axis=1) if held else np.zeros((len(truth), 0))
    estimate = resampled(name, held, method, z, positive, others[parts[0]])
    vector = estimate(np.arange(len(z)))
    probe = None if few else balanced_probe(latents.mean[parts[1]], truth[parts[1]], others[parts[1]])
    judged = None if probe is None else _judging(name, latents.take(parts[2]) if judge is None else judge)
    found = Direction(
        name=name,
        vector=vector,
        estimator=method,
        positives=int(positive.sum()),
        negatives=int((~positive).sum()),
        mean_with=z[positive].mean(axis=0, dtype=np.float64).astype(np.float32),
        mean_without=z[~positive].mean(axis=0, dtype=np.float64).astype(np.float32),
        angle_degrees=direction_angle(estimate, len(z), seed=seed),
    )
    return judge_direction(found, probe, judged, seed)


def judge_direction(
    found: Direction, probe: Probe | None, judged: tuple[np.ndarray, np.ndarray] | None, seed: int
) -> Direction:
    """The same direction with its readout, and with what images that neither has seen say of both.

    Args:
        found: the direction.
        probe: its readout; None where too few images could be held out.
        judged: latents (n, d) and whether each has the attribute (n,); None where there are too few of a kind.
        seed: of the interval and of the shuffles.
    """
    if probe is None:
        return found
    found = replace(found, readout=probe.weight, intercept=probe.intercept)
    if judged is None:
        return found
    unseen, kind = judged
    logits = probe.logits(unseen)
    return replace(
        found,
        auc=auc(logits, kind),
        auc_interval=auc_interval(logits, kind, seed=seed),
        probe_images=len(kind),
        accuracy=float(((logits[kind] > 0).mean() + (logits[~kind] <= 0).mean()) / 2),
        p_value=permutation_p_value(unseen.astype(np.float64) @ found.vector, kind, seed=seed),
    )


def resampled(
    name: str, held: Sequence[str], method: str, z: np.ndarray, y: np.ndarray, others: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """The vector of an attribute as a function of the rows that it is made of; what it refuses, it refuses by name.

    Args:
        name: the attribute.
        held: the names of the other attributes.
        method: a name in ESTIMATORS.
        z: latents of shape (n, d).
        y: whether each image has the attribute, bool of shape (n,).
        others: of shape (n, k).
    """

    def estimate(rows: np.ndarray) -> np.ndarray:
        if y[rows].all() or not y[rows].any():
            raise DataError(f"expected images with and without {name!r}, got only one kind")
        try:
            return ESTIMATORS[method](z[rows], y[rows], others[rows])
        except DataError as error:
            raise DataError(same_attribute(name, held, y, others) or f"{name!r}: {error}") from error

    return estimate


def same_attribute(name: str, held: Sequence[str], y: np.ndarray, others: np.ndarray) -> str:
    """Which other attribute goes with this one in every image, or nearly every one, or ""."""
    for other, column in zip(held, others.T, strict=True):
        known = ~np.isnan(column)
        agree = float((y[known] == (column[known] > 0.5)).mean()) if known.any() else 0.5
        if max(agree, 1 - agree) > SAME:
            every = "every image" if agree in (0.0, 1.0) else f"{max(agree, 1 - agree):.1%} of the images"
            how = "goes with" if agree > 0.5 else "is the opposite of"
            return (
                f"expected attributes that can be told apart, got {name!r}, which {how} {other!r} in {every}; "
                "leave one of them out, label images with only one of them, or use the method mean"
            )
    return ""


def balanced_probe(z: np.ndarray, y: np.ndarray, others: np.ndarray) -> Probe:
    """Fit the probe of an attribute, balanced over the other attributes that it goes together with."""
    return fit_probe(z, y, balanced_cell_weights(y, others[:, balanceable(y, others, CELL_MINIMUM)]))


def _judging(name: str, judge: Latents) -> tuple[np.ndarray, np.ndarray] | None:
    """The latents and the truth of the images that judge an attribute; None where there are too few of a kind."""
    if name not in judge.property_names():
        return None
    check_finite(judge)
    truth = judge.truth(name)
    rows = np.flatnonzero(~np.isnan(truth))
    return None if lack_of(name, truth) else (judge.mean[rows], truth[rows] > 0.5)


def left_out_notes(reasons: Mapping[str, str]) -> list[str]:
    """What to say of attributes that have no direction: why, for the first few; of a table with forty, their names.

    >>> left_out_notes({"hat": "no image has it"})
    ['left out hat: no image has it']
    """
    names = list(reasons)
    said = [f"left out {name}: {reasons[name]}" for name in names[:TOLD]]
    if rest := names[TOLD:]:
        said.append(f"left out as well: {listed(rest)}")
    return said


def lack_of(name: str, truth: np.ndarray) -> str:
    """Why there are too few images with or without an attribute, of truths of shape (n,), or ""."""
    return too_few(name, int((truth == 1).sum()), int((truth == 0).sum()))


def too_few(name: str, positives: int, negatives: int) -> str:
    """Why so many images with and without an attribute are too few, or ""."""
    if min(positives, negatives) >= MINIMUM:
        return ""
    return (
        f"expected at least {MINIMUM} images with and {MINIMUM} without {name!r}, got {positives} with and "
        f"{negatives} without; label more images, or take more with --count"
    )


def check_finite(latents: Latents) -> None:
    """Refuse latents of which one is NaN or infinite.

    Raises:
        DataError: that says how many, and which is the first.
    """
    broken = ~np.isfinite(latents.mean).all(axis=1)
    if broken.any():
        raise DataError(
            f"expected finite latents, got NaN or infinity for {int(broken.sum())} of {len(broken)} images, "
            f"first {str(latents.ids[np.argmax(broken)])!r}; encode them again or leave those images out"
        )
