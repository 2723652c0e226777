from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from latentlab.editing.paths import PATHS
from latentlab.editing.paths.space import Space
from latentlab.editing.walk import key_frames, walk
from latentlab.errors import DataError, UnknownNameError, UsageError

values = st.floats(-4, 4, width=32)
points = arrays(np.float32, (5,), elements=values)
kinds = st.sampled_from(list(PATHS))


def flat(curve: np.ndarray) -> tuple[float, np.ndarray]:
    """The energy of a decoder that shows the latent itself."""
    moves = np.diff(curve, axis=0)
    gradient = np.zeros_like(curve)
    gradient[1:] += 2 * len(moves) * moves
    gradient[:-1] -= 2 * len(moves) * moves
    return len(moves) * float((moves**2).sum()), gradient


def angles(frames: np.ndarray, center: np.ndarray) -> np.ndarray:
    arms = frames.astype(np.float64) - center
    units = arms / np.linalg.norm(arms, axis=1, keepdims=True)
    return np.arccos(np.clip((units[1:] * units[:-1]).sum(axis=1), -1, 1))


@given(
    st.integers(2, 5).flatmap(lambda k: arrays(np.float32, (k, 5), elements=values)), st.integers(0, 20), kinds, points
)
def test_every_end_is_hit_exactly_and_nothing_is_nan(
    ends: np.ndarray, more: int, kind: str, center: np.ndarray
) -> None:
    steps = len(ends) + more
    frames = walk(ends, steps, kind, center, flat)
    assert frames.shape == (steps, 5)
    assert frames.dtype == np.float32
    assert np.isfinite(frames).all()
    keys = key_frames(len(ends), steps)
    assert keys[0] == 0
    assert keys[-1] == steps - 1
    gaps = np.diff(keys)
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1
    np.testing.assert_array_equal(frames[keys], ends)


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("scale", [1.0, 2.0, -1.0, -3.0, 0.0, 1 + 1e-6, -1 - 1e-6])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_parallel_equal_and_opposite_ends_are_walked_without_a_jump(kind: str, scale: float, size: int) -> None:
    start = np.random.default_rng(0).normal(size=size).astype(np.float32)
    ends = np.stack([start, np.float32(scale) * start])
    frames = walk(ends, 33, kind, energy=flat)
    assert np.isfinite(frames).all()
    np.testing.assert_array_equal(frames[[0, -1]], ends)
    length = np.linalg.norm(np.diff(frames, axis=0), axis=1)
    longest = max(np.linalg.norm(ends[1] - ends[0]), np.pi * np.linalg.norm(ends, axis=1).max())
    assert length.max() <= 1.1 * longest / 32 + 1e-6
    np.testing.assert_array_equal(frames, walk(ends, 33, kind, energy=flat))


@given(points, points, points, st.integers(2, 12), kinds)
def test_the_way_back_is_the_way_there(a: np.ndarray, b: np.ndarray, center: np.ndarray, steps: int, kind: str) -> None:
    there = walk(np.stack([a, b]), steps, kind, center, flat)
    back = walk(np.stack([b, a]), steps, kind, center, flat)
    np.testing.assert_allclose(there, back[::-1], atol=2e-4)


@given(points)
def test_opposite_ends_are_walked_back_the_same_way(a: np.ndarray) -> None:
    assume(np.linalg.norm(a) > 0.1)
    there, back = walk(np.stack([a, -a]), 9, "slerp"), walk(np.stack([-a, a]), 9, "slerp")
    np.testing.assert_allclose(there, back[::-1], atol=1e-5)
    # Round the center, not through it.
    np.testing.assert_allclose(np.linalg.norm(there, axis=1), np.linalg.norm(a), rtol=1e-5)


@given(points, points, st.integers(0, 1000), kinds)
def test_a_turned_space_has_turned_paths(a: np.ndarray, b: np.ndarray, seed: int, kind: str) -> None:
    # Nearly parallel or opposite ends: the plane of the arc is not theirs to say.
    scale = np.linalg.norm(a) * np.linalg.norm(b)
    assume(scale > 0.1)
    assume(abs(float(a @ b)) / scale < 0.999)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0]
    shift = np.arange(5.0)
    plain = walk(np.stack([a, b]), 7, kind, energy=flat)
    turned = walk(np.stack([a, b]) @ turn.T + shift, 7, kind, shift, flat)
    np.testing.assert_allclose(turned, plain @ turn.T + shift, atol=2e-4)


