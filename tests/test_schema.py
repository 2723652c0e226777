from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentlab import schema
from latentlab.models import ModelConfig
from latentlab.training import Recipe


@dataclass(frozen=True)
class Round:
    kind: Literal["round"] = "round"
    radius: float = 1.0

    def __post_init__(self) -> None:
        if self.radius <= 0:
            raise ValueError(f"radius: expected a number above 0, got {self.radius}")


@dataclass(frozen=True)
class Square:
    side: int
    kind: Literal["square"] = "square"


@dataclass(frozen=True)
class Drawing:
    name: str
    shape: Round | Square
    mode: Literal["fast", "slow"] = "fast"
    width: float | Literal["auto"] = "auto"
    on: bool = True
    sizes: tuple[int, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    limit: float | None = None


def problems(data: object) -> list[str]:
    value, found = schema.read(Drawing, data)
    assert (value is None) == bool(found)
    return found


def test_a_value_and_its_plain_form_are_each_others_inverse():
    plain = {
        "name": "a", "shape": {"kind": "square", "side": 2}, "mode": "slow", "width": 3, "on": False,
        "sizes": [1, 2], "options": {"deep": {"x": [1]}}, "limit": 0.5,
    }  # fmt: skip
    value, found = schema.read(Drawing, plain)
    assert not found
    assert value == Drawing("a", Square(2), "slow", 3.0, False, (1, 2), {"deep": {"x": [1]}}, 0.5)
    assert isinstance(value.width, float)
    assert schema.read(Drawing, json.loads(json.dumps(schema.plain(value)))) == (value, [])


def test_defaults_stand_where_a_key_is_missing():
    value, _ = schema.read(Drawing, {"name": "a", "shape": {"kind": "round"}})
    assert value == Drawing("a", Round())


def test_every_mistake_is_found_at_once():
    found = problems(
        {
            "name": 3, "shape": {"kind": "square", "sid": 2}, "mode": "fats", "width": "wide", "on": 1,
            "sizes": [1, "2", True], "options": [], "zebra": 1,
        }
    )  # fmt: skip
    assert found == [
        "name: expected a string, got 3",
        "shape.sid: unknown key; did you mean side?",
        "shape.side: missing; expected a whole number",
        "mode: expected fast or slow, got 'fats'; did you mean fast?",
        "width: expected a number or 'auto', got 'wide'",
        "on: expected true or false, got 1",
        "sizes[1]: expected a whole number, got '2'",
        "sizes[2]: expected a whole number, got True",
        "options: expected a table, got []",
        "zebra: unknown key; known: name, shape, mode, width, on, sizes, options, limit",
    ]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({}, "shape.kind: missing; expected round or square"),
        ({"kind": "rond"}, "shape.kind: expected round or square, got 'rond'; did you mean round?"),
        ({"kind": ["round"]}, "shape.kind: expected round or square, got ['round']; did you mean round?"),
        (3, "shape: expected a table, got 3"),
        (None, "shape: expected a table, got None"),
        ({"kind": "round", "radius": 0}, "shape: radius: expected a number above 0, got 0.0"),
        ({"kind": "round", "radius": 10**400}, "shape.radius: expected a number, got int of length 401"),
    ],
)
def test_mistakes_in_a_union_of_tables(shape: object, message: str):
    assert problems({"name": "a", "shape": shape}) == [message]


def test_a_missing_table_is_asked_for_as_a_table():
    assert problems({"name": "a"}) == ["shape: missing; expected a table"]
    assert problems([]) == ["value: expected a table, got []"]


def test_a_message_stays_one_short_line_whatever_came():
    for data in ({"a\nb": 1}, {"x" * 10_000: 1}, {"name": "y\n" * 10_000, "sizes": "z" * 10_000}):
        for message in problems(data):
            assert "\n" not in message and len(message) < 250


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=12,
)
WORDS = st.sampled_from(
    [
        "family",
        "vae",
        "latent",
        "network",
        "kind",
        "mlp",
        "hidden",
        "image",
        "channels",
        "likelihood",
        "sigma",
        "blocks",
    ]
)
model_like = st.dictionaries(
    WORDS, st.recursive(json_values | WORDS, lambda c: st.dictionaries(WORDS, c), max_leaves=8)
)


@settings(deadline=None, max_examples=80)
@given(data=model_like, kind=st.sampled_from([ModelConfig, Recipe, Drawing]))
def test_anything_is_read_or_refused_in_words(data: object, kind: Any):
    value, found = schema.read(kind, data)
    assert (value is None) == bool(found)
    assert all("\n" not in message for message in found)
    if value is not None:
        # Compared as text, in which NaN equals NaN.
        assert repr(schema.read(kind, schema.plain(value))[0]) == repr(value)


@dataclass(frozen=True)
class Said:
    size: tuple[int, int] | None = None
    way: Literal["up", "down"] | None = None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"way": "left"}, "way: expected 'up' or 'down', got 'left'"),
        ({"way": 3}, "way: expected 'up' or 'down', got 3"),
        ({"size": [1]}, "size: expected a value, got [1]"),
        ({"size": [1, 2, 3]}, "size: expected a value, got [1, 2, 3]"),
        ({"size": 1}, "size: expected a value, got 1"),
    ],
)
def test_what_may_be_none_is_not_therefore_anything(data: object, message: str):
    assert schema.read(Said, data) == (None, [message])
    assert schema.read(Said, {"size": [1, 2], "way": None}) == (Said((1, 2)), [])
