from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from latentlab.editing.edits import parse_alphas, sweep
from latentlab.errors import DataError, UsageError

values = st.floats(-10, 10, width=32)
latents = arrays(np.float32, (3, 4), elements=values)
vectors = arrays(np.float32, (4,), elements=values)
SMILE = np.array([1.0, 2.0, 0.0, -1.0], dtype=np.float32)
HAT = np.array([0.0, 0.5, 3.0, 0.0], dtype=np.float32)


@given(latents, vectors, st.floats(-5, 5))
def test_an_edit_and_its_inverse_come_back(z: np.ndarray, vector: np.ndarray, alpha: float) -> None:
    moved = sweep(z, {"smile": (vector, [alpha])})[:, 0]
    assert moved.dtype == np.float32
    np.testing.assert_allclose(moved, z + alpha * vector, atol=1e-4)
    np.testing.assert_allclose(sweep(moved, {"smile": (vector, [-alpha])})[:, 0], z, atol=1e-5)


@given(latents, vectors)
def test_no_step_changes_no_bit(z: np.ndarray, vector: np.ndarray) -> None:
    np.testing.assert_array_equal(sweep(z, {"smile": (vector, [0.0])})[:, 0], z)
    np.testing.assert_array_equal(sweep(z, {})[:, 0], z)


def test_several_attributes_add_up_step_by_step() -> None:
    z = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    swept = sweep(z, {"smile": (SMILE, (-1.0, 0.0, 2.0)), "hat": (HAT, (0.5,))})
    assert swept.shape == (3, 3, 4)
    for step, alpha in enumerate((-1.0, 0.0, 2.0)):
        np.testing.assert_allclose(swept[:, step], z + alpha * SMILE + 0.5 * HAT, atol=1e-6)
    both = sweep(z, {"smile": (SMILE, (0.0, 1.0)), "hat": (HAT, (3.0, 4.0))})
    np.testing.assert_allclose(both[:, 1], z + SMILE + 4 * HAT, atol=1e-6)


def test_every_latent_may_have_alphas_of_its_own() -> None:
    z = np.zeros((3, 4), np.float32)
    own = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    swept = sweep(z, {"smile": (SMILE, own), "hat": (HAT, own[:, :1])})
    np.testing.assert_allclose(swept, own[..., None] * SMILE + own[:, :1, None] * HAT, atol=1e-6)


def test_what_does_not_fit_is_refused() -> None:
    z = np.zeros((2, 4), dtype=np.float32)
    with pytest.raises(DataError, match="expected a direction of 4 values for 'smile'"):
        sweep(z, {"smile": (np.zeros(3), [1.0])})
    for alpha in (float("nan"), float("inf")):
        with pytest.raises(UsageError, match="finite alpha for 'smile'"):
            sweep(z, {"smile": (SMILE, [alpha])})
    for count in ((), (1.0, 2.0)):
        with pytest.raises(UsageError, match=r"expected 1 or 3 alphas for 'hat', got"):
            sweep(z, {"smile": (SMILE, (1.0, 2.0, 3.0)), "hat": (HAT, count)})


@pytest.mark.parametrize(
    ("text", "alphas"),
    [
        ("1.5", (1.5,)),
        (" -2 ", (-2.0,)),
        ("0,1, 2", (0.0, 1.0, 2.0)),
        ("-2:2:9", (-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2)),
        ("-.3:.3:7", (-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3)),
        ("2:0:3", (2.0, 1.0, 0.0)),
        ("1e-1", (0.1,)),
    ],
)
def test_alphas_are_read(text: str, alphas: tuple[float, ...]) -> None:
    assert parse_alphas(text) == alphas


@given(st.integers(1, 99), st.floats(0.01, 100))
def test_a_symmetric_range_passes_through_zero_itself(half: int, end: float) -> None:
    alphas = parse_alphas(f"{-end!r}:{end!r}:{2 * half + 1}")
    assert len(alphas) == 2 * half + 1
    assert alphas[half] == 0
    assert str(alphas[half]) == "0.0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected alpha as a number"),
        ("much", "got 'much'"),
        ("1,,2", "got '1,,2'"),
        ("1:2", "a range as in -2:2:9"),
        ("1:2:3:4", "a range"),
        ("1:2:x", "a range"),
        ("1:2:2.5", "a range"),
        ("nan", "finite alphas, got nan"),
        ("0,inf", "finite alphas, got inf in '0,inf'"),
        ("-inf:1:3", "finite"),
        ("0:1:1", "from 2 to 200 alphas, got 1"),
        ("0:1:-4", "from 2 to 200"),
        ("0:1:201", "got 201"),
        (",".join("1" * 201), "at most 200 alphas, got 201"),
    ],
)
def test_other_alphas_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_alphas(text)


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert np.isfinite(parse_alphas(text)).all()
