"""Nearest rows: those of brute force, however the rows come, and whatever they are off by."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.errors import DataError, UsageError
from latentlab.latents.nearest import nearest_rows
from latentlab.statistics.covariance import Covariance, fit_covariance


def brute(z: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    far = np.sqrt(((queries[:, None].astype(np.float64) - z.astype(np.float64)) ** 2).sum(axis=2))
    order = np.argsort(far, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(far, order, axis=1)


def blocks(z: np.ndarray, size: int) -> list[np.ndarray]:
    return [z[start : start + size] for start in range(0, len(z), size)]


@pytest.mark.parametrize("size", [1, 3, 700, 5000])
@pytest.mark.parametrize("offset", [0.0, 3e4])
def test_the_answer_is_that_of_brute_force_in_blocks_of_any_size(size: int, offset: float) -> None:
    rng = np.random.default_rng(0)
    z = (rng.normal(size=(1500, 6)) + offset).astype(np.float32)
    queries = np.concatenate([z[[3, 900]], (rng.normal(size=(5, 6)) + offset).astype(np.float32)])
    rows, distances = nearest_rows(blocks(z, size), queries, 11)
    wanted, far = brute(z, queries, 11)
    np.testing.assert_array_equal(rows, wanted)
    np.testing.assert_allclose(distances, far, rtol=1e-9)
    assert rows[0, 0] == 3 and distances[0, 0] == 0


def test_neighbours_on_a_grid_are_those_beside_it() -> None:
    grid = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0), indexing="ij"), axis=-1).reshape(-1, 2)
    rows, distances = nearest_rows(blocks(grid, 10), grid[[40]], 9)
    # Of the same distance the lower row comes first.
    assert rows[0].tolist() == [40, 31, 39, 41, 49, 30, 32, 48, 50]
    np.testing.assert_allclose(distances[0], [0, 1, 1, 1, 1, *[2**0.5] * 4])


def test_ties_go_to_the_lower_row_across_blocks_and_very_many_of_them() -> None:
    z = np.tile(np.array([[1.0, 2.0], [5.0, 5.0]], np.float32), (3000, 1))
    rows, distances = nearest_rows(blocks(z, 999), np.array([[1.0, 2.0]]), 5)
    assert rows.tolist() == [[0, 2, 4, 6, 8]] and not distances.any()


def test_what_float32_cannot_tell_apart_float64_does() -> None:
    # Two rows whose distances differ by less than the rounding error of their products.
    z = np.zeros((4000, 3), np.float32)
    z[:, 0] = 1000.0
    z[1234, 0] = np.nextafter(np.float32(1000.0), np.float32(0))
    z[0] = 0.0
    rows, _ = nearest_rows([z], np.zeros((1, 3)), 2)
    assert rows.tolist() == [[0, 1234]]


@pytest.mark.parametrize("kind", ["matrix", "variances"])
def test_mahalanobis_is_scipys(kind: str) -> None:
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(1)
    z = (rng.normal(size=(800, 5)) @ rng.normal(size=(5, 5)) + 20).astype(np.float32)
    covariance = fit_covariance(z)
    if kind == "variances":
        covariance = Covariance(covariance.center, covariance.variances.copy(), len(z))
    matrix = np.diag(covariance.matrix) if kind == "variances" else covariance.matrix
    far = cdist(z[:4].astype(np.float64), z.astype(np.float64), "mahalanobis", VI=np.linalg.inv(matrix.astype(float)))
    rows, distances = nearest_rows(blocks(z, 300), z[:4], 10, covariance)
    np.testing.assert_array_equal(rows, np.argsort(far, axis=1, kind="stable")[:, :10])
    np.testing.assert_allclose(distances, np.sort(far, axis=1)[:, :10], rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(covariance.distance(z[:9]), np.linalg.norm(covariance.whiten(z[:9]), axis=1))


def test_dead_dimensions_do_not_count_for_mahalanobis() -> None:
    rng = np.random.default_rng(2)
    z = rng.normal(size=(500, 3)).astype(np.float32)
    z[:, 1] *= 1e-4
    covariance = fit_covariance(z)
    assert covariance.whiten(z).shape == (500, 2)
    moved = z[[7]] + np.array([0, 50, 0], np.float32)
    assert nearest_rows([z], moved, 1, covariance)[0].tolist() == [[7]]
    assert nearest_rows([z], moved, 1, covariance)[1][0, 0] == pytest.approx(0, abs=1e-6)


def test_progress_is_told_of_the_rows() -> None:
    told = []
    z = np.zeros((30, 2))
    nearest_rows(blocks(z, 12), z[:1], 1, progress=lambda *step: told.append(step), total=30)
    assert told == [("looking for neighbours", done, 30) for done in (0, 12, 24, 30)]


def test_what_cannot_be_answered_is_one_line() -> None:
    z = np.zeros((5, 2))
    with pytest.raises(UsageError, match="at most 5 neighbours"):
        nearest_rows([z], z[:1], 6)
    with pytest.raises(UsageError, match="at least 1"):
        nearest_rows([z], z[:1], 0)
    with pytest.raises(DataError, match="3 dimensions"):
        nearest_rows([z], np.zeros((1, 3)), 1)
    with pytest.raises(DataError, match="finite"):
        nearest_rows([z], np.full((1, 2), np.nan), 1)
    with pytest.raises(DataError, match="finite"):
        nearest_rows([np.full((5, 2), np.inf)], z[:1], 1)


def test_rounding_of_products_hides_no_neighbour() -> None:
    # Far out on a sphere, all rows are about as near, and products in float32 order them at random.
    rng = np.random.default_rng(3)
    z = rng.normal(size=(30_000, 16))
    z = (1000 * z / np.linalg.norm(z, axis=1, keepdims=True)).astype(np.float32)
    queries = rng.normal(size=(20, 16)) * 1e-4
    rows, _ = nearest_rows(blocks(z, 4000), queries, 8)
    np.testing.assert_array_equal(rows, brute(z, queries, 8)[0])
