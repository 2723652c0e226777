"""Keeping attributes: an edit that the readouts of others do not see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latentlab.errors import DataError
from latentlab.statistics.covariance import Covariance

# What must be left of the target's own gain: less, and the rescaled edit would leave the data.
LEAST_GAIN = 0.1
# The least eigenvalue of the correlations of kept readouts: below it they read the same.
COLLINEAR = 1e-4


def keep_still(
    vector: np.ndarray,
    target_readout: np.ndarray,
    kept_readouts: np.ndarray,
    covariance: Covariance,
    target: str = "the attribute",
    kept: Sequence[str] = (),
) -> np.ndarray:
    """Take out of a direction what the readouts of other attributes see, and no more.

    v' = s (v − ΣW(WᵀΣW)⁻¹Wᵀv): of all vectors with Wᵀv' = 0 the one nearest to v in Mahalanobis distance, with s such
    that the target's readout gains as much as before, w·v' = w·v.

    Args:
        vector: v of shape (d,).
        target_readout: w of shape (d,).
        kept_readouts: W of shape (d, k), one column for each attribute to keep.
        covariance: Σ of the latents.
        target: the name of the attribute that is changed, for messages.
        kept: the names of those kept.

    Returns:
        v' of shape (d,), float32.

    Raises:
        DataError: when a kept readout reads nothing, two kept ones read the same, the vector does not move its own
            readout, or less than a tenth of its gain is left.
    """
    v, w = np.asarray(vector, np.float64), np.asarray(target_readout, np.float64)
    readouts = np.asarray(kept_readouts, np.float64).reshape(len(v), -1)
    names = [str(name) for name in kept] or [f"kept attribute {index + 1}" for index in range(readouts.shape[1])]
    if not readouts.shape[1]:
        return v.astype(np.float32)
    moved = covariance.apply(readouts)
    seen = readouts.T @ moved
    deviations = np.sqrt(np.maximum(np.diagonal(seen), 0.0))
    if not (deviations > 0).all():
        raise DataError(
            f"expected readouts that see the latents, got none for {names[int(np.argmin(deviations))]!r}; keep others"
        )
    _check_apart(seen / np.outer(deviations, deviations), names)
    left = v - moved @ np.linalg.solve(seen, readouts.T @ v)
    gain, gain_left = float(w @ v), float(w @ left)
    if gain <= 0:
        raise DataError(
            f"expected a direction that its own readout sees, got one that moves the readout of {target!r} by "
            f"{gain:.3g}; estimate it again from more images"
        )
    if gain_left < LEAST_GAIN * gain:
        raise DataError(
            f"expected something of {target!r} that is not {_listed(names)}, got {max(gain_left, 0.0) / gain:.0%} of "
            "its effect: they go together in these latents; keep fewer attributes"
        )
    return (left * (gain / gain_left)).astype(np.float32)


def _check_apart(correlations: np.ndarray, names: Sequence[str]) -> None:
    """Refuse kept readouts of which one is a combination of the others."""
    values, columns = np.linalg.eigh(correlations)
    if values[0] < COLLINEAR:
        loads = np.abs(columns[:, 0])
        same = [name for name, load in zip(names, loads, strict=True) if load > 0.1 * loads.max()]
        raise DataError(f"expected attributes to keep that differ, got {_listed(same)}, which read the same; keep one")


def _listed(names: Sequence[str]) -> str:
    return " and ".join(repr(name) for name in names)
