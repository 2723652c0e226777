"""The codebook: nearest codes, moving averages, restarts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latentlab.nn.quantizer import Quantizer


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(codes: int, dimension: int, decay: float = 0.9, restart: float = 1e-6) -> Quantizer:
    torch.manual_seed(0)
    return Quantizer(codes, dimension, decay, restart)


@pytest.mark.parametrize("far", [0.0, 1000.0])
def test_the_nearest_code_is_the_one_of_least_distance(far: float):
    quantizer = build(50, 3)
    quantizer.codebook += far
    z = torch.randn(400, 3, generator=seeded()) + far
    distances = torch.cdist(z.double(), quantizer.codebook.double())
    chosen = distances.gather(1, quantizer(z)[:, None])[:, 0]
    # A thousand away, numbers themselves have four digits behind the point, and their squares not one.
    torch.testing.assert_close(chosen, distances.min(dim=1).values, rtol=0, atol=1e-3 if far else 1e-6)


def test_a_code_is_nearest_to_itself():
    quantizer = build(64, 4)
    assert torch.equal(quantizer(quantizer.codebook), torch.arange(64))


def test_half_precision_around_it_changes_no_choice():
    quantizer = build(200, 8)
    z = torch.randn(500, 8, generator=seeded())
    expected = quantizer(z)
    other = build(200, 8)
    quantizer.update(z, expected, seeded())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(other(z), expected)
        other.update(z, expected, seeded())
    assert torch.equal(other.codebook, quantizer.codebook)


def test_codes_are_the_moving_averages_of_the_paper():
    """N ← γN + (1 − γ)n, m ← γm + (1 − γ)Σz, e = m/N, written out in NumPy."""
    quantizer, decay = build(5, 2), 0.9
    generator = np.random.default_rng(0)
    counts, sums = np.full(5, 3.0), generator.normal(size=(5, 2))
    quantizer.counts.copy_(torch.from_numpy(counts))
    quantizer.sums.copy_(torch.from_numpy(sums))
    for _ in range(4):
        z, chosen = generator.normal(size=(30, 2)), generator.integers(5, size=30)
        quantizer.update(torch.from_numpy(z).float(), torch.from_numpy(chosen))
        for code in range(5):
            counts[code] = decay * counts[code] + (1 - decay) * (chosen == code).sum()
            sums[code] = decay * sums[code] + (1 - decay) * z[chosen == code].sum(axis=0)
    np.testing.assert_allclose(quantizer.counts, counts, rtol=1e-5)
    np.testing.assert_allclose(quantizer.codebook, sums / counts[:, None], rtol=1e-4, atol=1e-6)


def test_the_first_step_puts_codes_on_vectors():
    quantizer = build(20, 3)
    z = 100 + torch.randn(60, 3, generator=seeded())
    chosen = quantizer(z)
    quantizer.update(z, chosen, seeded())
    apart = torch.cdist(quantizer.codebook, z, compute_mode="donot_use_mm_for_euclid_dist").min(dim=1).values
    used = torch.bincount(chosen, minlength=20) > 0
    assert 0 < used.sum() < 20
    assert (apart[~used] < 1e-4).all()
    # One that was chosen becomes the mean of its vectors.
    code = int(chosen[0])
    torch.testing.assert_close(quantizer.codebook[code], z[chosen == code].mean(dim=0))


def test_a_code_that_nothing_uses_is_put_elsewhere_in_time_and_no_other():
    """After t steps without use N = γᵗ of a fair share: with γ = .8 and a limit of .1 that takes eleven."""
    quantizer = build(4, 2, decay=0.8, restart=0.1)
    centers = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [500.0, 500.0]])
    quantizer.counts.fill_(3.0)
    quantizer.sums.copy_(3.0 * centers)
    quantizer.codebook.copy_(centers)
    z = centers[:3].repeat(4, 1)
    for step in range(1, 12):
        assert 0.8 ** (step - 1) > 0.1
        torch.testing.assert_close(quantizer.codebook[3], centers[3])
        quantizer.update(z, quantizer(z), seeded(step))
    assert 0.8**11 < 0.1
    assert quantizer.codebook[3].tolist() in centers[:3].tolist()
    torch.testing.assert_close(quantizer.codebook[:3], centers[:3])
    # It has as many vectors as a fair share, so that it is not put elsewhere again at once.
    assert float(quantizer.counts[3]) == pytest.approx(12 / 4)


def test_planted_clusters_are_found_by_restarts():
    centers = 5 * torch.randn(16, 4, generator=seeded(1))
    quantizer = build(32, 4, decay=0.8, restart=0.1)
    for step in range(60):
        rows = torch.randint(16, (64,), generator=seeded(step))
        z = centers[rows] + 0.05 * torch.randn(64, 4, generator=seeded(1000 + step))
        quantizer.update(z, quantizer(z), seeded(step))
    assert float(torch.cdist(centers, quantizer.codebook).min(dim=1).values.max()) < 0.2


def test_restarts_follow_the_generator():
    def restarted(seed: int) -> torch.Tensor:
        quantizer = build(30, 2)
        z = torch.randn(100, 2, generator=seeded())
        quantizer.update(z, quantizer(z), seeded(seed))
        return quantizer.codebook

    assert torch.equal(restarted(1), restarted(1))
    assert not torch.equal(restarted(1), restarted(2))


def test_its_state_is_buffers_that_a_checkpoint_carries():
    quantizer = build(6, 2)
    assert not list(quantizer.parameters())
    assert set(quantizer.state_dict()) == {"codebook", "counts", "sums"}


def test_fewer_vectors_than_codes():
    quantizer = build(40, 2)
    z = torch.randn(3, 2, generator=seeded())
    for step in range(5):
        quantizer.update(z, quantizer(z), seeded(step))
    assert torch.isfinite(quantizer.codebook).all()
    torch.testing.assert_close(quantizer.codebook[quantizer(z)], z, rtol=0, atol=1e-5)
