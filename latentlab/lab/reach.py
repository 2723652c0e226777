"""Where an edit leads: how far it is from the data, and whether the model takes its pictures for what was meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latentlab.evaluation.identity import cycle_errors, latent_spread, nearest_distance
from latentlab.evaluation.safe import GRID, PERCENTILE, SafeRange, cycle_limit, safe_range
from latentlab.evaluation.trial import Yard

if TYPE_CHECKING:
    from latentlab.lab.lab import Lab

# What metrics call the quantile of the cycle errors of unedited test images that edited ones may have too.
USUAL_CYCLE = f"{PERCENTILE / 100:g}"


@dataclass(frozen=True)
class Reach:
    """Where one step of an edit leads.

    Args:
        percentile: the share of the data that lie closer to their mean than the median image does, from 0 to 100.
        cycle_error: ‖encode(decode(z')) − z'‖ of the median image, over the spread of the data.
        inside: whether the latent is among the data, and its picture still nearer to it than to any other image.
    """

    percentile: float
    cycle_error: float
    inside: bool


def find_yard(lab: Lab) -> Yard | None:
    """What the edits of a model are measured by; None for one that does not know where its data lie."""
    if lab.support is None:
        return None
    spread = latent_spread(lab.support.latents)
    # Infinite where the cycle errors were not measured.
    usual = lab.metrics.get("test", {}).get("cycle_error_quantiles", {}).get(USUAL_CYCLE, np.inf)
    return Yard(lab.support, spread, cycle_limit(usual, nearest_distance(lab.support.latents, spread)))


def find_reach(yard: Yard, moved: np.ndarray, returned: np.ndarray) -> list[Reach]:
    """Where each step of an edit leads.

    Args:
        yard: what edits of the model are measured by.
        moved: z' of shape (n, k, d): k steps for n images.
        returned: encode(decode(z')) of the same shape.

    Returns:
        One a step.
    """
    found = []
    for z, back in zip(moved.swapaxes(0, 1), returned.swapaxes(0, 1), strict=True):
        percentile = float(np.median(yard.support.percentile(z)))
        cycle = float(np.median(cycle_errors(z, back, yard.spread)))
        found.append(Reach(percentile, cycle, percentile <= PERCENTILE and cycle <= yard.cycle_limit))
    return found


def find_safe_range(lab: Lab, yard: Yard, z: np.ndarray, vector: np.ndarray) -> SafeRange:
    """The α in class gaps for which latents moved along a direction stay among the data.

    Args:
        lab: the model.
        yard: what its edits are measured by.
        z: of shape (n, d).
        vector: of shape (d,).

    Returns:
        The range, at most 4 gaps to either side.
    """
    moved = (z[:, None] + np.array(GRID)[None, :, None] * vector).astype(np.float32)
    returned = lab.encode(lab.decode(moved.reshape(-1, z.shape[1]))).reshape(moved.shape)
    cycles = [reach.cycle_error for reach in find_reach(yard, moved, returned)]
    return safe_range(z, vector, yard.support, GRID, cycles, yard.cycle_limit)
