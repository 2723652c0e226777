"""How near a picture is to another, pixel by pixel and in its structure: PSNR and SSIM."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.data.dataset import as_unit
from latentlab.errors import DataError

SIGMA = 1.5
WINDOW = 11
# (K₁ L)² and (K₂ L)² with values in [0, 1].
C1, C2 = 0.01**2, 0.03**2
# Pixels that are compared at once: 8 bytes each, a dozen copies.
CHUNK = 500_000


@dataclass(frozen=True)
class PictureQuality:
    """How near pictures are to the images that they stand for.

    Args:
        mean_square_error: over pixels and channels, of shape (n,).
        psnr_db: 10 log₁₀(1 / mean_square_error), of shape (n,); infinite where nothing differs.
        ssim: the structural similarity, at most 1, of shape (n,).
        window: the side of the window of SSIM in pixels: 11, or the largest odd number that fits.
    """

    mean_square_error: np.ndarray
    psnr_db: np.ndarray
    ssim: np.ndarray
    window: int

    @property
    def mean_psnr_db(self) -> float:
        """The mean over images, as papers print it; infinite when an image is met exactly."""
        return float(self.psnr_db.mean())

    @property
    def mean_ssim(self) -> float:
        """The mean over images."""
        return float(self.ssim.mean())

    def record(self) -> dict[str, Any]:
        """Means as plain values for JSON; None for an infinite one."""
        count = len(self.ssim)
        errors = {
            "psnr_db": None if not np.isfinite(self.psnr_db).all() else _standard_error(self.psnr_db),
            "ssim": _standard_error(self.ssim),
        }
        return {
            "images": count,
            "mean_square_error": float(self.mean_square_error.mean()),
            "psnr_db": self.mean_psnr_db if math.isfinite(self.mean_psnr_db) else None,
            "ssim": self.mean_ssim,
            "ssim_window": self.window,
            "standard_errors": errors,
        }


def score_picture_quality(images: np.ndarray, pictures: np.ndarray) -> PictureQuality:
    """Compare pictures with the images that they stand for.

    SSIM is the mean over window positions inside the image, and over channels, of

        (2 μ_x μ_y + C₁)(2 σ_xy + C₂) / ((μ_x² + μ_y² + C₁)(σ_x² + σ_y² + C₂)),

    with moments under a Gaussian window of σ = 1.5 and 11×11 pixels, C₁ = 0.01² and C₂ = 0.03²: as in the paper, and as
    scikit-image has it with gaussian_weights=True, use_sample_covariance=False, data_range=1. Images with a side below
    11 take the largest odd window that fits; such values do not compare with others.

    Args:
        images: of shape (n, c, h, w), uint8 or float in [0, 1].
        pictures: of the same shape, likewise.

    Returns:
        One value of each score an image.

    Raises:
        DataError: when shapes differ, there are no images, or values are not in [0, 1].

    References:
        Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image Quality Assessment: From Error Visibility to
        Structural Similarity", IEEE Transactions on Image Processing 13, 2004.
    """
    if images.ndim != 4 or images.shape != pictures.shape or not images.size:
        raise DataError(
            f"expected images and pictures of one shape (n, c, h, w), got {images.shape} and {pictures.shape}"
        )
    side = min(WINDOW, *images.shape[2:])
    window = side if side % 2 else side - 1
    step = max(1, CHUNK // int(np.prod(images.shape[1:])))
    squared, similar = [], []
    for start in range(0, len(images), step):
        x, y = (as_unit(part[start : start + step]).astype(np.float64) for part in (images, pictures))
        # NaN fails both comparisons.
        if not all(part.min() >= -1e-4 and part.max() <= 1 + 1e-4 for part in (x, y)):
            raise DataError("expected pixels in [0, 1], got others; scale them first")
        squared.append(((x - y) ** 2).mean(axis=(1, 2, 3)))
        similar.append(_similarity(x, y, window))
    error = np.concatenate(squared)
    with np.errstate(divide="ignore"):
        psnr = -10 * np.log10(error)
    return PictureQuality(error, psnr, np.concatenate(similar), window)


def _similarity(x: np.ndarray, y: np.ndarray, window: int) -> np.ndarray:
    """SSIM of float64 images of shape (n, c, h, w), of shape (n,)."""
    kernel = np.exp(-0.5 * (np.arange(window) - window // 2) ** 2 / SIGMA**2)
    kernel /= kernel.sum()
    mean_x, mean_y = _blur(x, kernel), _blur(y, kernel)
    variance_x, variance_y = _blur(x * x, kernel) - mean_x**2, _blur(y * y, kernel) - mean_y**2
    covariance = _blur(x * y, kernel) - mean_x * mean_y
    likeness = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    most = (mean_x**2 + mean_y**2 + C1) * (variance_x + variance_y + C2)
    return (likeness / most).mean(axis=(1, 2, 3))


def _blur(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Weighted means over the windows that lie inside, of shape (n, c, h − w + 1, w − w + 1)."""
    for axis in (2, 3):
        places = x.shape[axis] - len(kernel) + 1
        parts = (np.take(x, range(k, k + places), axis=axis) * weight for k, weight in enumerate(kernel))
        x = sum(parts, start=np.zeros(()))
    return x


def _standard_error(values: np.ndarray) -> float | None:
    """Of the mean over images; None for one image."""
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