def test_line_is_even_and_slerp_turns_evenly_while_the_norm_grows_evenly() -> None:
    center = np.array([1.0, -1.0, 0.5])
    ends = (center + np.array([[2.0, 0, 0], [0, 3.0, 0]])).astype(np.float32)
    straight = walk(ends, 5)
    np.testing.assert_allclose(straight, np.linspace(ends[0], ends[1], 5), atol=1e-6)
    arc = walk(ends, 5, "slerp", center)
    np.testing.assert_allclose(angles(arc, center), np.pi / 8, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(arc - center, axis=1), np.linspace(2, 3, 5), atol=1e-6)
    np.testing.assert_allclose(arc[2] - center, 2.5 * np.array([1, 1, 0]) / np.sqrt(2), atol=1e-6)


def test_slerp_needs_no_center_to_turn_round_the_origin() -> None:
    ends = np.eye(3, dtype=np.float32)[:2]
    np.testing.assert_array_equal(walk(ends, 6, "slerp"), walk(ends, 6, "slerp", np.zeros(3)))


def test_nearly_opposite_ends_keep_their_plane() -> None:
    ends = np.array([[1, 0, 0], [-1, 1e-4, 0]], dtype=np.float32)
    middle = walk(ends, 3, "slerp")[1]
    np.testing.assert_allclose(middle, [0, 1, 0], atol=1e-4)


def test_preserving_keeps_mean_and_covariance() -> None:
    rng = np.random.default_rng(0)
    mean, spread = np.array([3.0, -1.0]), np.array([[2.0, 0.0], [1.5, 0.5]])
    starts, ends = (mean + rng.normal(size=(20_000, 2)) @ spread.T for _ in range(2))
    for time in (0.25, 0.5, 0.9):
        # Every pair at one time: the path is linear in its ends.
        w = np.array([1 - time, time])
        mixed = (1 - 1 / np.sqrt((w**2).sum())) * mean + (w[0] * starts + w[1] * ends) / np.sqrt((w**2).sum())
        for row in (0, 17):
            curve = PATHS["preserving"](starts[row], ends[row], Space(mean))
            np.testing.assert_allclose(curve(np.array([time]))[0], mixed[row], atol=1e-12)
        np.testing.assert_allclose(mixed.mean(axis=0), mean, atol=0.05)
        np.testing.assert_allclose(np.cov(mixed.T), spread @ spread.T, rtol=0.04)


@pytest.mark.parametrize("kind", PATHS)
def test_equal_ends_stay_where_they_are(kind: str) -> None:
    end = np.array([1.5, -2.25, 0.3], np.float32)
    np.testing.assert_array_equal(walk(np.stack([end, end]), 6, kind, np.ones(3), flat), np.tile(end, (6, 1)))


def test_key_frames_are_spread_evenly() -> None:
    assert key_frames(3, 9) == [0, 4, 8]
    assert key_frames(2, 16) == [0, 15]
    assert key_frames(5, 7) == [0, 2, 3, 5, 6]
    assert key_frames(4, 4) == [0, 1, 2, 3]


def test_what_cannot_be_walked_is_refused() -> None:
    ends = np.eye(3, dtype=np.float32)
    with pytest.raises(UnknownNameError, match="did you mean slerp"):
        walk(ends, 9, "slrp")
    with pytest.raises(UsageError, match="energy of a decoder for a geodesic, got none"):
        walk(ends, 9, "geodesic")
    with pytest.raises(UsageError, match="at least 3 steps for 3 ends, got 2"):
        walk(ends, 2)
    for few in (ends[:1], ends[0]):
        with pytest.raises(UsageError, match="at least 2 ends, got 1"):
            walk(few, 9)
    with pytest.raises(DataError, match="finite"):
        walk(ends * np.float32("nan"), 9)
    with pytest.raises(DataError, match="center of 3 values"):
        walk(ends, 9, "slerp", np.zeros(2))
