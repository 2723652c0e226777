"""What takes noise away without a model: filters and principal components, set by clean images and noisy copies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from latentlab.errors import DataError

Filter = Callable[[np.ndarray], np.ndarray]

# Deviations of the Gaussian filter in pixels, and sides of the median filter, of which the best is taken.
SIGMAS = (0.4, 0.6, 0.8, 1.0, 1.5, 2.0)
SIDES = (3, 5)


def gaussian_filter(images: np.ndarray, sigma: float) -> np.ndarray:
    """Each channel smoothed by a Gaussian of standard deviation `sigma` pixels; edges are mirrored.

    Args:
        images: of shape (n, c, h, w).
        sigma: in pixels.
    """
    from scipy import ndimage

    return ndimage.gaussian_filter(images, (0, 0, sigma, sigma), mode="reflect")


def median_filter(images: np.ndarray, side: int) -> np.ndarray:
    """Each pixel the median of the square of `side` pixels about it, in its own channel; edges are mirrored.

    Args:
        images: of shape (n, c, h, w).
        side: an odd number of pixels.
    """
    from scipy import ndimage

    return ndimage.median_filter(images, size=(1, 1, side, side), mode="reflect")


def fit_filters(clean: np.ndarray, noisy: np.ndarray, components: int, seed: int = 0) -> dict[str, Filter]:
    """Filters with the settings that bring noisy copies of known images nearest to these, by mean square error.

    Args:
        clean: known images, of shape (n, c, h, w), float in [0, 1], n ≥ 2.
        noisy: a noisy copy of each.
        components: principal components of the clean images that are kept, at most as many as there are.
        seed: of the randomised solver, where one is used.

    Returns:
        By name: "Gaussian filter", "median filter", "PCA projection"; each takes images (n, c, h, w) and gives as many,
        held to [0, 1].

    Raises:
        DataError: when shapes differ, or there are fewer than 2 images.
    """
    from sklearn.decomposition import PCA

    if clean.ndim != 4 or clean.shape != noisy.shape or len(clean) < 2:
        raise DataError(f"expected at least 2 images and a noisy copy of each, got {clean.shape} and {noisy.shape}")
    flat = clean.reshape(len(clean), -1)
    pca = PCA(min(components, len(clean) - 1, flat.shape[1]), random_state=seed).fit(flat)

    def project(images: np.ndarray) -> np.ndarray:
        back = pca.inverse_transform(pca.transform(images.reshape(len(images), -1)))
        return np.clip(back, 0, 1).reshape(images.shape).astype(np.float32)

    sigma = min(SIGMAS, key=lambda one: float(((gaussian_filter(noisy, one) - clean) ** 2).mean()))
    side = min(SIDES, key=lambda one: float(((median_filter(noisy, one) - clean) ** 2).mean()))
    return {
        f"Gaussian filter, σ {sigma:g}": lambda images: gaussian_filter(images, sigma),
        f"median filter, {side}×{side}": lambda images: median_filter(images, side),
        f"PCA projection, {pca.n_components_}": project,
    }


def squared_errors(pictures: Mapping[str, np.ndarray], clean: np.ndarray) -> dict[str, np.ndarray]:
    """The mean over pixels of (picture − clean)² of each image, of shape (n,), by name."""
    return {
        name: ((np.asarray(images, np.float64) - clean) ** 2).mean(axis=(1, 2, 3)) for name, images in pictures.items()
    }
