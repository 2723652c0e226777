"""Filters that need no model."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.evaluation.denoise import fit_filters, gaussian_filter, median_filter, squared_errors


def test_filters_keep_one_grey_and_channels_apart():
    images = np.zeros((1, 3, 9, 9), np.float32)
    images[:, 1] = 0.7
    for filtered in (gaussian_filter(images, 1.0), median_filter(images, 3)):
        np.testing.assert_allclose(filtered, images, atol=1e-6)


def test_a_median_takes_single_pixels_away_and_a_gaussian_spreads_them():
    image = np.zeros((1, 1, 9, 9), np.float32)
    image[..., 4, 4] = 1
    assert median_filter(image, 3).max() == 0
    spread = gaussian_filter(image, 1.0)
    assert spread.sum() == pytest.approx(1, abs=1e-3)
    # The peak of a normal density of deviation 1 in two dimensions, as pixels sample it.
    assert spread.max() == pytest.approx(1 / (2 * np.pi), rel=0.02)


def test_settings_are_those_that_are_nearest():
    rng = np.random.default_rng(0)
    rows = np.linspace(0, 1, 16)
    clean = np.stack([np.outer(np.sin(3 * rows + phase) ** 2, rows) for phase in rng.random(40)])[:, None]
    clean = clean.astype(np.float32)
    noisy = (clean + 0.2 * rng.standard_normal(clean.shape)).clip(0, 1).astype(np.float32)
    found = fit_filters(clean, noisy, components=3)
    assert [name.split(",")[0] for name in found] == ["Gaussian filter", "median filter", "PCA projection"]
    errors = {name: ((take(noisy) - clean) ** 2).mean() for name, take in found.items()}
    before = ((noisy - clean) ** 2).mean()
    assert max(errors.values()) < before
    # These pictures lie in a space of three dimensions, which no filter knows of.
    assert errors["PCA projection, 3"] == min(errors.values()) < before / 10
    # With next to no noise the narrowest filters are best.
    assert {"Gaussian filter, σ 0.4", "median filter, 3×3"} < set(fit_filters(clean, clean, components=3))


def test_errors_are_means_over_the_pixels_of_each_image():
    pictures = {"a": np.full((2, 1, 2, 2), 0.5), "b": np.stack([np.zeros((1, 2, 2)), np.ones((1, 2, 2))])}
    found = squared_errors(pictures, np.zeros((2, 1, 2, 2)))
    assert found["a"].tolist() == [0.25, 0.25] and found["b"].tolist() == [0, 1]


def test_clean_and_noisy_images_have_to_be_the_same():
    with pytest.raises(DataError, match="a noisy copy of each"):
        fit_filters(np.zeros((3, 1, 4, 4)), np.zeros((2, 1, 4, 4)), 2)
