from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from latentlab.statistics.principal import principal_axes


@pytest.mark.parametrize("shape", [(50, 4), (3, 6), (5, 1)])
def test_axes_are_scikit_learns_complete_and_with_fixed_signs(shape: tuple[int, int]) -> None:
    z = np.random.default_rng(0).normal(size=shape) * np.arange(1, shape[1] + 1) + 5
    axes, deviations = principal_axes(z)
    theirs = PCA(svd_solver="full").fit(z)
    rank = min(shape[0] - 1, shape[1])
    np.testing.assert_allclose(np.abs(axes[:rank]), np.abs(theirs.components_[:rank]), atol=1e-9)
    np.testing.assert_allclose(deviations[:rank], ((z - z.mean(axis=0)) @ axes[:rank].T).std(axis=0), atol=1e-9)
    np.testing.assert_allclose(deviations[rank:], 0, atol=1e-9)
    np.testing.assert_allclose(axes @ axes.T, np.eye(shape[1]), atol=1e-9)
    assert (axes[np.arange(shape[1]), np.abs(axes).argmax(axis=1)] > 0).all()


def test_a_few_axes_are_the_first_of_all() -> None:
    z = np.random.default_rng(0).normal(size=(30, 5)) * np.arange(5, 0, -1)
    axes, deviations = principal_axes(z)
    few, found = principal_axes(z, 2)
    np.testing.assert_allclose(few, axes[:2], atol=1e-12)
    np.testing.assert_allclose(found, deviations[:2])
    wide, _ = principal_axes(np.random.default_rng(0).normal(size=(3, 40)), 8)
    assert wide.shape == (3, 40)
