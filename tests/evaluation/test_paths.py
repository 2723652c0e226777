from __future__ import annotations

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.evaluation.paths import cycle_error, frame_scores


def decode(z: np.ndarray) -> np.ndarray:
    """Every pixel shows the first latent."""
    return np.broadcast_to(z[:, :1, None, None], (len(z), 3, 4, 4)).astype(np.float32)


def line(values: list[float]) -> np.ndarray:
    return np.stack([np.array(values), np.zeros(len(values))], axis=1)


def test_an_even_fade_from_black_to_white_is_one_long() -> None:
    scores = frame_scores(decode(line([0, 0.25, 0.5, 0.75, 1])))
    assert scores == pytest.approx(
        {"image_length": 1, "straight_length": 1, "largest_step": 0.25, "speed_variation": 0}, abs=1e-6
    )


def test_a_jump_and_a_detour_are_seen() -> None:
    scores = frame_scores(decode(line([0, 0, 1, 0.5])))
    assert scores["image_length"] == pytest.approx(1.5)
    assert scores["straight_length"] == pytest.approx(0.5)
    assert scores["largest_step"] == pytest.approx(1)
    assert scores["speed_variation"] == pytest.approx(np.std([0, 1, 0.5]) / 0.5)


def test_length_is_the_root_mean_square_over_pixels() -> None:
    images = np.zeros((2, 1, 2, 2))
    images[1, 0, 0, 0] = 1
    assert frame_scores(images)["image_length"] == pytest.approx(0.5)


def test_a_path_that_stands_still_has_no_speed_to_vary() -> None:
    assert set(frame_scores(np.ones((4, 1, 2, 2))).values()) == {0.0}


def test_cycle_error_is_in_spreads_of_the_latents() -> None:
    z = line([-1, 1, -1, 1])
    assert cycle_error(z, z) == 0
    assert cycle_error(z, z + np.array([0, 0.5])) == pytest.approx(0.5)
    assert cycle_error(10 * z, 10 * z + np.array([0, 5])) == pytest.approx(0.5)
    assert cycle_error(np.ones((3, 2)), np.ones((3, 2)) + np.array([3, 4])) == pytest.approx(5)


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(DataError, match="at least 2 frames"):
        frame_scores(np.zeros((1, 1, 2, 2)))
    with pytest.raises(DataError, match="as many latents back"):
        cycle_error(np.zeros((3, 2)), np.zeros((3, 3)))
