"""Maps of more latents than are fitted: what is placed lands where it belongs, in memory that does not grow."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from latentlab.errors import DataError, UnknownNameError, UsageError
from latentlab.latents.moments import Moments
from latentlab.maps.inverse import neighbour_mean
from latentlab.maps.large import Placer, project_blocks
from latentlab.maps.projections import project_pca, project_umap
from latentlab.statistics.principal import covariance_axes, principal_axes


def moments_of(z: np.ndarray) -> Moments:
    return Moments(z.shape[1], 0).add(z, np.zeros((len(z), 0), np.float32))


def blocks_of(z: np.ndarray, size: int = 700):
    return lambda: (z[start : start + size] for start in range(0, len(z), size))


def two_clusters(count: int, size: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    z = rng.normal(size=(count, size)) + np.where(labels, 6.0, -6.0)[:, None]
    return z.astype(np.float32), labels


def test_pca_of_blocks_is_that_of_the_whole() -> None:
    z, _ = two_clusters(3000)
    z += 40
    found = project_blocks(blocks_of(z), moments_of(z), "pca")
    whole = project_pca(z)
    np.testing.assert_allclose(found.projection.coords, whole.coords, atol=2e-3)
    np.testing.assert_allclose(found.projection.explained, whole.explained, rtol=1e-4)
    assert found.projection.axes == whole.axes and not len(found.placed)
    np.testing.assert_allclose(found.projection.inverse(np.zeros((1, 2)))[0], z.mean(axis=0), rtol=1e-5)


def test_axes_of_a_covariance_are_those_of_the_points() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(500, 6)) * np.arange(1, 7)
    axes, deviations = covariance_axes(np.cov(z.T, bias=True), 4)
    wanted, far = principal_axes(z, 4)
    np.testing.assert_allclose(axes, wanted, atol=1e-9)
    np.testing.assert_allclose(deviations, far)


def test_placed_points_land_in_their_cluster_and_fitted_ones_stay() -> None:
    z, labels = two_clusters(1500)
    found = project_blocks(blocks_of(z), moments_of(z), "umap", groups=labels, fit=300)
    coords = found.projection.coords
    assert len(found.fitted) == 300 and len(found.placed) == 1200 and found.dimensions == 8
    # As many of each as there are in all.
    assert np.bincount(labels[found.fitted]) == pytest.approx(np.bincount(labels) / 5, abs=1)
    centers = np.stack([coords[found.fitted][labels[found.fitted] == kind].mean(axis=0) for kind in (0, 1)])
    nearer = np.linalg.norm(coords[:, None] - centers, axis=2).argmin(axis=1)
    assert (nearer == labels)[found.placed].all()
    # Within the cluster, not at its middle: a placed point lies between fitted ones.
    low, high = coords[found.fitted].min(axis=0), coords[found.fitted].max(axis=0)
    assert (coords >= low - 1e-5).all() and (coords <= high + 1e-5).all()
    assert coords[found.placed].std(axis=0).min() > 0.5 * coords[found.fitted].std(axis=0).min()


def test_fitted_points_in_one_place_keep_their_own_places_on_the_map() -> None:
    z = np.repeat(two_clusters(150)[0], 2, axis=0)
    found = project_blocks(blocks_of(z), moments_of(z), "umap", fit=200)
    assert len(np.unique(z[found.fitted], axis=0)) < 200
    assert len(np.unique(found.projection.coords[found.fitted], axis=0)) == 200


def test_the_same_seed_gives_the_same_map_in_blocks_of_any_size() -> None:
    z, labels = two_clusters(900)
    first, second, other = (
        project_blocks(blocks_of(z, size), moments_of(z), "umap", groups=labels, fit=200, seed=seed)
        for size, seed in ((700, 1), (700, 1), (700, 2))
    )
    np.testing.assert_array_equal(first.projection.coords, second.projection.coords)
    assert (first.fitted != other.fitted).any()
    smaller = project_blocks(blocks_of(z, 64), moments_of(z), "umap", groups=labels, fit=200, seed=1)
    np.testing.assert_array_equal(first.fitted, smaller.fitted)


@pytest.mark.parametrize("count", [3, 8, 64, 65, 500])
def test_places_are_the_weighted_means_of_the_nearest(count: int) -> None:
    rng = np.random.default_rng(count)
    points, coords = rng.normal(size=(count, 5)).astype(np.float32), rng.normal(size=(count, 2)).astype(np.float32)
    z = np.concatenate([rng.normal(size=(200, 5)).astype(np.float32), points[:3]])
    found = Placer(points, coords).place(z)
    np.testing.assert_allclose(found, neighbour_mean(z, points, coords), atol=1e-4)
    # A point that is one of those fitted lies exactly where that does.
    np.testing.assert_array_equal(found[-3:], coords[:3])


def test_a_latent_of_two_dimensions_is_its_own_map() -> None:
    z, _ = two_clusters(1500, size=2)
    found = project_blocks(blocks_of(z), moments_of(z), "latent")
    np.testing.assert_array_equal(found.projection.coords, z)


def test_wide_latents_take_their_axes_from_a_sample() -> None:
    rng = np.random.default_rng(0)
    z = (rng.normal(size=(2500, 1)) * rng.normal(size=(1, 1100)) + 0.01 * rng.normal(size=(2500, 1100))).astype("f4")
    found = project_blocks(blocks_of(z), moments_of(z), "pca")
    assert found.projection.explained[0] > 0.99


def test_more_groups_than_are_fitted_and_unknown_labels_do_no_harm() -> None:
    z, _ = two_clusters(400)
    found = project_blocks(blocks_of(z), moments_of(z), "umap", groups=np.arange(400) - 1, fit=100)
    assert len(found.fitted) == 100


def test_what_cannot_be_drawn_is_one_line() -> None:
    z, _ = two_clusters(100)
    with pytest.raises(UnknownNameError, match="umap"):
        project_blocks(blocks_of(z), moments_of(z), "tsne")
    with pytest.raises(UsageError, match="2-D latent"):
        project_blocks(blocks_of(z), moments_of(z), "latent")
    same = np.ones((100, 4), np.float32)
    with pytest.raises(DataError, match="differ"):
        project_blocks(blocks_of(same), moments_of(same), "umap")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows() -> None:
    def rows(count: int) -> Iterator[np.ndarray]:
        for seed in range(count // 5000):
            yield two_clusters(5000, 64, seed)[0]

    peaks = []
    # Compiled before anything is measured.
    project_umap(two_clusters(100)[0])
    for count in (50_000, 200_000):
        moments = Moments(64, 0)
        for block in rows(count):
            moments.add(block, np.zeros((len(block), 0), np.float32))
        tracemalloc.start()
        found = project_blocks(lambda count=count: rows(count), moments, "umap", fit=2000)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(found.projection.coords) == count
    # 150,000 rows more are 38 MB of latents; what grows is two coordinates and a row number or two of each.
    assert peaks[1] - peaks[0] < 150_000 * 40
    assert peaks[1] < 400e6
