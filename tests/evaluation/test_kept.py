"""What codes decide of pixels, against planted shares."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.evaluation.kept import score_kept


def planted(latents: np.ndarray, seed: int) -> np.ndarray:
    """Black and white images of 1×1×3: one pixel says z, one tosses a coin, one is on with a chance that z decides."""
    u = np.random.default_rng(seed).random((len(latents), 3))
    chances = np.stack([latents[:, 0] > 0, np.full(len(latents), 0.5), np.where(latents[:, 0] > 0, 0.9, 0.1)], axis=1)
    return (u < chances).astype(np.float32).reshape(-1, 1, 1, 3)


def codes(count: int = 400) -> np.ndarray:
    return np.where(np.arange(count) % 2, 1.0, -1.0)[:, None].astype(np.float32)


def test_shapes_and_what_stands_in_them():
    kept = score_kept(codes(), planted, draws=50)
    assert kept.fills.shape == (400, 50, 1, 1, 3) and kept.mean.shape == kept.spread.shape == (400, 1, 1, 3)
    assert kept.mean.dtype == kept.spread.dtype == np.float32
    np.testing.assert_allclose(kept.mean, kept.fills.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(kept.spread, kept.fills.std(axis=1, ddof=1), atol=1e-6)
    assert (kept.spread[..., 0] == 0).all()
    np.testing.assert_allclose(kept.spread[..., 1].mean(), 0.5, atol=0.01)
    # Each row of fills is of its own code.
    assert ((kept.mean[..., 0] == 1).ravel() == (codes()[:, 0] > 0)).all()


@pytest.mark.parametrize("draws", [2, 5, 50])
def test_the_share_is_the_planted_one_however_many_draws(draws: int):
    """Var(E[x|z]) = .25 + 0 + .16 of Var(x) = .25 + .25 + .25."""
    shares = [score_kept(codes(), planted, draws=draws, seed=seed).share for seed in range(8)]
    assert np.mean(shares) == pytest.approx(0.41 / 0.75, abs=0.01)


def test_a_decoder_that_ignores_its_code_and_one_that_says_it_all():
    def deaf(latents: np.ndarray, seed: int) -> np.ndarray:
        return planted(np.ones_like(latents), seed)[..., 1:2]

    def plain(latents: np.ndarray, seed: int) -> np.ndarray:
        return latents[:, :, None, None]

    shares = [score_kept(codes(), deaf, draws=4, seed=seed).share for seed in range(8)]
    assert min(shares) >= 0 and max(shares) < 0.06
    assert score_kept(codes(), plain, draws=4).share == pytest.approx(1)
    assert score_kept(np.ones((3, 1), np.float32), plain, draws=4).share == 1


def test_draws_follow_the_seed():
    first, again, other = (score_kept(codes(10), planted, draws=4, seed=seed).fills for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize(("count", "draws"), [(1, 4), (4, 1)])
def test_too_few(count: int, draws: int):
    with pytest.raises(DataError, match=f"at least 2 latents and 2 draws of each, got {count} and {draws}"):
        score_kept(codes(count), planted, draws=draws)
