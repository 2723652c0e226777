from __future__ import annotations

import numpy as np
import pytest

from latentlab.directions.algebra import Mean, Name
from latentlab.directions.expression import Operand, evaluate
from latentlab.errors import DataError, UnknownNameError, UsageError, unknown_name

DIRECTIONS = {"smile": [1.0, 0.0], "glasses": [0.0, 1.0], "7": [3.0, 3.0]}
POINTS = {"photo.png": [5.0, 6.0], "random": [0.5, 0.5], "mean": [10.0, 10.0]}
MEANS = {"7": [20.0, 0.0], "1": [0.0, 20.0], "man, glasses": [3.0, 4.0]}


def lookup(name: Name | Mean) -> Operand:
    known = MEANS if isinstance(name, Mean) else DIRECTIONS | POINTS
    text = ", ".join(part.text for part, _ in name.parts) if isinstance(name, Mean) else name.text
    if text not in known:
        raise unknown_name("operand", text, known)
    kind = "point" if isinstance(name, Mean) or text in POINTS else "direction"
    return Operand(str(name), kind, np.array(known[text], dtype=np.float32))


@pytest.mark.parametrize(
    ("text", "kind", "vector"),
    [
        ("smile - 0.5*glasses", "direction", [1, -0.5]),
        ("7", "direction", [3, 3]),
        ("mean(7)", "point", [20, 0]),
        ("mean(7) - mean(1)", "direction", [20, -20]),
        ("mean(7) - mean(1) + photo.png", "point", [25, -14]),
        ("photo.png + 2*smile", "point", [7, 6]),
        ("(mean(7) + mean(1))/2", "point", [10, 10]),
        ("0.7*mean + 0.2*mean(1) + 0.1*mean(7)", "point", [9, 11]),
        ("mean - random", "direction", [9.5, 9.5]),
        ("2*photo.png - mean", "point", [0, 2]),
        ("photo.png - photo.png", "direction", [0, 0]),
        ("mean(man, not glasses) + glasses", "point", [3, 5]),
    ],
)
def test_points_weigh_one_and_directions_nothing(text: str, kind: str, vector: list[float]) -> None:
    value = evaluate(text, lookup)
    assert value.kind == kind
    assert value.vector.dtype == np.float32
    np.testing.assert_allclose(value.vector, vector, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "weight"), [("mean(7) + mean(1)", "2"), ("2*photo.png", "2"), ("smile - mean", "-1"), ("mean / 2", "0.5")]
)
def test_other_sums_of_points_are_refused(text: str, weight: str) -> None:
    with pytest.raises(UsageError, match=f"got weight {weight} from .*subtract one"):
        evaluate(text, lookup)


def test_terms_come_in_order_with_their_coefficients() -> None:
    value = evaluate("2*(smile - 3*random) + 7*mean / 1 - mean", lookup)
    assert [(c, operand.name) for c, operand in value.terms] == [
        (2, "smile"),
        (-6, "random"),
        (7, "mean"),
        (-1, "mean"),
    ]
    assert [operand.kind for operand in value.operands] == ["direction", "point", "point", "point"]


def test_every_name_is_looked_up_in_turn() -> None:
    asked: list[Name | Mean] = []
    evaluate("random - mean(7) + 'random'", lambda name: (asked.append(name), lookup(name))[1])
    assert [str(name) for name in asked] == ["random", "mean(7)", "random"]
    assert [name.quoted for name in asked if isinstance(name, Name)] == [False, True]


def test_unknown_name_with_a_sign_in_it_is_told_about_spaces() -> None:
    for text in ("smile-glasses", "mean(7-1)"):
        with pytest.raises(UnknownNameError, match="put spaces around the sign"):
            evaluate(text, lookup)
    for text in ("smlie", "'smile-glasses'", "mean(not '7-1')"):
        with pytest.raises(UnknownNameError) as caught:
            evaluate(text, lookup)
        assert "spaces" not in str(caught.value)


def test_operands_of_two_spaces_and_overflow_are_refused() -> None:
    sizes = iter((2, 3))
    with pytest.raises(DataError, match="one latent space"):
        evaluate("a + b", lambda name: Operand(name.text, "direction", np.zeros(next(sizes))))
    with pytest.raises(DataError, match="finite"):
        evaluate("1e300*smile", lookup)
