"""What lies half-way, on codecs whose mid-points are known."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from latentlab.errors import DataError, UsageError
from latentlab.evaluation import midpoint
from latentlab.evaluation.midpoint import (
    Pairs,
    Reality,
    draw_pairs,
    fit_reality,
    nearest_real,
    score_midpoints,
    score_pictures,
)

RNG = np.random.default_rng(0)
IMAGES = RNG.random((40, 1, 3, 3)).astype(np.float32)
LABELS = np.arange(40) % 4


class Stub:
    """A classifier that reads the brightest pixel of the first row, and is as sure as it is bright."""

    def confidence(self, images: np.ndarray) -> np.ndarray:
        return images[:, 0, 0].max(axis=1)

    def classes(self, images: np.ndarray) -> np.ndarray:
        return images[:, 0, 0].argmax(axis=1)


def flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)


def square(latents: np.ndarray) -> np.ndarray:
    return latents.reshape(-1, 1, 3, 3)


def test_every_two_classes_have_a_pair_in_every_draw() -> None:
    labels = np.array([5, 2, 2, -1, 9, 5, 9, 9, -1])
    pairs = draw_pairs(labels, len(labels), draws=6, seed=1)
    assert pairs.classes == tuple(combinations([2, 5, 9], 2))
    assert pairs.first.shape == pairs.second.shape == (6, 3)
    for row, (a, b) in enumerate(pairs.classes):
        assert (labels[pairs.first[:, row]] == a).all() and (labels[pairs.second[:, row]] == b).all()
    # Draws differ, and there is chance in every column.
    assert len(np.unique(pairs.first, axis=0)) > 1


def test_first_draws_stay_when_there_are_more_and_another_seed_draws_others() -> None:
    few, many, other = (draw_pairs(LABELS, 40, draws, seed) for draws, seed in ((2, 0), (5, 0), (5, 1)))
    np.testing.assert_array_equal(few.first, many.first[:2])
    np.testing.assert_array_equal(few.second, many.second[:2])
    assert (many.first != other.first).any()


def test_without_classes_any_two_images_that_are_not_the_same_one() -> None:
    pairs = draw_pairs(None, 3, draws=4)
    assert pairs.first.shape == (4, midpoint.PAIRS) and pairs.classes == ()
    assert (pairs.first != pairs.second).all() and {*pairs.first.ravel(), *pairs.second.ravel()} == {0, 1, 2}


def test_of_very_many_classes_some_pairs_are_drawn() -> None:
    pairs = draw_pairs(np.arange(60), 60, draws=2)
    assert pairs.first.shape == (2, midpoint.MOST_PAIRS) and len(set(pairs.classes)) == midpoint.MOST_PAIRS
    np.testing.assert_array_equal(pairs.first[0], [a for a, _ in pairs.classes])


@pytest.mark.parametrize(
    ("labels", "count", "draws", "said"),
    [
        (None, 1, 1, "at least two images"),
        (np.array([3, 3, -1]), 3, 1, "at least two classes"),
        (np.array([3, 4]), 2, 0, "at least one seed"),
    ],
)
def test_what_cannot_be_drawn_is_refused(labels: np.ndarray | None, count: int, draws: int, said: str) -> None:
    with pytest.raises((DataError, UsageError), match=said):
        draw_pairs(labels, count, draws)


@pytest.mark.parametrize("chunk", [2**23, 80])
def test_the_nearest_is_that_of_brute_force(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(midpoint, "CHUNK", chunk)
    pictures = RNG.random((11, 1, 3, 3)).astype(np.float32)
    apart = flat(pictures).astype(np.float64)[:, None] - flat(IMAGES)[None]
    expected = np.sqrt((apart**2).mean(axis=2)).min(axis=1)
    np.testing.assert_allclose(nearest_real(pictures, IMAGES), expected, rtol=1e-6)
    np.testing.assert_allclose(nearest_real(IMAGES[:5], IMAGES), 0, atol=1e-7)


def test_a_codec_of_pixels_makes_cross_fades_and_always_comes_back() -> None:
    pairs = draw_pairs(LABELS, 40, draws=3)
    reality = Reality(IMAGES)
    middle, ends = score_midpoints(flat(IMAGES), pairs, reality, encode=flat, decode=square)
    assert middle.cycle is not None and ends.cycle is not None and middle.confidence is None and middle.third is None
    np.testing.assert_allclose(middle.cycle, 0, atol=1e-6)
    np.testing.assert_allclose(ends.nearest, 0, atol=1e-6)
    expected = (IMAGES[pairs.first] + IMAGES[pairs.second]) / 2
    np.testing.assert_allclose(middle.pictures, expected[0], atol=1e-6)
    np.testing.assert_allclose(middle.nearest.ravel(), nearest_real(expected.reshape(-1, 1, 3, 3), IMAGES), atol=1e-6)
    fade = score_pictures(expected.reshape(-1, 1, 3, 3), pairs, reality)
    np.testing.assert_allclose(fade.nearest, middle.nearest, atol=1e-6)
    assert fade.cycle is None


def test_a_codec_that_shows_only_real_images_is_never_far_from_them() -> None:
    def nearest(latents: np.ndarray) -> np.ndarray:
        rows = ((latents[:, None] - flat(IMAGES)[None]) ** 2).sum(axis=2).argmin(axis=1)
        return IMAGES[rows]

    pairs = draw_pairs(LABELS, 40, draws=2)
    middle, _ = score_midpoints(flat(IMAGES), pairs, Reality(IMAGES), encode=flat, decode=nearest)
    np.testing.assert_allclose(middle.nearest, 0, atol=1e-7)
    # It comes back to that image, and not to the mid-point.
    z = (flat(IMAGES)[pairs.first] + flat(IMAGES)[pairs.second]).reshape(-1, 9) / 2
    spread = np.linalg.norm(flat(IMAGES) - flat(IMAGES).mean(axis=0), axis=1).mean()
    expected = np.linalg.norm(flat(nearest(z)) - z, axis=1) / spread
    assert middle.cycle is not None
    np.testing.assert_allclose(middle.cycle.ravel(), expected, rtol=1e-5)
    settled, _ = score_midpoints(
        flat(IMAGES), pairs, Reality(IMAGES), encode=flat, decode=square, settle=lambda z: flat(nearest(z))
    )
    np.testing.assert_allclose(settled.pictures, middle.pictures)
    assert settled.cycle is not None
    np.testing.assert_allclose(settled.cycle, 0, atol=1e-6)


def test_cycle_errors_do_not_depend_on_the_unit_of_the_latents() -> None:
    pairs = draw_pairs(LABELS, 40, draws=2)
    found = []
    for unit in (1.0, 50.0):
        middle, ends = score_midpoints(
            unit * flat(IMAGES), pairs, Reality(IMAGES), decode=lambda z, unit=unit: square(z / unit),
            encode=lambda x, unit=unit: unit * 0.9 * flat(x),
        )  # fmt: skip
        found.append((middle.cycle, ends.cycle))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
    assert np.min(found) > 0


def test_each_draw_has_its_own_classifier_and_a_third_class_is_neither_of_the_two() -> None:
    pictures = np.zeros((4, 1, 3, 3), np.float32)
    for row, (seen, sure) in enumerate([(0, 0.9), (2, 0.8), (2, 0.7), (1, 0.6)]):
        pictures[row, 0, 0, seen] = sure
    pairs = Pairs(np.zeros((2, 2), int), np.ones((2, 2), int), ((0, 1), (0, 2)))

    class Doubter(Stub):
        def confidence(self, images: np.ndarray) -> np.ndarray:
            return super().confidence(images) / 2

    found = score_pictures(pictures, pairs, Reality(IMAGES, (Stub(), Doubter())), np.arange(4.0))  # type: ignore[arg-type]
    assert found.confidence is not None and found.third is not None and found.cycle is not None
    np.testing.assert_allclose(found.confidence, [[0.9, 0.8], [0.35, 0.3]])
    np.testing.assert_array_equal(found.third, [[False, False], [True, True]])
    np.testing.assert_array_equal(found.cycle, [[0, 1], [2, 3]])
    np.testing.assert_array_equal(found.pictures, pictures[:2])


def test_ends_are_averaged_over_the_two() -> None:
    pairs = Pairs(np.array([[0]]), np.array([[1]]), ((0, 1),))
    images = np.zeros((3, 1, 3, 3), np.float32)
    images[0, 0, 0, 0], images[1, 0, 0, 1] = 1.0, 0.5
    _, ends = score_midpoints(flat(images), pairs, Reality(images[2:], (Stub(),)), encode=flat, decode=square)  # type: ignore[arg-type]
    assert ends.confidence is not None and ends.third is not None
    assert float(ends.confidence[0, 0]) == pytest.approx(0.75) and not ends.third.any()
    assert float(ends.nearest[0, 0]) == pytest.approx((np.sqrt(1 / 9) + np.sqrt(0.25 / 9)) / 2)


def test_latents_that_are_all_the_same_have_no_unit() -> None:
    with pytest.raises(DataError, match="latents that differ"):
        score_midpoints(np.zeros((40, 9)), draw_pairs(LABELS, 40, 1), Reality(IMAGES), encode=flat, decode=square)


def test_classifiers_leave_unknown_labels_out_and_differ_by_their_seeds() -> None:
    images = np.zeros((120, 1, 3, 3), np.float32)
    labels = np.arange(120) % 3 - 1
    images[np.arange(120), 0, 0, labels] = RNG.uniform(0.2, 1, 120)
    reality = fit_reality(images, labels, draws=2, seed=7)
    assert [one.network.classes_.tolist() for one in reality.classifiers] == [[0, 1], [0, 1]]
    assert [one.network.random_state for one in reality.classifiers] == [7, 8]
    assert fit_reality(images, None, draws=2).classifiers == ()
