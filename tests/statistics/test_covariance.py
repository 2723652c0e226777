from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from latentlab.errors import DataError
from latentlab.statistics.covariance import LARGEST_MATRIX, Covariance, fit_covariance


def cloud(n: int = 400, size: int = 5, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, size)) @ (generator.normal(size=(size, size)) + 3 * np.eye(size)) + 7


@pytest.mark.parametrize(("n", "size"), [(400, 5), (30, 20), (10, 20)])
def test_shrinkage_is_that_of_ledoit_and_wolf_on_standardised_columns(n: int, size: int) -> None:
    z = cloud(n, size)
    scale = z.std(axis=0)
    theirs = LedoitWolf().fit((z - z.mean(0)) / scale).covariance_ * np.outer(scale, scale)
    np.testing.assert_allclose(fit_covariance(z).matrix, theirs, rtol=1e-4, atol=1e-4 * theirs.max())


def test_apply_solve_distance_and_deviation_agree_with_each_other() -> None:
    z = cloud(20_000)
    covariance = fit_covariance(z)
    vectors = np.random.default_rng(1).normal(size=(5, 3))
    np.testing.assert_allclose(covariance.apply(covariance.solve(vectors)), vectors, atol=1e-4)
    away = z[0] - covariance.center
    assert covariance.distance(z[:1])[0] == pytest.approx(np.sqrt(away @ covariance.solve(away)), rel=1e-6)
    # Σᵢ dᵢ² of the latents themselves is n·d where nothing is shrunk.
    assert (covariance.distance(z) ** 2).mean() == pytest.approx(5, rel=0.02)
    unit = vectors[:, 0] / np.linalg.norm(vectors[:, 0])
    assert covariance.deviation(3 * vectors[:, 0]) == pytest.approx((z @ unit).std(), rel=0.02)


def test_dead_dimensions_are_left_out() -> None:
    z = np.concatenate([cloud(), 1e-5 * np.random.default_rng(2).normal(size=(400, 1))], axis=1)
    covariance = fit_covariance(z)
    assert covariance.alive.tolist() == [True] * 5 + [False]
    far = z[:1] + 100 * np.eye(6)[5]
    assert covariance.distance(far)[0] == pytest.approx(covariance.distance(z[:1])[0])
    assert covariance.solve(np.ones(6))[5] == 0


def test_what_has_no_covariance_says_why() -> None:
    with pytest.raises(DataError, match="at least 2"):
        fit_covariance(cloud(1))
    with pytest.raises(DataError, match="NaN among them"):
        fit_covariance(np.full((3, 2), np.nan))
    with pytest.raises(DataError, match="the same latent"):
        fit_covariance(np.ones((3, 2)))


def test_one_of_variances_alone_is_the_diagonal_one() -> None:
    variances = np.array([4.0, 0.25, 0.0, 1.0], np.float32)
    center = np.arange(4, dtype=np.float32)
    alone = Covariance(center, variances, 10)
    whole = Covariance(center, np.diag(variances), 10)
    generator = np.random.default_rng(0)
    z, vector, vectors = (generator.normal(size=shape) for shape in ((6, 4), (4,), (4, 3)))
    np.testing.assert_array_equal(alone.alive, whole.alive)
    np.testing.assert_array_equal(alone.variances, whole.variances)
    np.testing.assert_allclose(alone.distance(z), whole.distance(z))
    for given in (vector, vectors):
        np.testing.assert_allclose(alone.apply(given), whole.apply(given))
        np.testing.assert_allclose(alone.solve(given), whole.solve(given))
    assert alone.deviation(vector) == pytest.approx(whole.deviation(vector))
    for dimensions in (np.array([0, 3]), alone.alive):
        np.testing.assert_array_equal(alone.among(dimensions), whole.among(dimensions))


def test_of_many_dimensions_the_variances_are_fitted() -> None:
    z = np.random.default_rng(0).normal(size=(20, LARGEST_MATRIX + 1)) * 3
    z[:, 7] = 0.01 * z[:, 7]
    found = fit_covariance(z)
    assert found.matrix.shape == (LARGEST_MATRIX + 1,) and found.matrix[7] == 0
    np.testing.assert_allclose(np.delete(found.matrix, 7), np.delete(z.var(axis=0), 7), rtol=1e-5)
    assert fit_covariance(z[:, :-1]).matrix.shape == (LARGEST_MATRIX, LARGEST_MATRIX)
