from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from latentlab.errors import DataError
from latentlab.statistics import leading
from latentlab.statistics.leading import leading_axes


@pytest.mark.parametrize("shape", [(60, 7), (7, 60), (20, 20)])
@pytest.mark.parametrize("chunk", [2**22, 30])
def test_axes_are_scikit_learns_with_fixed_signs(shape: tuple[int, int], chunk: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leading, "CHUNK", chunk)
    rows = np.random.default_rng(0).normal(size=shape) * np.arange(1, shape[1] + 1) + 5
    theirs = PCA(svd_solver="full").fit(rows)
    found = leading_axes(rows, 4)
    np.testing.assert_allclose(found.mean, theirs.mean_, atol=1e-12)
    np.testing.assert_allclose(np.abs(found.axes), np.abs(theirs.components_[:4]), atol=1e-9)
    # scikit-learn divides by n − 1.
    shrunk = (shape[0] - 1) / shape[0]
    np.testing.assert_allclose(found.variances, theirs.explained_variance_[:4] * shrunk, rtol=1e-10)
    assert found.total == pytest.approx(rows.var(axis=0).sum(), rel=1e-12)
    assert (found.axes[np.arange(4), np.abs(found.axes).argmax(axis=1)] > 0).all()


@pytest.mark.parametrize("shape", [(50, 9), (8, 30)])
def test_there_are_no_axes_beyond_the_rank(shape: tuple[int, int]):
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(shape[0], 3)) @ generator.normal(size=(3, shape[1])) + 2
    found = leading_axes(rows, 6)
    assert found.axes.shape == (3, shape[1]) and found.variances.shape == (3,)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(3), atol=1e-9)
    assert found.variances.sum() == pytest.approx(found.total, rel=1e-12)
    assert leading_axes(np.ones(shape), 2).axes.shape == (0, shape[1])


def test_bytes_are_what_their_values_are():
    rows = np.random.default_rng(2).integers(0, 256, (40, 6), dtype=np.uint8)
    first, second = leading_axes(rows, 3), leading_axes(rows.astype(np.float64), 3)
    assert np.array_equal(first.axes, second.axes) and np.array_equal(first.variances, second.variances)


def test_an_exact_answer_has_its_limits(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(DataError, match="at least two images to find principal axes of, got 1"):
        leading_axes(np.ones((1, 5)), 2)
    monkeypatch.setattr(leading, "MOST_ROWS", 5)
    leading_axes(np.eye(5, 6), 2)
    leading_axes(np.eye(6, 5), 2)
    with pytest.raises(DataError, match=r"at most 5 images, or at most 5 values an image, .* got 6 images of 7"):
        leading_axes(np.eye(6, 7), 2)
