"""The nearest of many at once: those of brute force, or most of them, and how many is said rightly."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from latentlab.errors import DataError, UsageError
from latentlab.latents import nearest_many
from latentlab.latents.nearest_many import nearest_of_many
from latentlab.statistics.covariance import fit_covariance


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few are many."""
    monkeypatch.setattr(nearest_many, "MANY", 300)
    monkeypatch.setattr(nearest_many, "PAIRS", 900_000)


def sheet(count: int, dimensions: int = 4, size: int = 16, seed: int = 0) -> np.ndarray:
    """Latents as a model has them: of few dimensions, bent into many."""
    rng = np.random.default_rng(seed)
    bent = np.tanh(rng.normal(size=(count, dimensions)) @ np.random.default_rng(9).normal(size=(dimensions, size)))
    return (3 + bent + 0.01 * rng.normal(size=(count, size))).astype(np.float32)


def brute(z: np.ndarray, queries: np.ndarray | None, k: int) -> tuple[np.ndarray, np.ndarray]:
    asked = (z if queries is None else queries).astype(np.float64)
    far = np.sqrt(((asked[:, None] - z[None].astype(np.float64)) ** 2).sum(axis=2))
    if queries is None:
        np.fill_diagonal(far, np.inf)
    rows = np.argsort(far, axis=1, kind="stable")[:, :k]
    return rows, np.take_along_axis(far, rows, axis=1)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(("rows", "asked"), [(700, 90), (4_000, 299), (1_200, 600)])
def test_few_latents_and_few_pairs_are_answered_exactly(large, own: bool, rows: int, asked: int) -> None:
    z = sheet(asked if own else rows)
    queries = None if own else sheet(asked, seed=1)
    found = nearest_of_many(z, queries, 5)
    rows, distances = brute(z, queries, 5)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-6)
    assert found.recall is None and found.recall_error is None


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("metric", ["euclidean", "mahalanobis"])
def test_an_index_finds_most_and_says_how_many(large, own: bool, metric: str) -> None:
    z = sheet(2_500)
    queries = None if own else sheet(400, seed=1)
    covariance = fit_covariance(z) if metric == "mahalanobis" else None
    found = nearest_of_many(z, queries, 8, covariance=covariance)
    placed = [
        None if some is None else (some if covariance is None else covariance.whiten(some)) for some in (z, queries)
    ]
    _, distances = brute(*placed, 8)
    true = (found.distances <= distances[:, -1:] * (1 + 1e-5)).mean()
    assert found.recall >= 0.95
    assert abs(found.recall - true) <= 4 * found.recall_error + 0.005
    # Measured again, in order, and never nearer than the truth.
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert (found.distances >= distances * (1 - 1e-5)).all()
    asked = placed[0] if own else placed[1]
    np.testing.assert_allclose(
        found.distances, np.linalg.norm(placed[0][found.rows] - asked[:, None], axis=2), rtol=1e-4
    )
    assert all(len(set(row)) == 8 for row in found.rows.tolist())
    if own:
        assert not (found.rows == np.arange(len(z))[:, None]).any()
    again = nearest_of_many(z, queries, 8, covariance=covariance)
    np.testing.assert_array_equal(found.rows, again.rows)


def test_where_an_index_finds_little_it_is_built_again_larger_and_the_truth_is_told(large) -> None:
    # Noise of 64 dimensions, where no neighbour of a neighbour is near.
    z = np.random.default_rng(0).normal(size=(4_000, 64)).astype(np.float32)
    sizes: list[int] = []
    indexed = nearest_many._indexed

    def watched(z, queries, count, kept, seed, progress):
        sizes.append(kept)
        return indexed(z, queries, count, kept, seed, progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest_many, "_indexed", watched)
        patch.setattr(nearest_many, "ENOUGH", 1.0)
        found = nearest_of_many(z, None, 10)
    assert sizes == [20, 60]
    true = (found.distances <= brute(z, None, 10)[1][:, -1:] * (1 + 1e-6)).mean()
    assert abs(found.recall - true) <= 4 * found.recall_error + 0.005
    exact = nearest_of_many(z, None, 10, exact=True)
    assert exact.recall is None
    np.testing.assert_array_equal(exact.rows, brute(z, None, 10)[0])


def test_more_than_an_index_may_keep_is_refused_and_exact_on_request(large, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_many, "MOST_KEPT", 20 * 2_500 - 1)
    with pytest.raises(UsageError, match=r"at most 2,499 latents .* got 2,500; .* --exact, which measures 6e\+06 dist"):
        nearest_of_many(sheet(2_500), None, 3)
    assert nearest_of_many(sheet(2_500), None, 3, exact=True).recall is None


@pytest.mark.parametrize("kind", ["an outlier", "all the same"])
def test_latents_that_rounding_cannot_tell_apart_take_no_more_memory_than_others(kind: str) -> None:
    z = sheet(4_000)
    if kind == "an outlier":
        z[7] = 1e4
    else:
        z[:] = 1.0
    tracemalloc.start()
    try:
        found = nearest_of_many(z, None, 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 600e6, "of 4,000 at once, they took 1.3 GB"
    assert not (found.rows == np.arange(4_000)[:, None]).any()
    rows, _ = brute(z[:600], None, 3)
    if kind == "all the same":
        np.testing.assert_array_equal(found.rows[:600], rows)


def test_rows_that_are_the_same_are_neighbours_of_each_other(large) -> None:
    z = np.repeat(sheet(30), 90, axis=0)
    for exact in (True, False):
        found = nearest_of_many(z, None, 4, exact=exact)
        assert not found.distances.any()
        assert not (found.rows == np.arange(len(z))[:, None]).any()
        assert (found.rows // 90 == np.arange(len(z))[:, None] // 90).all()


def test_what_has_no_neighbours_is_said() -> None:
    z = sheet(10)
    for count in (0, 10):
        with pytest.raises(UsageError, match="expected 1 to 9 neighbours"):
            nearest_of_many(z, None, count)
    with pytest.raises(DataError, match="finite"):
        nearest_of_many(np.full((4, 2), np.nan, np.float32), None, 1)
    with pytest.raises(DataError, match="16 dimensions"):
        nearest_of_many(z, z[:, :3], 1)
