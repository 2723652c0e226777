"""Whether an edited picture is still the same one: what changes outside the place where the attribute lives."""

from __future__ import annotations

import numpy as np

# The share of the difference between the two classes that its region holds.
REGION_SHARE = 0.9
# Latents whose nearest neighbour is looked for.
NEIGHBOURS = 500


def attribute_region(with_: np.ndarray, without: np.ndarray, share: float = REGION_SHARE) -> np.ndarray:
    """The place where an attribute lives: the fewest pixels that hold a share of the squared difference.

    Args:
        with_: the mean picture of the images with the attribute, of shape (c, h, w).
        without: that of the images without.
        share: of Σ(with − without)² over pixels and channels.

    Returns:
        bool of shape (h, w); no pixel where the two are the same.
    """
    change = ((with_.astype(np.float64) - without) ** 2).sum(axis=0)
    order = np.argsort(-change, axis=None, kind="stable")
    held = np.cumsum(change.ravel()[order])
    region = np.zeros(change.size, dtype=bool)
    if held[-1] > 0:
        region[order[: int(np.searchsorted(held, share * held[-1])) + 1]] = True
    return region.reshape(change.shape)


def outside_change(before: np.ndarray, after: np.ndarray, region: np.ndarray) -> np.ndarray:
    """The share of the squared change of each picture that lies outside a region.

    Args:
        before: of shape (n, c, h, w).
        after: of shape (n, c, h, w).
        region: bool of shape (h, w).

    Returns:
        Of shape (n,), from 0 to 1; NaN for a picture that does not change.
    """
    change = ((after.astype(np.float64) - before) ** 2).sum(axis=1)
    total = change.sum(axis=(1, 2))
    outside = change[:, ~region].sum(axis=1)
    return np.divide(outside, total, out=np.full(len(total), np.nan), where=total > 0)


def picture_change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The root-mean-square change of a pixel value, of shape (n,), of pictures of shape (n, c, h, w)."""
    return np.sqrt(((after.astype(np.float64) - before) ** 2).mean(axis=(1, 2, 3)))


def cycle_errors(z: np.ndarray, returned: np.ndarray, spread: float) -> np.ndarray:
    """How far each latent comes back from where it went: ‖encode(decode(z)) − z‖ / spread.

    Args:
        z: of shape (n, d).
        returned: encode(decode(z)), of shape (n, d).
        spread: the mean distance of the data from their mean; see `latent_spread`.

    Returns:
        Of shape (n,); at 1 the model takes the picture for any other.
    """
    return np.linalg.norm(returned.astype(np.float64) - z, axis=1) / spread


def latent_spread(z: np.ndarray) -> float:
    """mean ‖z − z̄‖ of latents of shape (n, d)."""
    return float(np.linalg.norm(z - z.mean(axis=0, dtype=np.float64), axis=1).mean())


def nearest_distance(z: np.ndarray, spread: float) -> float:
    """How far the nearest other image lies from one of the data: the median of min ‖zᵢ − zⱼ‖ / spread.

    A latent that comes back to less than half of that is still nearer to itself than to any other image.

    Args:
        z: of shape (n, d), n ≥ 2; the nearest is looked for of the first 500.
        spread: the unit; see `latent_spread`.
    """
    z = z.astype(np.float64)
    some = z[:NEIGHBOURS]
    squared = (some**2).sum(axis=1)[:, None] + (z**2).sum(axis=1) - 2 * some @ z.T
    squared[np.arange(len(some)), np.arange(len(some))] = np.inf
    return float(np.median(np.sqrt(np.maximum(squared.min(axis=1), 0)))) / spread
