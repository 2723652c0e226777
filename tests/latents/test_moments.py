from __future__ import annotations

import os

import numpy as np
import pytest

from latentlab.directions import ESTIMATORS
from latentlab.directions.regression import partial_effects
from latentlab.errors import DataError
from latentlab.latents import moments
from latentlab.latents.moments import Moments
from latentlab.statistics.covariance import fit_covariance


def table(n: int = 5000, size: int = 7, labels: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Latents far from zero, with labels that go together."""
    generator = np.random.default_rng(seed)
    a = (generator.normal(size=(n, labels)) + generator.normal(size=(n, 1)) > 0.5).astype(np.float32)
    z = a @ generator.normal(size=(labels, size)) + generator.normal(size=(n, size)) + 40
    return z.astype(np.float32), a


def passed(z: np.ndarray, a: np.ndarray) -> Moments:
    return Moments(z.shape[1], a.shape[1]).add(z, a)


def test_one_pass_agrees_with_the_estimators() -> None:
    z, a = table()
    ours = passed(z, a)
    for label in range(4):
        others = np.delete(a, label, axis=1)
        for method, found in (("mean", ours.mean_differences()), ("regression", ours.regression())):
            np.testing.assert_allclose(found[label], ESTIMATORS[method](z, a[:, label], others), atol=1e-5)
    theirs = fit_covariance(z)
    np.testing.assert_allclose(ours.covariance().center, theirs.center, rtol=1e-6)
    np.testing.assert_allclose(ours.covariance().matrix, theirs.matrix, atol=3e-3)


def test_unknown_labels_are_left_out_of_means_and_are_means_in_regressions() -> None:
    z, a = table()
    holes = a.copy()
    holes[np.random.default_rng(1).random(a.shape) < 0.2] = np.nan
    ours = passed(z, holes).mean_differences()
    for label in range(4):
        rows = ~np.isnan(holes[:, label])
        np.testing.assert_allclose(ours[label], ESTIMATORS["mean"](z[rows], a[rows, label], a[rows]), atol=1e-5)
    holes[:, 0] = a[:, 0]
    found = passed(z, holes).regression()
    np.testing.assert_allclose(found[0], ESTIMATORS["regression"](z, a[:, 0], holes[:, 1:]), atol=1e-5)
    filled = np.where(np.isnan(holes), np.nanmean(holes, axis=0), holes)
    filled = np.column_stack([filled, np.ones(len(z))])
    np.testing.assert_allclose(found, np.linalg.lstsq(filled, z.astype(np.float64), rcond=None)[0][:4], atol=1e-5)


@pytest.mark.parametrize("unknown", [False, True])
def test_chunks_and_merges_do_not_matter(monkeypatch: pytest.MonkeyPatch, unknown: bool) -> None:
    z, a = table()
    z[2000:] += 5
    if unknown:
        a[::3, 1] = np.nan
    whole = passed(z, a)
    monkeypatch.setattr(moments, "CHUNK", 100)
    merged = Moments(7, 4).merge(passed(z[:2000], a[:2000])).merge(passed(z[2000:], a[2000:]).merge(Moments(7, 4)))
    assert merged.count == whole.count == 5000
    for ours, theirs in (
        (merged.mean_differences(), whole.mean_differences()),
        (merged.regression(), whole.regression()),
        (merged.covariance().matrix, whole.covariance().matrix),
        (merged.covariance().center, whole.covariance().center),
    ):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_many_rows_are_shared_and_add_up_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    z, a = table()
    a[::3, 1] = np.nan
    alone = passed(z, a)
    monkeypatch.setattr(moments, "SHARED_ROWS", 1000)
    shared = passed(z, a)
    assert shared.count == 5000
    np.testing.assert_allclose(shared.mean_differences(), alone.mean_differences(), atol=1e-5)
    np.testing.assert_allclose(shared.regression(), alone.regression(), atol=1e-5)
    np.testing.assert_allclose(shared.covariance().matrix, alone.covariance().matrix, atol=1e-5)
    z[4000, 2] = np.nan
    with pytest.raises(DataError, match="finite"):
        passed(z, a)


def test_sums_do_not_depend_on_the_number_of_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    z, a = table()
    monkeypatch.setattr(moments, "SHARED_ROWS", 1000)
    found = []
    for processors in (1, 3, 16):
        monkeypatch.setattr(os, "cpu_count", lambda processors=processors: processors)
        found.append(passed(z, a).arrays())
    for other in found[1:]:
        for name, values in found[0].items():
            np.testing.assert_array_equal(other[name], values, err_msg=name)
    monkeypatch.setattr(moments, "SHARED_ROWS", 10_000)
    # Added up in another order, so that the two are two ways.
    assert any((values != found[0][name]).any() for name, values in passed(z, a).arrays().items())


def test_labels_of_one_kind_and_doubled_labels_have_no_coefficient() -> None:
    z, a = table()
    wide = np.column_stack([a, np.ones(5000), a[:, 0], np.full(5000, np.nan)])
    ours = passed(z, wide)
    assert np.isnan(ours.mean_differences()).all(axis=1).tolist() == [False] * 4 + [True, False, True]
    assert np.isnan(ours.regression()).all(axis=1).tolist() == [False] * 4 + [True] * 3
    np.testing.assert_allclose(ours.regression()[:4], passed(z, a).regression(), atol=1e-5)


def test_few_latents_are_shrunk_and_dead_dimensions_left_out() -> None:
    z, a = table(12, size=20)
    z[:, 3] = 1.0
    covariance = passed(z, a).covariance()
    assert covariance.alive.sum() == 19
    assert np.isfinite(covariance.distance(z)).all()


def test_what_cannot_be_added_says_why() -> None:
    z, a = table(10)
    with pytest.raises(DataError, match=r"latents of shape \(n, 7\) and labels of shape \(n, 4\), got \(10, 7\)"):
        Moments(7, 4).add(z, a[:, :3])
    with pytest.raises(DataError, match="of 7 dimensions and 4 labels, got 7 and 3"):
        Moments(7, 4).merge(Moments(7, 3))
    with pytest.raises(DataError, match="at least 2"):
        Moments(7, 4).covariance()
    z[3, 2] = np.nan
    with pytest.raises(DataError, match="NaN or infinity"):
        passed(z, a)


def test_regressions_and_oracle_eraser_agree() -> None:
    erasure = pytest.importorskip("concept_erasure")
    import torch

    z, a = table(seed=3)
    z = z - 40
    x, y = torch.from_numpy(z.astype(np.float64)), torch.from_numpy(a.astype(np.float64))
    erased = erasure.OracleEraser.fit(x, y)(x, y).numpy()
    centred = a.astype(np.float64) - a.mean(axis=0, dtype=np.float64)
    exact = partial_effects(z.astype(np.float64), centred, np.ones(len(z)))
    np.testing.assert_allclose(z - centred @ exact, erased, atol=1e-6)
    np.testing.assert_allclose(z - centred @ passed(z, a).regression(), erased, atol=1e-5)


def test_far_from_zero_nothing_is_lost() -> None:
    generator = np.random.default_rng(0)
    mixed = generator.normal(size=(20_000, 12)) @ generator.normal(size=(12, 12)) / 3
    z = (1000 + mixed).astype(np.float32)
    merged = Moments(12, 0)
    for part in np.array_split(z, 7):
        merged.merge(Moments(12, 0).add(part, np.zeros((len(part), 0), np.float32)))
    exact = np.cov(z.astype(np.float64).T, bias=True)
    assert np.linalg.norm(merged.raw_covariance() - exact) / np.linalg.norm(exact) < 1e-6


def test_sums_survive_their_arrays() -> None:
    z, a = table()
    a[::3, 1] = np.nan
    whole = passed(z, a)
    again = Moments.from_arrays({name: value.copy() for name, value in whole.arrays().items()})
    np.testing.assert_array_equal(again.regression(), whole.regression())
    np.testing.assert_array_equal(again.covariance().matrix, whole.covariance().matrix)
    with pytest.raises(DataError, match="of one shape with the others"):
        Moments.from_arrays({**whole.arrays(), "square": np.zeros((2, 2))})
    with pytest.raises(DataError, match="expected moments"):
        Moments.from_arrays({"shift": np.zeros(3)})


def test_wide_latents_have_variances_alone() -> None:
    generator = np.random.default_rng(0)
    z = (generator.normal(size=(300, 1100)) + 5).astype(np.float32)
    a = (generator.random((300, 2)) < 0.5).astype(np.float32)
    ours = Moments(1100, 2).add(z[:100], a[:100]).merge(Moments(1100, 2).add(z[100:], a[100:]))
    np.testing.assert_allclose(ours.covariance().matrix, z.var(axis=0), rtol=1e-4)
    np.testing.assert_allclose(ours.mean_differences()[0], ESTIMATORS["mean"](z, a[:, 0], a), atol=1e-4)
    np.testing.assert_allclose(ours.regression()[0], ESTIMATORS["regression"](z, a[:, 0], a[:, 1:]), atol=1e-4)
    assert sum(value.nbytes for value in ours.arrays().values()) < 1e6
