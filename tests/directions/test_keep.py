from __future__ import annotations

import numpy as np
import pytest

from latentlab.directions.keep import keep_still
from latentlab.errors import DataError
from latentlab.statistics.covariance import Covariance, fit_covariance


def cloud(seed: int = 0, size: int = 6) -> Covariance:
    generator = np.random.default_rng(seed)
    return fit_covariance(generator.normal(size=(500, size)) @ generator.normal(size=(size, size)))


def test_kept_readouts_see_nothing_and_the_target_sees_as_much() -> None:
    generator = np.random.default_rng(1)
    vector, kept = generator.normal(size=6), generator.normal(size=(6, 2))
    target = vector + 0.1 * generator.normal(size=6)
    found = keep_still(vector, target, kept, cloud(), "smile", ["hat", "beard"])
    assert found.dtype == np.float32
    np.testing.assert_allclose(kept.T @ found, 0, atol=1e-5)
    assert target @ found == pytest.approx(target @ vector, rel=1e-5)
    np.testing.assert_allclose(keep_still(found, target, kept, cloud()), found, atol=1e-5)


def test_no_vector_that_keeps_them_is_nearer() -> None:
    generator = np.random.default_rng(2)
    covariance = cloud()
    vector, kept = generator.normal(size=6), generator.normal(size=(6, 2))
    found = keep_still(vector, vector, kept, covariance).astype(np.float64)
    left = found * (vector @ covariance.solve(found)) / (found @ covariance.solve(found))
    null = np.linalg.svd(kept.T)[2][2:]

    def distance(step: np.ndarray) -> float:
        return float((vector - step) @ covariance.solve(vector - step))

    for _ in range(20):
        assert distance(left) <= distance(left + 0.05 * generator.normal(size=4) @ null) + 1e-9


def test_nothing_to_keep_changes_nothing() -> None:
    vector = np.arange(6, dtype=np.float32)
    np.testing.assert_array_equal(keep_still(vector, vector, np.zeros((6, 0)), cloud()), vector)


def test_what_cannot_be_kept_says_why() -> None:
    covariance = Covariance(np.zeros(6, np.float32), np.diag([1, 1, 1, 1, 1, 0]).astype(np.float32), 100)
    axes = np.eye(6)
    with pytest.raises(DataError, match="something of 'smile' that is not 'hat', got 0% of its effect"):
        keep_still(axes[0], axes[0], axes[:, [0]], covariance, "smile", ["hat"])
    slanted = axes[0] + 0.2 * axes[1]
    with pytest.raises(DataError, match="got 4% of its effect"):
        keep_still(slanted, slanted, axes[:, [0]], covariance, "smile", ["hat"])
    with pytest.raises(DataError, match="got 'hat' and 'cap', which read the same"):
        keep_still(axes[0], axes[0], axes[:, [1, 2, 1]], covariance, "smile", ["hat", "beard", "cap"])
    with pytest.raises(DataError, match="none for 'beard'"):
        keep_still(axes[0], axes[0], axes[:, [1, 5]], covariance, "smile", ["hat", "beard"])
    with pytest.raises(DataError, match="moves the readout of 'smile' by -1"):
        keep_still(axes[0], -axes[0], axes[:, [1]], covariance, "smile", ["hat"])


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_keeping_what_reads_an_attribute_is_leace() -> None:
    """Kept against Σ⁻¹δ, a vector loses what LEACE (arXiv:2306.03819) erases: Pv = v − δ (δᵀΣ⁻¹δ)⁻¹ δᵀΣ⁻¹v."""
    erasure = pytest.importorskip("concept_erasure")
    import torch

    generator = np.random.default_rng(3)
    y = generator.random(3000) < 0.4
    z = generator.normal(size=(3000, 6)) @ generator.normal(size=(6, 6)) + np.outer(y, generator.normal(size=6))
    fitter = erasure.LeaceFitter(6, 1, dtype=torch.float64, shrinkage=False).update(
        torch.from_numpy(z), torch.from_numpy(y[:, None].astype(np.float64))
    )
    projection = fitter.eraser.P.numpy()
    covariance = Covariance(z.mean(axis=0), np.cov(z.T), len(z))
    readout = covariance.solve(z[y].mean(axis=0) - z[~y].mean(axis=0))
    for vector in generator.normal(size=(5, 6)):
        erased = projection @ vector
        found = keep_still(vector, erased, readout[:, None], covariance).astype(np.float64)
        # The kept vector is scaled so that its own readout gains as much as before.
        scale = (erased @ vector) / (erased @ erased)
        np.testing.assert_allclose(found, scale * erased, rtol=1e-6, atol=1e-6)
