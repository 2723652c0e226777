"""How far an edit can be pushed before it leaves the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentlab.statistics.support import Support

# An edit is in the data while half of its latents lie closer to the middle than this percentage of the data; and its
# pictures come back while half of them do so as well as this percentage of those that were not edited.
PERCENTILE = 99.0
# The α, in class gaps, at which pictures are made to see whether they come back.
GRID = (-4.0, -3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
# Steps of α that are looked at on each side.
STEPS = 200


@dataclass(frozen=True)
class SafeRange:
    """The α for which an edit stays in the data.

    Args:
        low: the lower bound, 0 or less, in class gaps.
        high: the upper bound, 0 or more.
        low_limit: what sets it: "distance", "cycle", or "" where nothing does up to the end of the range looked at.
        high_limit: the same for the upper bound.
    """

    low: float
    high: float
    low_limit: str = ""
    high_limit: str = ""

    def scaled(self, factor: float) -> SafeRange:
        """The same range in another unit, of which a class gap has `factor`, above 0."""
        return SafeRange(self.low * factor, self.high * factor, self.low_limit, self.high_limit)

    def __str__(self) -> str:
        low, high = ("" if self.low_limit else "≤ "), ("" if self.high_limit else "≥ ")
        return f"{low}{self.low:.2g} to {high}{self.high:.2g}".replace("-", "−")


def cycle_limit(usual: float, nearest: float) -> float:
    """The cycle error up to which a picture stands for its latent.

    A picture comes back if it does so as well as most that were not edited, or nearer to itself than to any other
    image: max(usual, nearest / 2).

    Args:
        usual: the 99th percentile (`PERCENTILE`) of the cycle errors of images of the data; infinite where unknown.
        nearest: how far the next image of the data lies; see `nearest_distance`.
    """
    return max(usual, nearest / 2)


def safe_range(
    z: np.ndarray,
    vector: np.ndarray,
    support: Support,
    alphas: Sequence[float],
    cycles: Sequence[float] | None = None,
    cycle_limit: float = np.inf,
) -> SafeRange:
    """The largest interval of α around 0 where edited latents lie among the data, and come back from a picture.

    At each α the median percentile of z + αv (see `Support`) is at most 99, and the cycle error at most a limit.
    Cycle errors, which need the model, are known at a few α and interpolated between them.

    Args:
        z: the latents to edit, of shape (n, d).
        vector: v of shape (d,).
        support: where the data are.
        alphas: ascending; the range looked at is from the first (or 0) to the last (or 0).
        cycles: the median cycle error at each of `alphas`; None looks at the distance alone.
        cycle_limit: the largest cycle error that is safe.
    """
    known = np.asarray(alphas, np.float64)
    # d² = (z − c + αv)ᵀ Σ⁻¹ (z − c + αv) is a parabola in α: three products for all α.
    away = z.astype(np.float64) - support.covariance.center
    solved = support.covariance.solve(vector)
    offset, slope, curve = support.covariance.distance(z) ** 2, away @ solved, float(vector @ solved)

    def bound(end: float) -> tuple[float, str]:
        steps = np.linspace(0, end, STEPS + 1)[:, None]
        squared = offset + 2 * steps * slope + steps**2 * curve
        far = np.median(support.percentile_at(np.sqrt(np.maximum(squared, 0))), axis=1) > PERCENTILE
        lost = np.zeros_like(far) if cycles is None else np.interp(steps[:, 0], known, cycles) > cycle_limit
        out = np.flatnonzero(far | lost)
        if not len(out):
            return end, ""
        return float(steps[max(out[0] - 1, 0), 0]), "distance" if far[out[0]] else "cycle"

    low, low_limit = bound(min(float(known[0]), 0.0))
    high, high_limit = bound(max(float(known[-1]), 0.0))
    return SafeRange(low, high, low_limit, high_limit)
