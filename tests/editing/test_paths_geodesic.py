"""Geodesics of surfaces on which they are known."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.editing.paths import PATHS
from latentlab.editing.paths.descent import lower_energy
from latentlab.editing.paths.space import Energy, Space
from latentlab.editing.walk import walk
from latentlab.errors import UsageError

# Two places on the unit sphere, as latitude and longitude.
ENDS = np.array([[0.6, 0.0], [0.6, 1.8]])
GREAT_CIRCLE = np.arccos(np.sin(0.6) ** 2 + np.cos(0.6) ** 2 * np.cos(1.8))
PARALLEL = 1.8 * np.cos(0.6)


def sphere(chart: np.ndarray) -> np.ndarray:
    latitude, longitude = chart.T
    return np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=1
    )


def sphere_energy(curve: np.ndarray) -> tuple[float, np.ndarray]:
    latitude, longitude = curve.T
    by_latitude = np.stack(
        [-np.sin(latitude) * np.cos(longitude), -np.sin(latitude) * np.sin(longitude), np.cos(latitude)], axis=1
    )
    by_longitude = np.stack(
        [-np.cos(latitude) * np.sin(longitude), np.cos(latitude) * np.cos(longitude), 0 * latitude], axis=1
    )
    moves = np.diff(sphere(curve), axis=0)
    pull = np.zeros((len(curve), 3))
    pull[1:] += 2 * len(moves) * moves
    pull[:-1] -= 2 * len(moves) * moves
    gradient = np.stack([(pull * by_latitude).sum(axis=1), (pull * by_longitude).sum(axis=1)], axis=1)
    return len(moves) * float((moves**2).sum()), gradient


def length(images: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(images, axis=0), axis=1).sum())


def straight(points: int) -> np.ndarray:
    return np.linspace(ENDS[0], ENDS[1], points)


def test_the_figures_are_those_of_closed_form() -> None:
    assert pytest.approx(1.40600, abs=5e-6) == GREAT_CIRCLE
    assert pytest.approx(1.48560, abs=5e-6) == PARALLEL
    times = np.linspace(0, 1, 4001)
    assert length(sphere(PATHS["line"](*ENDS, Space(np.zeros(2)))(times))) == pytest.approx(PARALLEL, abs=1e-6)


def test_the_geodesic_of_a_sphere_is_the_great_circle() -> None:
    space = Space(np.zeros(2), sphere_energy, points=641, tolerance=1e-12)
    curve = PATHS["geodesic"](*ENDS, space)
    times = np.linspace(0, 1, 641)
    assert length(sphere(curve(times))) == pytest.approx(GREAT_CIRCLE, abs=1e-6)
    np.testing.assert_array_equal(curve(np.array([0.0, 1.0])), ENDS)
    # On the plane through both ends and the center, all the way, at an even pace.
    images = sphere(curve(times))
    assert np.abs(images @ np.cross(*sphere(ENDS))).max() < 1e-5
    steps = np.linalg.norm(np.diff(images, axis=0), axis=1)
    assert steps.std() / steps.mean() < 1e-4


def test_the_usual_tolerance_is_within_a_thousandth() -> None:
    frames = walk(ENDS, 257, "geodesic", energy=sphere_energy)
    assert length(sphere(frames.astype(np.float64))) == pytest.approx(GREAT_CIRCLE, rel=1e-3)


@pytest.mark.parametrize("points", [3, 4, 13, 100, 401])
def test_any_number_of_points_needs_as_few_iterations(points: int) -> None:
    calls = []

    def counted(curve: np.ndarray) -> tuple[float, np.ndarray]:
        calls.append(len(curve))
        return sphere_energy(curve)

    tight = lower_energy(straight(points), counted, tolerance=1e-10)
    chords = 2 * (points - 1) * np.sin(GREAT_CIRCLE / (points - 1) / 2)
    assert length(sphere(tight)) == pytest.approx(chords, rel=1e-7)
    assert len(calls) < 40


def test_energy_never_rises_even_with_a_decoder_that_breaks() -> None:
    def broken(curve: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = sphere_energy(curve)
        # No picture beyond this latitude; and a gradient that promises far too much.
        return (float("nan") if curve[:, 0].max() > 0.7 else value), 50 * gradient

    before = sphere_energy(straight(17))[0]
    tight = lower_energy(straight(17), broken)
    assert np.isfinite(tight).all()
    assert tight[:, 0].max() <= 0.7
    assert sphere_energy(tight)[0] < before


def test_latents_that_show_nothing_stay_on_the_line() -> None:
    """Scales of 1 and 100, and one dimension that the picture does not have."""

    def energy(curve: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = sphere_energy(curve[:, :2] * [1, 0.01])
        return value, np.concatenate([gradient * [1, 0.01], np.zeros((len(curve), 1))], axis=1)

    start, end = np.array([0.6, 0.0, -1.0]), np.array([0.6, 180.0, 1.0])
    times = np.linspace(0, 1, 33)
    curve = PATHS["geodesic"](start, end, Space(np.zeros(3), energy, tolerance=1e-9))(times)
    assert length(sphere(curve[:, :2] * [1, 0.01])) == pytest.approx(GREAT_CIRCLE, rel=1e-3)
    np.testing.assert_allclose(curve[:, 2], np.linspace(-1, 1, 33), atol=1e-12)


def test_the_way_back_is_the_way_there_to_the_last_bit() -> None:
    ends = np.array([[0.61, 0.1], [-0.23, 1.7]])
    there, back = (PATHS["geodesic"](*way, Space(np.zeros(2), sphere_energy)) for way in (ends, ends[::-1]))
    times = np.linspace(0, 1, 33)
    np.testing.assert_array_equal(there(times), back(times)[::-1])


def test_a_picture_that_never_changes_and_too_few_points() -> None:
    def nothing(curve: np.ndarray) -> tuple[float, np.ndarray]:
        return 0.0, np.zeros_like(curve)

    np.testing.assert_allclose(walk(ENDS, 5, "geodesic", energy=nothing), np.linspace(*ENDS, 5), atol=1e-6)
    with pytest.raises(UsageError, match="at least 3 points for a geodesic, got 2"):
        PATHS["geodesic"](*ENDS, Space(np.zeros(2), nothing, points=2))


def test_it_agrees_with_stochman() -> None:
    manifold = pytest.importorskip("stochman.manifold")
    import torch

    class Sphere(manifold.EmbeddedManifold):
        def embed(self, points, jacobian=False):
            latitude, longitude = points[..., 0], points[..., 1]
            return torch.stack(
                [latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()], dim=-1
            )

    start, end = torch.tensor(ENDS, dtype=torch.float32)
    theirs, _ = Sphere().connecting_geodesic(start[None], end[None])
    found = Sphere().curve_length(theirs(torch.linspace(0, 1, 400))).item()
    ours: Energy = sphere_energy
    curve = PATHS["geodesic"](*ENDS, Space(np.zeros(2), ours, points=401, tolerance=1e-12))
    assert length(sphere(curve(np.linspace(0, 1, 401)))) == pytest.approx(found, abs=2e-4)
