from __future__ import annotations

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.maps.inverse import Inverse, inverse_of, neighbour_mean, recovered_variance
from latentlab.maps.projections import Projection, project


def cloud(n: int = 60, d: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def brute_force(place: np.ndarray, points: np.ndarray, values: np.ndarray, k: int) -> np.ndarray:
    far = np.linalg.norm(points.astype(np.float64) - place, axis=1)
    near = np.argsort(far, kind="stable")[:k]
    weights = 1 / far[near] ** 2
    return (weights[:, None] * values[near]).sum(axis=0) / weights.sum()


def test_a_place_gets_the_weighted_mean_of_its_neighbours() -> None:
    points, values = cloud(d=2), cloud()
    places = cloud(20, 2, seed=1)
    found = neighbour_mean(places, points, values, 8)
    expected = [brute_force(place, points, values, 8) for place in places]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_point_gets_its_own_value_and_points_in_one_place_their_mean() -> None:
    points, values = cloud(d=2), cloud()
    np.testing.assert_array_equal(neighbour_mean(points, points, values), values)
    points[7] = points[3]
    np.testing.assert_allclose(neighbour_mean(points[3:4], points, values)[0], (values[3] + values[7]) / 2, atol=1e-6)


def test_fewer_points_than_neighbours_are_all_averaged() -> None:
    values = np.array([[0.0], [1.0], [5.0]])
    points = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, -1.0]])
    assert neighbour_mean(np.zeros((1, 2)), points, values)[0, 0] == pytest.approx(2)


@pytest.mark.parametrize("method", ["latent", "pca", "umap"])
def test_each_projection_has_its_way_back(method: str) -> None:
    z = cloud(40, 2 if method == "latent" else 5)
    projection = project(z, method)
    inverse = inverse_of(projection, z)
    assert inverse.kind == {"latent": "latent", "pca": "plane", "umap": "neighbours"}[method]
    if method == "pca":
        assert inverse.center is not None and inverse.axes is not None and projection.inverse is not None
        back = inverse.center + projection.coords @ inverse.axes
        np.testing.assert_allclose(back, projection.inverse(projection.coords), atol=1e-5)
        np.testing.assert_allclose((z - inverse.center) @ inverse.axes.T, projection.coords, atol=1e-5)


def test_a_plane_recovers_the_variance_along_it_and_a_latent_map_all() -> None:
    z = cloud(500)
    projection = project(z, "pca")
    assert projection.explained is not None
    recovered = recovered_variance(inverse_of(projection, z), projection.coords)
    assert recovered == pytest.approx(sum(projection.explained), abs=1e-4)
    plane = z[:, :2]
    assert recovered_variance(inverse_of(project(plane, "latent"), plane), plane) == pytest.approx(1)


def test_neighbours_recover_what_the_map_knows_and_no_image_helps_itself() -> None:
    generator = np.random.default_rng(0)
    coords = generator.uniform(size=(2000, 2)).astype(np.float32)
    smooth = np.stack([np.sin(3 * coords[:, 0]), coords[:, 1] ** 2], axis=1).astype(np.float32)
    assert recovered_variance(Inverse("neighbours", smooth), coords) > 0.99
    # Noise has nothing to do with the place: the mean of 8 others is worse than the mean of all.
    noise = generator.normal(size=(2000, 3)).astype(np.float32)
    assert -0.4 < recovered_variance(Inverse("neighbours", noise), coords) < -0.05
    # All in one place: each is still left out of its own mean.
    assert recovered_variance(Inverse("neighbours", noise[:20]), np.zeros((20, 2), np.float32)) < 0.01


def test_large_maps_are_judged_on_a_fixed_sample() -> None:
    z = cloud(300)
    inverse = Inverse("neighbours", z)
    scores = [recovered_variance(inverse, z[:, :2], limit=50, seed=seed) for seed in (0, 0, 1)]
    assert scores[0] == scores[1] != scores[2]
    assert recovered_variance(Inverse("neighbours", np.ones((30, 2), np.float32)), z[:30, :2]) == 1


def test_a_plane_needs_its_center_and_axes() -> None:
    with pytest.raises(DataError, match="a center of shape"):
        Inverse("plane", cloud(), np.zeros(5), np.zeros((2, 4)))
    with pytest.raises(DataError, match="got None and None"):
        Inverse("plane", cloud())


def test_projections_without_a_plane_fall_back_on_neighbours() -> None:
    z = cloud()
    assert inverse_of(Projection("other", z[:, :2], ("a", "b")), z).kind == "neighbours"
