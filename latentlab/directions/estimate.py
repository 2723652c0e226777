"""From labelled latents to directions: found on some images, probed on others, judged on a third set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from latentlab.directions import ESTIMATORS
from latentlab.directions.direction import Direction
from latentlab.errors import DataError, unknown_name
from latentlab.latents.table import Latents
from latentlab.statistics.balance import balanceable, balanced_cell_weights
from latentlab.statistics.bootstrap import auc_interval
from latentlab.statistics.probe import Probe, auc, fit_probe
from latentlab.statistics.split import draw_order, split_rows

# Images with, and images without, that every use of an attribute needs.
MINIMUM = 5
# Images of each kind in every cell that a probe is balanced over.
CELL_MINIMUM = 10
# Shares of the images that find the direction, fit the probe and judge it; without the last when judges come apart.
SHARES = (0.5, 0.25, 0.25)
SHARES_JUDGED_APART = (2 / 3, 1 / 3)


@dataclass(frozen=True)
class Estimate:
    """The directions that were found.

    Args:
        directions: in the order asked for.
        left_out: the reason for each attribute or class that none could be found for.
    """

    directions: tuple[Direction, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)


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
    measured on `judge` alone. When there are too few images for that, all find the direction, and
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
    _check_finite(latents)
    order = draw_order(latents.ids, seed)
    asked = list(dict.fromkeys(known if names is None else names))
    truths = {name: latents.truth(name) for name in dict.fromkeys([*latents.attributes, *asked])}
    directions: list[Direction] = []
    left_out: dict[str, str] = {}
    for name in asked:
        lack = _lack(name, truths[name])
        if lack and names is not None:
            raise DataError(lack)
        if lack:
            left_out[name] = lack
        else:
            directions.append(_direction(name, latents, truths, judge, method, seed, order))
    return Estimate(tuple(directions), left_out)


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
    others = np.stack([truths[other] for other in latents.attributes if other != name] or [truth * 0], axis=1)
    probe = None if few else _probe(latents.mean[parts[1]], truth[parts[1]], others[parts[1]])
    scores, judged = np.zeros(0), np.zeros(0)
    if probe is not None:
        scores, judged = _judged(name, probe, latents.take(parts[2]) if judge is None else judge)
    return Direction(
        name=name,
        vector=ESTIMATORS[method](z, positive),
        estimator=method,
        positives=int(positive.sum()),
        negatives=int((~positive).sum()),
        mean_with=z[positive].mean(axis=0, dtype=np.float64).astype(np.float32),
        mean_without=z[~positive].mean(axis=0, dtype=np.float64).astype(np.float32),
        readout=None if probe is None else probe.weight,
        intercept=0.0 if probe is None else probe.intercept,
        auc=auc(scores, judged) if len(judged) else None,
        auc_interval=auc_interval(scores, judged, seed=seed) if len(judged) else None,
        probe_images=len(judged),
    )


def _probe(z: np.ndarray, y: np.ndarray, others: np.ndarray) -> Probe:
    """Fit the probe of an attribute, balanced over the other attributes that it goes together with."""
    return fit_probe(z, y, balanced_cell_weights(y, others[:, balanceable(y, others, CELL_MINIMUM)]))


def _judged(name: str, probe: Probe, judge: Latents) -> tuple[np.ndarray, np.ndarray]:
    """The logits and the truth of the images that judge a probe; none where there are too few of a kind."""
    if name in judge.property_names():
        _check_finite(judge)
        truth = judge.truth(name)
        rows = np.flatnonzero(~np.isnan(truth))
        if not _lack(name, truth):
            return probe.logits(judge.mean[rows]), truth[rows]
    return np.zeros(0), np.zeros(0)


def _lack(name: str, truth: np.ndarray) -> str:
    """Why there are too few images with or without an attribute, or ""."""
    positives, negatives = int((truth == 1).sum()), int((truth == 0).sum())
    if min(positives, negatives) >= MINIMUM:
        return ""
    return (
        f"expected at least {MINIMUM} images with and {MINIMUM} without {name!r}, got {positives} with and "
        f"{negatives} without; label more images, or take more with --count"
    )


def _check_finite(latents: Latents) -> None:
    broken = ~np.isfinite(latents.mean).all(axis=1)
    if broken.any():
        raise DataError(
            f"expected finite latents, got NaN or infinity for {int(broken.sum())} of {len(broken)} images, "
            f"first {str(latents.ids[np.argmax(broken)])!r}; encode them again or leave those images out"
        )
