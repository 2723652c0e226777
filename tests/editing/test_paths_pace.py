from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentlab.editing import pace
from latentlab.editing.pace import even_times, measure, share_hops
from latentlab.editing.paths import PATHS
from latentlab.editing.paths.space import Space
from latentlab.editing.walk import walk, walk_evenly
from latentlab.errors import UsageError

CENTER = np.array([0.3, -0.2, 0.1])


def decode(z: np.ndarray) -> np.ndarray:
    """A bent picture that changes quickly in one place and hardly anywhere else."""
    x = z.astype(np.float64)
    pixels = np.concatenate([np.tanh(4 * x), np.sin(x), x[:, :1] ** 2], axis=1)
    return pixels.reshape(len(z), 1, 1, -1)


def steps(frames: np.ndarray) -> np.ndarray:
    images = decode(frames).reshape(len(frames), -1)
    return np.sqrt((np.diff(images, axis=0) ** 2).mean(axis=1))


@pytest.mark.parametrize("kind", ["line", "slerp", "preserving"])
@pytest.mark.parametrize("count", [3, 16, 50])
def test_the_picture_changes_as_much_from_frame_to_frame(kind: str, count: int) -> None:
    ends = np.array([[-2.0, 1, 0.5], [3, -1, 0.2]], np.float32)
    plain = steps(walk(ends, count, kind, CENTER))
    frames, keys = walk_evenly(ends, count, kind, decode, CENTER)
    even = steps(frames)
    assert frames.dtype == np.float32 and frames.shape == (count, 3)
    assert keys == [0, count - 1]
    np.testing.assert_array_equal(frames[keys], ends)
    assert even.std() / even.mean() < 0.01 < plain.std() / plain.mean()


def test_frames_stay_on_the_path_and_in_order() -> None:
    start, end = np.array([-2.0, 1, 0.5]), np.array([3, -1, 0.2])
    frames, _ = walk_evenly(np.stack([start, end]), 20, "line", decode)
    times = (frames - start) @ (end - start) / ((end - start) @ (end - start))
    np.testing.assert_allclose(frames, start + times[:, None] * (end - start), atol=1e-6)
    assert np.diff(times).min() > 0


def test_a_leg_that_changes_more_has_more_frames() -> None:
    ends = np.array([[-2.0, 0, 0], [2, 0, 0], [2.2, 0, 0], [2.2, 3, 1]], np.float32)
    frames, keys = walk_evenly(ends, 30, "line", decode)
    np.testing.assert_array_equal(frames[keys], ends)
    assert keys[0] == 0 and keys[-1] == 29 and len(frames) == 30
    hops = np.diff(keys)
    assert hops.min() >= 1 and hops[1] <= 2 < min(hops[0], hops[2])
    assert steps(frames).max() < 1.3 * np.median(steps(frames))


def test_as_many_steps_as_ends_is_just_enough() -> None:
    ends = np.eye(3, dtype=np.float32)
    np.testing.assert_array_equal(walk_evenly(ends, 3, "line", decode)[0], ends)
    with pytest.raises(UsageError, match="at least 3 steps"):
        walk_evenly(ends, 2, "line", decode)


def test_a_picture_that_never_changes_is_walked_in_even_times() -> None:
    ends = np.array([[0.0, 0], [1, 2]], np.float32)
    frames, _ = walk_evenly(ends, 5, "line", lambda z: np.ones((len(z), 1, 2, 2)))
    np.testing.assert_allclose(frames, np.linspace(*ends, 5), atol=1e-7)


def test_a_picture_that_jumps_is_walked_to_its_end() -> None:
    jump = np.array([[-1.0, 0, 0], [1, 0, 0]], np.float32)
    frames, _ = walk_evenly(jump, 9, "line", lambda z: np.where(z[:, :1] > 0.31, 1.0, 0.0)[:, :, None, None])
    np.testing.assert_array_equal(frames[[0, -1]], jump)
    assert np.isfinite(frames).all()
    assert np.diff(frames[:, 0]).min() >= 0


def test_the_way_is_measured_in_passes_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    curve = PATHS["line"](np.zeros(3), np.array([1.0, 2, 0.5]), Space(CENTER))
    times = np.linspace(0, 1, 23)
    whole = measure(curve, times, decode)
    images = decode(curve(times)).reshape(23, -1)
    np.testing.assert_allclose(np.diff(whole), np.sqrt((np.diff(images, axis=0) ** 2).mean(axis=1)), rtol=1e-5)
    asked: list[int] = []
    monkeypatch.setattr(pace, "HELD", 4)
    np.testing.assert_allclose(measure(curve, times, lambda z: (asked.append(len(z)), decode(z))[1]), whole)
    assert max(asked) == 4
    assert even_times(curve, 7, decode)[[0, -1]].tolist() == [0, 1]


@given(st.lists(st.floats(0, 10), min_size=1, max_size=6), st.integers(0, 30))
def test_all_hops_are_shared_out_and_every_leg_has_one(lengths: list[float], more: int) -> None:
    shared = share_hops(lengths, len(lengths) + more)
    assert sum(shared) == len(lengths) + more
    assert min(shared) >= 1
