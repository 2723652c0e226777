from __future__ import annotations

import numpy as np
import pytest

from latentlab.data import load_data
from latentlab.data.face_factor import BINARY, CONTINUOUS
from latentlab.data.faces import draw_faces
from latentlab.errors import LatentlabError

MIDDLE = {name: np.zeros(1, np.float32) for name in BINARY} | {
    name: np.full(1, (low + high) / 2, np.float32) for name, (low, high) in CONTINUOUS.items()
}


def face(**factors: float) -> np.ndarray:
    """One face of shape (3, 64, 64): the middle one, with some factors changed."""
    changed = MIDDLE | {name: np.full(1, value, np.float32) for name, value in factors.items()}
    return draw_faces(changed, np.random.default_rng(0))[0]


def reach(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The pixels in which two pictures differ visibly."""
    return np.abs(one - other).max(axis=0) > 0.1


def test_every_factor_is_given_in_its_range() -> None:
    data = load_data("faces", count=600)
    assert set(data.attributes) == {*BINARY, *CONTINUOUS}
    for name in BINARY:
        assert set(np.unique(data.attributes[name])) == {0, 1} and 0.4 < data.attributes[name].mean() < 0.6
    for name, (low, high) in CONTINUOUS.items():
        values = data.attributes[name]
        assert low <= values.min() < low + 0.1 and high - 0.1 < values.max() <= high


@pytest.mark.parametrize("name", BINARY)
def test_every_binary_factor_shows(name: str) -> None:
    assert reach(face(), face(**{name: 1})).sum() > 80


@pytest.mark.parametrize("name", CONTINUOUS)
def test_every_continuous_factor_shows(name: str) -> None:
    low, high = CONTINUOUS[name]
    assert reach(face(**{name: low}), face(**{name: high})).sum() > 15


@pytest.mark.parametrize(
    ("name", "other"), [("glasses", "smile"), ("hat", "glasses"), ("hat", "smile"), ("glasses", "beard")]
)
def test_factors_that_are_apart_change_other_pixels(name: str, other: str) -> None:
    assert (reach(face(), face(**{name: 1})) & reach(face(), face(**{other: 1}))).sum() <= 4


@pytest.mark.parametrize("other", [name for name in BINARY if name != "smile"])
def test_the_smile_shows_beside_every_other_factor(other: str) -> None:
    assert reach(face(**{other: 1}), face(**{other: 1, "smile": 1})).sum() > 80


def test_the_attributes_are_those_of_the_pictures() -> None:
    data = load_data("faces", count=400)
    for name in BINARY:
        has = data.attributes[name] > 0
        where = reach(face(), face(**{name: 1}))
        with_, without = data.images[has].mean(axis=0), data.images[~has].mean(axis=0)
        assert np.abs(with_ - without)[:, where].mean() > 2 * np.abs(with_ - without)[:, ~where].mean()


def test_edges_are_smooth() -> None:
    """A row through the shoulders meets values between the two colours, and moving by half a pixel changes little."""
    whole, part = face(), face(x=1 / 6)
    assert 0 < np.abs(whole - part).max() < 0.75
    levels = np.unique(np.rint(whole[0] * 255))
    assert len(levels) > 60


def test_a_seed_parts_the_splits() -> None:
    pixels = [load_data("faces", split=split, count=3).pixels for split in ("train", "validation", "test")]
    assert not np.array_equal(pixels[0], pixels[1]) and not np.array_equal(pixels[1], pixels[2])


def test_correlations_reach_the_pictures() -> None:
    data = load_data("faces", count=1_000, correlation={"smile,glasses": 0.6})
    found = np.corrcoef(data.attributes["smile"], data.attributes["glasses"])[0, 1]
    assert abs(found - 0.6) < 0.1


@pytest.mark.parametrize("asked", [{}, {"smile,glasses": 0.5}, {("smile", "glasses"): 0.5, ("beard", "hat"): -0.7}])
def test_factors_have_the_correlations_asked_for(asked: dict) -> None:
    from latentlab.data.face_factor import draw_factors, read_correlations

    factors = draw_factors(np.random.default_rng(0), 40_000, read_correlations(asked))
    check(np.corrcoef([factors[name] for name in BINARY]), asked)


def check(found: np.ndarray, asked: dict) -> None:
    expected = np.eye(len(BINARY))
    for pair, value in asked.items():
        i, j = (BINARY.index(name) for name in (pair.split(",") if isinstance(pair, str) else pair))
        expected[i, j] = expected[j, i] = value
    np.testing.assert_allclose(found, expected, atol=0.05)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"correlation": {"smile,glasses": 0.9, "smile,hat": 0.9}}, "correlation"),
        ({"correlation": {"smile,glases": 0.5}}, "did you mean glasses"),
        ({"correlation": {"smile,smile": 0.5}}, "two"),
        ({"correlation": {"smile,hat": 2}}, "-1"),
        ({"correlation": 7}, "correlation"),
        ({"nuisance": 3}, "nuisance"),
        ({"nuisance": "much"}, "nuisance"),
        ({"smile": 1}, "option of faces"),
    ],
)
def test_impossible_wishes_are_one_line(options: dict, words: str) -> None:
    with pytest.raises(LatentlabError) as caught:
        load_data("faces", count=2, **options)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_nuisance_changes_the_picture_and_not_the_factors() -> None:
    plain, hard = load_data("faces", count=70), load_data("faces", count=70, nuisance=1.0)
    assert np.abs(plain.images - hard.images).mean() > 0.02
    for name in plain.attributes:
        np.testing.assert_array_equal(plain.attributes[name], hard.attributes[name])
    np.testing.assert_array_equal(hard.pixels[:9], load_data("faces", count=9, nuisance=1.0).pixels)
