from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.decomposition import PCA

from latentlab.errors import DataError, UnknownNameError, UsageError
from latentlab.maps.projections import PROJECTIONS, Projection, project


def blobs(n: int = 90, d: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    return (generator.normal(size=(n, d)) + 12 * np.eye(3, d)[labels]).astype(np.float32), labels


@pytest.mark.parametrize("method", PROJECTIONS)
def test_every_map_puts_each_latent_in_one_place_twice_the_same(method: str) -> None:
    z = blobs(60, 2)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = project(z, method, 3), project(z, method, 3)
    assert first.method == method
    assert first.coords.shape == (60, 2)
    assert first.coords.dtype == np.float32
    assert np.isfinite(first.coords).all()
    assert first.coords.tobytes() == second.coords.tobytes()
    assert len(first.axes) == 2
    if first.inverse is not None:
        np.testing.assert_allclose(first.inverse(first.coords), z, atol=1e-5)


def test_latent_map_is_the_latent() -> None:
    z = blobs(10, 2)[0]
    np.testing.assert_array_equal(project(z, "latent").coords, z)
    with pytest.raises(UsageError, match="got 6 dimensions; use pca or umap"):
        project(blobs()[0], "latent")


def test_pca_is_scikit_learns_but_for_fixed_signs() -> None:
    z = blobs()[0]
    ours, theirs = project(z, "pca"), PCA(2, svd_solver="full").fit(z.astype(np.float64))
    np.testing.assert_allclose(np.abs(ours.coords), np.abs(theirs.transform(z)), atol=1e-4)
    np.testing.assert_allclose(ours.explained, theirs.explained_variance_ratio_, rtol=1e-6)
    assert f"{theirs.explained_variance_ratio_[0]:.0%}" in ours.axes[0]
    directions = ours.inverse(np.eye(2)) - ours.inverse(np.zeros((1, 2)))
    for row in directions:
        assert row[np.abs(row).argmax()] > 0
    plane = theirs.inverse_transform(theirs.transform(z))
    np.testing.assert_allclose(ours.inverse(ours.coords), plane, atol=1e-4)


def test_pca_signs_do_not_follow_the_signs_of_the_data() -> None:
    z = blobs()[0]
    np.testing.assert_allclose(project(-z, "pca").coords, -project(z, "pca").coords, atol=1e-4)


@pytest.mark.parametrize("shape", [(2, 5), (5, 1), (3, 40)])
def test_pca_of_few_images_or_dimensions(shape: tuple[int, int]) -> None:
    z = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    found = project(z, "pca")
    assert found.coords.shape == (shape[0], 2)
    assert sum(found.explained) <= 1 + 1e-9
    distances = np.linalg.norm(found.coords[:1] - found.coords, axis=1)
    np.testing.assert_allclose(distances, np.linalg.norm(z[:1] - z, axis=1), atol=1e-4)
    assert found.inverse(found.coords).shape == shape


def test_pca_of_equal_latents_is_one_place() -> None:
    found = project(np.ones((4, 3), dtype=np.float32), "pca")
    np.testing.assert_allclose(found.coords, 0, atol=1e-6)
    assert found.explained == (0.0, 0.0)


def test_umap_keeps_clusters_apart_and_follows_the_seed() -> None:
    z, labels = blobs(120)
    found = project(z, "umap", 0)
    assert found.inverse is found.explained is None
    centers = np.stack([found.coords[labels == label].mean(axis=0) for label in range(3)])
    nearest = np.linalg.norm(found.coords[:, None] - centers, axis=2).argmin(axis=1)
    assert (nearest == labels).mean() > 0.95
    assert not np.array_equal(found.coords, project(z, "umap", 1).coords)


def test_umap_of_the_fewest_images() -> None:
    assert np.isfinite(project(blobs(10)[0], "umap").coords).all()
    for z, message in (
        (blobs(9)[0], "at least 10 images"),
        (blobs(20, 3)[0][:, :1], "1 dimensions"),
        (np.ones((20, 3), dtype=np.float32), "latents that differ"),
    ):
        with pytest.raises(DataError, match=message):
            project(z, "umap")


def test_what_cannot_be_drawn_is_refused() -> None:
    z = blobs()[0]
    with pytest.raises(UnknownNameError, match="did you mean umap"):
        project(z, "unap")
    with pytest.raises(DataError, match="at least 2 latents"):
        project(z[:1], "pca")
    z[3, 1] = np.inf
    with pytest.raises(DataError, match="finite"):
        project(z, "pca")


def test_projection_is_plain_data() -> None:
    assert Projection("pca", np.zeros((1, 2)), ("a", "b")).inverse is None
