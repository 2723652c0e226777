"""What a code keeps of an image, and what a decoder with chance in it fills in: several fills of one code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from latentlab.errors import DataError

# Fills of a code: the standard error of a mean pixel is at most .5 / √32 = .09.
DRAWS = 32

# Latents of shape (m, d) and a seed to one draw of x ~ p(x|z) each, of shape (m, c, h, w).
Fill = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Kept:
    """Fills of n codes, and what they have in common.

    Args:
        fills: draws of x ~ p(x|z), of shape (n, k, c, h, w).
        mean: over the draws, of shape (n, c, h, w): an estimate of E[x|z]. What the code decides is black or white.
        spread: the standard deviation over the draws, of shape (n, c, h, w): where the fills differ. At most about .5
            in [0, 1], for a coin toss.
        share: of the variance of pixels, over codes and draws, how much the codes decide: Var(E[x|z]) / Var(x), from 0
            (the decoder ignores its code) to 1 (it fills in nothing).
    """

    fills: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    share: float


def score_kept(latents: np.ndarray, fill: Fill, *, draws: int = DRAWS, seed: int = 0) -> Kept:
    """Draw several images for each code, and part their variance into what the code decides and what is filled in.

    By the law of total variance, Var(x) = Var(E[x|z]) + E[Var(x|z)] in each pixel. The variance between codes is that
    of their means, less what the chance of k draws adds to it: E[Var(x|z)] / k. Both are summed over pixels.

    Args:
        latents: of shape (n, d), n ≥ 2, of images that are drawn at random.
        fill: draws one image for each of many latents.
        draws: k, at least 2.
        seed: of the draws.

    Returns:
        The fills with their mean and spread, and the share.

    Raises:
        DataError: when there are fewer than 2 latents or draws.

    References:
        R. A. Fisher, "Statistical Methods for Research Workers", 1925 (the intraclass correlation).
        X. Chen et al., "Variational Lossy Autoencoder", 2016, arXiv:1611.02731 (what a code leaves out).
    """
    if len(latents) < 2 or draws < 2:
        raise DataError(f"expected at least 2 latents and 2 draws of each, got {len(latents)} and {draws}")
    drawn = fill(np.repeat(latents, draws, axis=0), seed)
    fills = drawn.reshape(len(latents), draws, *drawn.shape[1:])
    mean = fills.mean(axis=1, dtype=np.float64)
    variance = fills.var(axis=1, ddof=1, dtype=np.float64)
    within = float(variance.mean(axis=0).sum())
    between = float(mean.var(axis=0, ddof=1).sum()) - within / draws
    whole = within + between
    share = min(max(between / whole, 0.0), 1.0) if whole > 0 else 1.0
    return Kept(fills, mean.astype(np.float32), np.sqrt(variance).astype(np.float32), share)
