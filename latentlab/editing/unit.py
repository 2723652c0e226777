"""Units of α: what a step of 1 comes to in class gaps, and the step that brings an image to a level."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from latentlab.directions.direction import Direction
from latentlab.errors import CapabilityError, DataError, UsageError, unknown_name
from latentlab.statistics.covariance import Covariance

# Why a direction can be without the probe that measures it.
WITHOUT_READOUT = "it was found from too few labelled images to hold any out, or without labels"
# A readout that rises by less than this many logits a gap would ask for steps far beyond all data.
LEAST_GAIN = 0.05
# Joint levels of attributes whose directions all but coincide would need huge steps against each other.
WORST_CONDITION = 1e3


def one_gap(direction: Direction, covariance: Covariance | None) -> float:
    """The class gap itself: 1."""
    return 1.0


def one_deviation(direction: Direction, covariance: Covariance | None) -> float:
    """The standard deviation of the latents along the direction, in class gaps: sd(z·v̂) / ‖v‖."""
    if covariance is None:
        raise CapabilityError(
            "expected latents of images to know their deviation, got a model without a gallery; use --unit gap, or "
            "give --data"
        )
    return covariance.deviation(direction.vector) / direction.gap


def one_logit(direction: Direction, covariance: Covariance | None) -> float:
    """The step by which the readout's logit rises by 1, in class gaps: 1 / w·v."""
    return 1 / gain(direction, direction)


# A unit takes a direction and the covariance of the latents, where that is known, and returns its length in class gaps.
Unit = Callable[[Direction, Covariance | None], float]

UNITS: dict[str, Unit] = {
    "gap": one_gap,
    "sd": one_deviation,
    "logit": one_logit,
}


def gaps_per_unit(unit: str, direction: Direction, covariance: Covariance | None) -> float:
    """How many class gaps a unit is long along a direction.

    Args:
        unit: a name in UNITS.
        direction: with a readout, for `logit`.
        covariance: of the latents, for `sd`; None where it is not known.

    Raises:
        UnknownNameError: when the unit is not known.
        CapabilityError: when the unit needs a readout or a covariance that is not there.
        DataError: when the readout does not rise along the direction.
    """
    if unit not in UNITS:
        raise unknown_name("unit", unit, UNITS, "a level is not a unit but levels={…}, or --set")
    return UNITS[unit](direction, covariance)


def gaps_to_levels(z: np.ndarray, directions: Sequence[Direction], levels: Sequence[float]) -> np.ndarray:
    """The steps that bring every latent to given levels of its attributes, all at once.

    Solves Σⱼ (wᵢ·vⱼ) aⱼ = logit(pᵢ) − (wᵢ·z + bᵢ) for a, with w, b the readouts: each readout then says pᵢ.

    Args:
        z: of shape (n, d).
        directions: k of them, each with a readout.
        levels: pᵢ, the probability that the readout of each is to give, between 0 and 1.

    Returns:
        a in class gaps, float64 of shape (n, k).

    Raises:
        UsageError: when a level is not between 0 and 1.
        CapabilityError: when a direction has no readout.
        DataError: when a readout does not rise along its direction, or directions all but coincide.
    """
    goals = np.asarray(levels, np.float64)
    if not ((goals > 0) & (goals < 1)).all():
        raise UsageError(f"expected levels between 0 and 1, such as 0.9, got {', '.join(f'{p:g}' for p in goals)}")
    for direction in directions:
        gain(direction, direction)
    gains = np.array([[_gain(read, moved) for moved in directions] for read in directions])
    if np.linalg.cond(gains / np.abs(np.diagonal(gains))[:, None]) > WORST_CONDITION:
        names = ", ".join(repr(direction.name) for direction in directions)
        raise DataError(f"expected attributes that change apart, got {names}, whose directions all but coincide")
    weights = np.stack([np.asarray(direction.readout, np.float64) for direction in directions], axis=1)
    logits = np.asarray(z, np.float64) @ weights + [direction.intercept for direction in directions]
    return np.linalg.solve(gains, (np.log(goals / (1 - goals)) - logits).T).T


def gain(read: Direction, moved: Direction) -> float:
    """By how much the readout of one direction rises when a latent moves one gap along another: w·v, in logits.

    Raises:
        CapabilityError: when there is no readout.
        DataError: when it rises by next to nothing.
    """
    if read.readout is None:
        raise CapabilityError(f"{read.name!r} has no readout to measure it by: {WITHOUT_READOUT}; use --unit gap")
    value = _gain(read, moved)
    if value < LEAST_GAIN:
        raise DataError(
            f"expected a readout of {read.name!r} that rises along its direction, got {value:.2g} logits a gap; "
            "the direction does not carry the attribute: use --unit gap"
        )
    return value


def _gain(read: Direction, moved: Direction) -> float:
    return float(np.asarray(read.readout, np.float64) @ np.asarray(moved.vector, np.float64))
