"""What each operation reads, writes and costs, and how a program that does not hold together is told."""

from __future__ import annotations

from typing import Any

import pytest

from latentlab.report.live import operation as operation_module
from latentlab.report.live.operation import OPERATIONS, check_program, multiplications, traffic
from latentlab.report.live.program import Program, Weight

WINDOW = {"kernel": [3, 2], "stride": [2, 1], "padding": [1, 0], "dilation": [1, 2]}
OPS: dict[str, dict[str, Any]] = {
    "linear": {"x": 0, "w": 0, "b": 1, "rows": 5, "columns": 4, "count": 3},
    "conv2d": {"x": 0, "w": 0, "b": 1, "in": [3, 4, 5], "out": [7, 4, 8], **WINDOW, "up": 2},
    "conv_transpose2d": {"x": 0, "w": 0, "b": 1, "in": [3, 4, 5], "out": [7, 8, 7], **WINDOW},
    "scale": {"x": 0, "a": 0, "b": 1, "channels": 3, "inner": 4},
    "group_norm": {"x": 0, "a": 0, "b": 1, "channels": 4, "inner": 3, "groups": 2, "eps": 1e-5},
    "layer_norm": {"x": 0, "a": 0, "b": 1, "rows": 3, "columns": 4, "eps": 1e-5},
    "activation": {"x": 0, "kind": "relu", "n": 12},
    "add": {"x": 0, "z": 1, "n": 12},
    "mul": {"x": 0, "z": 1, "n": 12, "inner": 2, "size": 3},
    "sub": {"x": 0, "z": 0, "n": 12},
    "keep": {"x": 0, "z": 1, "n": 12},
    "upsample": {"x": 0, "in": [3, 2, 2], "out": [3, 5, 3], "mode": "bilinear", "align": True},
    "pixel_shuffle": {"x": 0, "in": [8, 2, 3], "out": [2, 4, 6], "factor": 2},
    "concat": {"xs": [0, 1, 0], "sizes": [2, 3, 2], "outer": 4},
    "slice": {"x": 0, "outer": 2, "size": 6, "start": 1, "length": 5},
    "embed": {"x": 0, "w": 0, "classes": 3, "width": 4},
    "expand": {"x": 0, "size": 3, "inner": 2, "n": 12},
}
# Values read from each slot, values written, shapes of weights, multiply-adds.
TRAFFIC: dict[str, tuple[Any, int, dict[str, tuple[int, int]], int]] = {
    "linear": (((0, 12),), 15, {"w": (5, 4), "b": (5, 1)}, 60),
    "conv2d": (((0, 60),), 224, {"w": (7, 18), "b": (7, 1)}, 7 * 18 * 32),
    "conv_transpose2d": (((0, 60),), 392, {"w": (7, 18), "b": (7, 1)}, 7 * 18 * 20),
    "scale": (((0, 12),), 12, {"a": (3, 1), "b": (3, 1)}, 0),
    "group_norm": (((0, 12),), 12, {"a": (4, 1), "b": (4, 1)}, 0),
    "layer_norm": (((0, 12),), 12, {"a": (4, 1), "b": (4, 1)}, 0),
    "activation": (((0, 12),), 12, {}, 0),
    "add": (((0, 12), (1, 12)), 12, {}, 0),
    "mul": (((0, 12), (1, 3)), 12, {}, 0),
    "sub": (((0, 12), (0, 12)), 12, {}, 0),
    "keep": (((0, 12), (1, 12)), 12, {}, 0),
    "upsample": (((0, 12),), 45, {}, 0),
    "pixel_shuffle": (((0, 48),), 48, {}, 0),
    "concat": (((0, 8), (1, 12), (0, 8)), 28, {}, 0),
    "slice": (((0, 12),), 10, {}, 0),
    "embed": (((0, 1),), 4, {"w": (3, 4)}, 0),
    "expand": (((0, 3),), 12, {}, 0),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_an_operation_touches(name: str):
    found = traffic({"op": name, **OPS[name], "y": 9})
    assert (found.reads, found.writes, dict(found.weights), found.multiplications) == TRAFFIC[name]


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_field_is_needed_and_no_other_is_known(name: str):
    whole = {"op": name, **OPS[name], "y": 9}
    for key in whole.keys() - {"op"}:
        if name == "mul" and key in ("inner", "size"):
            continue
        with pytest.raises(ValueError, match=name):
            traffic({other: value for other, value in whole.items() if other != key})
        with pytest.raises(ValueError, match=name):
            traffic({**whole, key: None})
    with pytest.raises(ValueError, match="expected the fields"):
        traffic({**whole, "note": 1})


@pytest.mark.parametrize(
    "name, changed, named",
    [
        ("conv2d", {"out": [7, 4, 7]}, r"\[3, 4, 5\] does not give \[7, 4, 7\]"),
        ("conv2d", {"out": [7, 3, 8]}, "does not give"),
        ("conv2d", {"up": 3}, "does not give"),
        ("conv2d", {"kernel": [30, 2]}, "does not give"),
        ("conv2d", {"padding": [-1, 0]}, "padding is"),
        ("conv2d", {"stride": [0, 1]}, "stride is"),
        ("conv_transpose2d", {"out": [7, 6, 7]}, "does not give"),
        ("conv_transpose2d", {"out": [7, 9, 7]}, "does not give"),
        ("conv_transpose2d", {"out": [7, 8, 9]}, "does not give"),
        ("group_norm", {"groups": 3}, "4 channels in 3 groups"),
        ("group_norm", {"eps": float("nan")}, "eps is nan"),
        ("group_norm", {"eps": 1e39}, "eps is"),
        ("group_norm", {"eps": True}, "eps is True"),
        ("upsample", {"out": [4, 5, 3]}, "the channels change"),
        ("upsample", {"align": 1}, "align is 1"),
        ("upsample", {"mode": "cubic"}, "mode is cubic"),
        ("pixel_shuffle", {"out": [2, 4, 5]}, "does not give"),
        ("pixel_shuffle", {"out": [1, 4, 6]}, "does not give"),
        ("concat", {"sizes": [2, 3]}, "a size for each"),
        ("slice", {"start": 2}, "2 \\+ 5 is beyond 6"),
        ("activation", {"kind": "leaky_relu"}, "expected the fields"),
        ("activation", {"n": 2**26 + 1}, "n is"),
        ("activation", {"n": True}, "n is True"),
        ("expand", {"inner": 0}, "inner is 0"),
    ],
)
def test_fields_that_contradict_each_other(name: str, changed: dict[str, Any], named: str):
    with pytest.raises(ValueError, match=f"{name}: .*{named}|{name}: {named}"):
        traffic({"op": name, **OPS[name], "y": 9, **changed})


def program(*ops: dict[str, Any], weights: tuple[Weight, ...] = (), output: int = 1, size: int = 4) -> Program:
    shape = [1, 1, size]
    return Program(({"slot": 0, "name": "z", "size": 4},), {"slot": output, "shape": shape}, ops, weights)


RELU = {"op": "activation", "kind": "relu", "x": 0, "y": 1, "n": 4}
LINEAR = {"op": "linear", "x": 0, "y": 1, "w": 0, "b": 1, "rows": 4, "columns": 4, "count": 1}
W, B = Weight(4, 4, "linear", source="w"), Weight(4, 1, "vector")


def test_a_program_that_holds_together():
    check_program(program(RELU))
    whole = program(LINEAR, weights=(W, B))
    check_program(whole)
    assert multiplications(whole) == 16 and whole.parameters == 16


@pytest.mark.parametrize(
    "broken, named",
    [
        (program(RELU, {**RELU, "x": 1}), "slot 1 is written twice"),
        (program({**RELU, "y": 0}, output=0), "slot 0 is written twice"),
        (program({**RELU, "x": 1}), "reads 4 values from slot 1, which has 0"),
        (program({**RELU, "n": 3}, size=3), "reads 3 values from slot 0, which has 4"),
        (program(RELU, output=2), "the slot does not hold a picture"),
        (program(RELU, size=5), "the slot does not hold a picture"),
        (program(LINEAR, weights=(W,)), "there is no weight 1"),
        (program(LINEAR, weights=(B, W)), r"expected a weight of \(4, 4\), got \(4, 1\)"),
        (program(LINEAR, weights=(W, Weight(5, 1, "vector"))), r"expected a weight of \(4, 1\), got \(5, 1\)"),
        (program(LINEAR, weights=(W, B, B)), "weights that no operation uses"),
        (
            program({"op": "concat", "xs": [0] * 5, "sizes": [2**24] * 5, "outer": 1, "y": 1}),
            "reads 16777216 values",
        ),
    ],
)
def test_a_program_that_does_not(broken: Program, named: str):
    with pytest.raises(ValueError, match=named):
        check_program(broken)


def test_sizes_grow_only_so_far(monkeypatch: pytest.MonkeyPatch):
    wide = {"op": "concat", "xs": [0, 0], "sizes": [4, 4], "outer": 1, "y": 1}
    check_program(program(wide, size=8))
    monkeypatch.setattr(operation_module, "MOST_VALUES", 7)
    with pytest.raises(ValueError, match="writes 8 values"):
        check_program(program(wide, size=7))


@pytest.mark.parametrize("limit", ["MOST_PARAMETERS", "MOST_MULTIPLICATIONS"])
def test_a_program_that_no_page_can_carry(monkeypatch: pytest.MonkeyPatch, limit: str):
    whole = program(LINEAR, weights=(W, B))
    monkeypatch.setattr(operation_module, limit, 16)
    check_program(whole)
    monkeypatch.setattr(operation_module, limit, 15)
    with pytest.raises(ValueError, match="16 parameters and 16 multiply-adds are too many for a page"):
        check_program(whole)
