"""What an edit changes besides its attribute, read by judges that were fitted on other images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentlab.directions.direction import Direction
from latentlab.latents.table import Latents
from latentlab.statistics.balance import balanceable, balanced_cell_weights

# Held-out images with, and images without, that a judge needs.
MINIMUM = 5
# Images of each kind in every cell that classes are balanced over.
CELL_MINIMUM = 5
# A judge that reads fewer held-out images right than this says nothing.
FAIR_ACCURACY = 0.6


@dataclass(frozen=True)
class Judge:
    """The readout of an attribute, with what it is worth on held-out images.

    Args:
        name: the attribute or class.
        weight: w of shape (d,), float64.
        intercept: b; w·z + b > 0 is read as "with".
        gap: mean logit with − mean logit without, balanced against the other attributes: one class gap.
        accuracy: the share of held-out images that it reads right, with and without counting alike.
        images: the held-out images that this was measured on.
        mean_with: the mean latent of the held-out images with it, balanced against the other attributes, (d,).
        mean_without: that of those without.
    """

    name: str
    weight: np.ndarray
    intercept: float
    gap: float
    accuracy: float
    images: int
    mean_with: np.ndarray
    mean_without: np.ndarray

    @property
    def fair(self) -> bool:
        """Whether it reads the attribute at all."""
        return self.accuracy >= FAIR_ACCURACY and self.gap > 0


def judge_attribute(direction: Direction, latents: Latents) -> Judge | str:
    """Make a judge of a direction's readout, or say why there can be none.

    Args:
        direction: whose readout was fitted on other images.
        latents: held-out images with their labels.
    """
    if direction.readout is None:
        return "it has no readout to judge it by"
    if direction.name not in latents.property_names():
        return "the held-out images are not labelled with it"
    truth = latents.truth(direction.name)
    known = np.flatnonzero(~np.isnan(truth))
    z, y = latents.mean[known].astype(np.float64), truth[known] > 0.5
    if min(y.sum(), (~y).sum()) < MINIMUM:
        return (
            f"expected at least {MINIMUM} held-out images with and {MINIMUM} without it, got {y.sum()} with and "
            f"{(~y).sum()} without"
        )
    weight = np.asarray(direction.readout, np.float64)
    logits = z @ weight + direction.intercept
    others = np.array([latents.truth(name)[known] for name in latents.attributes if name != direction.name])
    others = others.reshape(-1, len(known)).T
    fair = balanced_cell_weights(y, others[:, balanceable(y, others, CELL_MINIMUM)])
    with_, without = (np.average(z[kind], axis=0, weights=fair[kind]) for kind in (y, ~y))
    return Judge(
        name=direction.name,
        weight=weight,
        intercept=direction.intercept,
        gap=float(weight @ (with_ - without)),
        accuracy=float(((logits[y] > 0).mean() + (logits[~y] <= 0).mean()) / 2),
        images=len(known),
        mean_with=with_.astype(np.float32),
        mean_without=without.astype(np.float32),
    )


def read_logits(judges: Sequence[Judge], z: np.ndarray) -> np.ndarray:
    """The logit of "with" that each of K judges gives latents of shape (n, d), of shape (n, K)."""
    weights = np.stack([judge.weight for judge in judges], axis=1)
    return np.asarray(z, np.float64) @ weights + [judge.intercept for judge in judges]


@dataclass(frozen=True)
class Leakage:
    """What edits towards each of K attributes do to the reading of all K; NaN rows where there was no edit to judge.

    Args:
        gaps: of shape (K, K): row t, column k is the mean change of the logit of k by the edit of t, in class
            gaps of k.
        flips: of shape (K, K): the share of images whose reading of k changes.
    """

    gaps: np.ndarray
    flips: np.ndarray


def leakage_row(judges: Sequence[Judge], before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How one edit changes the readings: mean(logit after − logit before) / gap, and the share of flips.

    Args:
        judges: K of them.
        before: logits of the images, of shape (n, K).
        after: logits of the edited images, of shape (n, K).

    Returns:
        Changes in class gaps, of shape (K,), NaN where a judge has no gap, and shares of shape (K,).
    """
    gaps = np.array([judge.gap if judge.gap > 0 else np.nan for judge in judges])
    return (after - before).mean(axis=0) / gaps, ((after > 0) != (before > 0)).mean(axis=0)


def stack_leakage(rows: Sequence[tuple[np.ndarray, np.ndarray] | None]) -> Leakage:
    """The matrix of K rows; None is a row of NaN."""
    missing = np.full(len(rows), np.nan)
    gaps, flips = zip(*[(missing, missing) if row is None else row for row in rows], strict=True)
    return Leakage(np.stack(gaps), np.stack(flips))
