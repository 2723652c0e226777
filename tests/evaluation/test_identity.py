from __future__ import annotations

import numpy as np
import pytest

from latentlab.evaluation.identity import (
    attribute_region,
    cycle_errors,
    latent_spread,
    nearest_distance,
    outside_change,
    picture_change,
)


def test_region_is_the_fewest_pixels_that_hold_the_share() -> None:
    with_ = np.zeros((3, 2, 3), np.float32)
    with_[0, 0, 0] = 3
    with_[1, 1, 2] = np.sqrt(5)
    with_[2, 1, 2] = np.sqrt(1)
    with_[0, 1, 0] = 1
    # Squared differences 9, 6 and 1 of 16.
    without = np.zeros_like(with_)
    assert np.argwhere(attribute_region(with_, without)).tolist() == [[0, 0], [1, 2]]
    assert np.argwhere(attribute_region(with_, without, share=0.5)).tolist() == [[0, 0]]
    assert attribute_region(with_, without, share=0.99).sum() == 3
    assert not attribute_region(with_, with_).any()


def test_outside_change_is_a_share_of_the_squares() -> None:
    before = np.zeros((3, 1, 2, 2))
    after = before.copy()
    after[0, 0] = [[2, 1], [0, 0]]
    after[1, 0] = [[3, 0], [0, 0]]
    region = np.array([[True, False], [False, False]])
    share = outside_change(before, after, region)
    assert share[:2] == pytest.approx([0.2, 0])
    assert np.isnan(share[2])
    assert picture_change(before, after) == pytest.approx([np.sqrt(5 / 4), 1.5, 0])


def test_distances_are_in_units_of_the_spread() -> None:
    z = np.array([[0, 0], [4, 0], [0, 3], [4, 3]], np.float32)
    assert latent_spread(z) == pytest.approx(2.5)
    assert cycle_errors(z, z + np.float32([0, 5]), 2.5) == pytest.approx([2, 2, 2, 2])
    assert nearest_distance(z, 2.5) == pytest.approx(3 / 2.5)


def test_nearest_other_image_is_not_the_image_itself() -> None:
    z = np.random.default_rng(0).normal(size=(600, 5)).astype(np.float32)
    distances = np.linalg.norm(z[:500, None].astype(np.float64) - z[None], axis=2)
    distances[distances == 0] = np.inf
    assert nearest_distance(z, 1.0) == pytest.approx(np.median(distances.min(axis=1)), rel=1e-6)
