from __future__ import annotations

import numpy as np
import pytest

from latentlab.errors import DataError
from latentlab.evaluation.paths import frame_scores, recommend, score_path
from latentlab.statistics.covariance import Covariance
from latentlab.statistics.support import Support


def decode(z: np.ndarray) -> np.ndarray:
    """Every pixel shows the first latent."""
    return np.broadcast_to(z[:, :1, None, None], (len(z), 3, 4, 4)).astype(np.float32)


def line(values: list[float]) -> np.ndarray:
    return np.stack([np.array(values), np.zeros(len(values))], axis=1)


def test_an_even_fade_from_black_to_white_is_one_long() -> None:
    scores = frame_scores(decode(line([0, 0.25, 0.5, 0.75, 1])))
    assert scores == pytest.approx(
        {"image_length": 1, "straight_length": 1, "largest_step": 0.25, "speed_variation": 0, "curvature_degrees": 0},
        abs=1e-6,
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
    def missed(z: np.ndarray, *by: float) -> float:
        return score_path(z, decode(z), z + np.array(by))["cycle_error"]

    z = line([-1, 1, -1, 1])
    assert missed(z, 0, 0) == 0
    assert missed(z, 0, 0.5) == missed(10 * z, 0, 5) == pytest.approx(0.5)
    # Where nothing is spread, the plain distance.
    assert missed(np.ones((3, 2)), 3, 4) == pytest.approx(5)


def pictures(points: list[tuple[float, float]]) -> np.ndarray:
    return np.array(points).reshape(len(points), 1, 1, 2)


def test_curvature_is_the_angle_from_step_to_step() -> None:
    square = pictures([(0, 0), (1, 0), (1, 1), (0, 1)])
    assert frame_scores(square)["curvature_degrees"] == pytest.approx(90)
    assert frame_scores(pictures([(0, 0), (1, 0), (0, 0)]))["curvature_degrees"] == pytest.approx(180)
    assert frame_scores(pictures([(0, 0), (1, 1), (3, 3)]))["curvature_degrees"] == pytest.approx(0, abs=1e-6)
    # Standing still is no turn; neither is one step.
    assert frame_scores(pictures([(0, 0), (1, 0), (1, 0), (1, 1)]))["curvature_degrees"] == pytest.approx(90)
    assert frame_scores(pictures([(0, 0), (1, 0)]))["curvature_degrees"] == 0
    turns = np.linspace(0, np.pi / 2, 31)
    circle = pictures(list(zip(np.cos(turns), np.sin(turns), strict=True)))
    assert frame_scores(circle)["curvature_degrees"] == pytest.approx(3)


def test_a_path_is_as_far_from_the_data_as_its_farthest_frame() -> None:
    data = np.stack([np.arange(1, 101), np.zeros(100)], axis=1).astype(np.float32)
    support = Support(data, Covariance(np.zeros(2, np.float32), np.eye(2, dtype=np.float32), 100))
    z = line([0, 40.5, 10]).astype(np.float32)
    scores = score_path(z, decode(z / 100), z + np.float32([0, 5]), support)
    assert scores["farthest_percentile"] == pytest.approx(40)
    # The data lie 25 from their mean, on average.
    assert scores["cycle_error"] == pytest.approx(5 / 25)
    assert scores["image_length"] == pytest.approx(0.71)
    assert "farthest_percentile" not in score_path(z, decode(z / 100), z)


@pytest.mark.parametrize(
    ("shortest", "outside", "said"),
    [
        (0.969, 20.0, "geodesic 3.1 % shorter than the line: not worth it (it pays above 5 %)"),
        (0.951, 20.0, "geodesic 4.9 % shorter than the line: not worth it (it pays above 5 %)"),
        (0.8, 20.0, "geodesic 20.0 % shorter than the line: worth it (it pays above 5 %)"),
        (0.8, 99.5, "geodesic 20.0 % shorter than the line, but it leaves the data: "),
        (1.01, 20.0, "geodesic 1.0 % longer than the line: not worth it (it pays above 5 %)"),
    ],
)
def test_a_geodesic_is_recommended_only_where_it_pays(shortest: float, outside: float, said: str) -> None:
    straight = {"image_length": 1.0, "farthest_percentile": 30.0}
    geodesic = {"image_length": shortest, "farthest_percentile": outside}
    assert recommend({"line": straight, "geodesic": geodesic}).startswith(said)


def test_what_is_not_known_or_outside_anyway_is_not_held_against_a_geodesic() -> None:
    far = {"line": {"image_length": 1.0, "farthest_percentile": 100.0}}
    assert "worth it (" in recommend({**far, "geodesic": {"image_length": 0.5, "farthest_percentile": 100.0}})
    assert "not worth" not in recommend({**far, "geodesic": {"image_length": 0.5, "farthest_percentile": 100.0}})
    unknown = {"line": {"image_length": 1.0}, "geodesic": {"image_length": 0.5}}
    assert recommend(unknown).endswith("worth it (it pays above 5 %)")
    assert "not worth it" in recommend({"line": {"image_length": 0.0}, "geodesic": {"image_length": 0.0}})


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(DataError, match="at least 2 frames"):
        frame_scores(np.zeros((1, 1, 2, 2)))
    with pytest.raises(DataError, match="as many latents back"):
        score_path(np.zeros((3, 2)), np.zeros((3, 1, 2, 2)), np.zeros((3, 3)))
