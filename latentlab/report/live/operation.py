"""The operations of a live program: the fields of each, what it reads, writes and keeps, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from latentlab.report.live.program import MOST_MULTIPLICATIONS, MOST_PARAMETERS, Program, count, input_size

MOST_VALUES = 2**26
LARGEST = 3.4028234663852886e38

ACTIVATIONS: dict[str, tuple[str, ...]] = {
    "relu": (),
    "silu": (),
    "sigmoid": (),
    "tanh": (),
    "leaky_relu": ("slope",),
    "gelu": (),
    "elu": ("slope",),
    "softplus": (),
    "clamp": ("low", "high"),
    "exp": (),
    "abs": (),
    "reciprocal": (),
    "less": ("low",),
}
INPUTS = {"z": ("slot", "name", "size"), "condition": ("slot", "name", "kind", "size")}


@dataclass(frozen=True)
class Traffic:
    """What an operation touches.

    Args:
        reads: how many values are expected in each slot that it reads.
        writes: how many values it writes.
        weights: the shape that each weight must have, by the operation's field.
        multiplications: multiply-adds an image, where they are many.
    """

    reads: tuple[tuple[int, int], ...]
    writes: int
    weights: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    multiplications: int = 0


Op = Mapping[str, Any]


def traffic(op: Op) -> Traffic:
    """What an operation reads, writes and keeps.

    Raises:
        ValueError: when it is unknown, a field is missing, too many or of the wrong kind, or sizes contradict.
    """
    name = op.get("op")
    if not isinstance(name, str) or name not in OPERATIONS:
        raise ValueError(f"unknown operation {str(name)[:40]!r}")
    fields, read = OPERATIONS[name]
    if name == "activation" and isinstance(op.get("kind"), str):
        fields = fields | dict.fromkeys(ACTIVATIONS.get(op["kind"], ()), _number)
    if name in PAIRS and "size" in op:
        fields = fields | {"inner": _size, "size": _size}
    if set(op) != {"op", "y", *fields}:
        raise ValueError(
            f"{name}: expected the fields {', '.join(fields)}, got {', '.join(sorted(map(str, op)))[:200]}"
        )
    for key, check in {"y": _index, **fields}.items():
        if not check(op[key]):
            raise ValueError(f"{name}: {key} is {str(op[key])[:40]}")
    return read(op)


def multiplications(program: Program) -> int:
    """Multiply-adds of a picture."""
    return sum(traffic(op).multiplications for op in program.ops)


def check_program(program: Program) -> None:
    """Follow a program through: every slot is written before it is read, once, with as many values as are read.

    Raises:
        ValueError: when it does not hold together, or is larger than any program that is written.
    """
    sizes: dict[int, int] = {}
    for entry, name in zip(program.inputs, INPUTS, strict=False):
        _check_input(entry, name)
        sizes[entry["slot"]] = input_size(entry)
    if not 1 <= len(program.inputs) <= len(INPUTS) or len(sizes) < len(program.inputs):
        raise ValueError("expected a latent and at most one condition, each in a slot of its own")
    used: set[int] = set()
    cost = 0
    for op in program.ops:
        touched = traffic(op)
        for slot, size in touched.reads:
            if sizes.get(slot) != size:
                raise ValueError(f"{op['op']}: reads {size} values from slot {slot}, which has {sizes.get(slot, 0)}")
        for key, shape in touched.weights.items():
            number = op[key]
            if number >= len(program.weights):
                raise ValueError(f"{op['op']}: there is no weight {number}")
            weight = program.weights[number]
            if (weight.rows, weight.columns) != shape:
                raise ValueError(f"{op['op']}: expected a weight of {shape}, got {weight.rows, weight.columns}")
            used.add(number)
        if op["y"] in sizes:
            raise ValueError(f"{op['op']}: slot {op['y']} is written twice")
        if touched.writes > MOST_VALUES:
            raise ValueError(f"{op['op']}: writes {touched.writes} values")
        sizes[op["y"]] = touched.writes
        cost += touched.multiplications
    output = program.output
    if set(output) != {"slot", "shape"} or not _index(output["slot"]) or not _sizes(3)(output["shape"]):
        raise ValueError("output: expected slot and shape")
    if output["slot"] not in sizes or sizes[output["slot"]] != count(output["shape"]):
        raise ValueError("output: the slot does not hold a picture")
    if len(used) < len(program.weights):
        raise ValueError("there are weights that no operation uses")
    if program.parameters > MOST_PARAMETERS or cost > MOST_MULTIPLICATIONS:
        raise ValueError(f"{program.parameters} parameters and {cost} multiply-adds are too many for a page")


def _check_input(entry: Mapping[str, Any], name: str) -> None:
    fits = set(entry) == set(INPUTS[name]) and entry["name"] == name and _index(entry["slot"]) and _size(entry["size"])
    if not fits or entry.get("kind", "class") not in ("class", "attributes"):
        raise ValueError(f"inputs: expected {', '.join(INPUTS[name])} of {name!r}")


# ---- What a field may hold ----


def _whole(value: Any, least: int) -> bool:
    return type(value) is int and least <= value <= MOST_VALUES


def _index(value: Any) -> bool:
    return _whole(value, 0)


def _size(value: Any) -> bool:
    return _whole(value, 1)


def _number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= LARGEST


def _flag(value: Any) -> bool:
    return type(value) is bool


def _sizes(length: int | None = None, least: int = 1) -> Callable[[Any], bool]:
    def check(value: Any) -> bool:
        fits = isinstance(value, list) and (len(value) == length if length else 1 <= len(value) <= MOST_VALUES)
        return fits and all(_whole(item, least) for item in value)

    return check


def _one_of(names: Iterable[str]) -> Callable[[Any], bool]:
    known = tuple(names)
    return lambda value: isinstance(value, str) and value in known


# ---- What each operation touches ----


def _linear(op: Op) -> Traffic:
    rows, columns, number = op["rows"], op["columns"], op["count"]
    return Traffic(
        ((op["x"], number * columns),),
        number * rows,
        {"w": (rows, columns), "b": (rows, 1)},
        number * rows * columns,
    )


def _conv2d(op: Op) -> Traffic:
    channels, *before = op["in"]
    filters, *after = op["out"]
    for axis in range(2):
        reach = op["dilation"][axis] * (op["kernel"][axis] - 1) + 1
        room = before[axis] * op["up"] + 2 * op["padding"][axis] - reach
        if room < 0 or after[axis] != room // op["stride"][axis] + 1:
            raise ValueError(f"conv2d: {op['in']} does not give {op['out']}")
    depth = channels * count(op["kernel"])
    weights = {"w": (filters, depth), "b": (filters, 1)}
    return Traffic(((op["x"], count(op["in"])),), count(op["out"]), weights, depth * count(op["out"]))


def _conv_transpose2d(op: Op) -> Traffic:
    channels, *before = op["in"]
    filters, *after = op["out"]
    for axis in range(2):
        stride, dilation = op["stride"][axis], op["dilation"][axis]
        least = (before[axis] - 1) * stride - 2 * op["padding"][axis] + dilation * (op["kernel"][axis] - 1) + 1
        if not 0 <= after[axis] - least < max(stride, dilation):
            raise ValueError(f"conv_transpose2d: {op['in']} does not give {op['out']}")
    depth = channels * count(op["kernel"])
    weights = {"w": (filters, depth), "b": (filters, 1)}
    return Traffic(((op["x"], count(op["in"])),), count(op["out"]), weights, filters * depth * count(before))


def _scale(op: Op) -> Traffic:
    size = op["channels"] * op["inner"]
    return Traffic(((op["x"], size),), size, {"a": (op["channels"], 1), "b": (op["channels"], 1)})


def _group_norm(op: Op) -> Traffic:
    if op["channels"] % op["groups"]:
        raise ValueError(f"group_norm: {op['channels']} channels in {op['groups']} groups")
    return _scale(op)


def _layer_norm(op: Op) -> Traffic:
    size = op["rows"] * op["columns"]
    return Traffic(((op["x"], size),), size, {"a": (op["columns"], 1), "b": (op["columns"], 1)})


def _activation(op: Op) -> Traffic:
    return Traffic(((op["x"], op["n"]),), op["n"])


def _pair(op: Op) -> Traffic:
    return Traffic(((op["x"], op["n"]), (op["z"], op.get("size", op["n"]))), op["n"])


def _upsample(op: Op) -> Traffic:
    if op["in"][0] != op["out"][0]:
        raise ValueError("upsample: the channels change")
    return Traffic(((op["x"], count(op["in"])),), count(op["out"]))


def _pixel_shuffle(op: Op) -> Traffic:
    channels, height, width = op["out"]
    factor = op["factor"]
    if [channels * factor**2, height, width] != [op["in"][0], op["in"][1] * factor, op["in"][2] * factor]:
        raise ValueError(f"pixel_shuffle: {op['in']} does not give {op['out']}")
    return Traffic(((op["x"], count(op["in"])),), count(op["out"]))


def _concat(op: Op) -> Traffic:
    if len(op["xs"]) != len(op["sizes"]):
        raise ValueError("concat: expected a size for each of xs")
    reads = tuple((slot, op["outer"] * size) for slot, size in zip(op["xs"], op["sizes"], strict=True))
    return Traffic(reads, op["outer"] * sum(op["sizes"]))


def _slice(op: Op) -> Traffic:
    if op["start"] + op["length"] > op["size"]:
        raise ValueError(f"slice: {op['start']} + {op['length']} is beyond {op['size']}")
    return Traffic(((op["x"], op["outer"] * op["size"]),), op["outer"] * op["length"])


def _embed(op: Op) -> Traffic:
    return Traffic(((op["x"], 1),), op["width"], {"w": (op["classes"], op["width"])})


def _expand(op: Op) -> Traffic:
    return Traffic(((op["x"], op["size"]),), op["n"])


PAIRS = ("add", "mul", "sub", "keep")

_AFFINE = {"x": _index, "w": _index, "b": _index}
_SHAPES = {"x": _index, "in": _sizes(3), "out": _sizes(3)}
_WINDOW = {"kernel": _sizes(2), "stride": _sizes(2), "padding": _sizes(2, least=0), "dilation": _sizes(2)}
_SCALED = {"x": _index, "a": _index, "b": _index}
_CHANNELS = {"channels": _size, "inner": _size}

Fields = dict[str, Callable[[Any], bool]]
OPERATIONS: dict[str, tuple[Fields, Callable[[Op], Traffic]]] = {
    "linear": ({**_AFFINE, "rows": _size, "columns": _size, "count": _size}, _linear),
    "conv2d": ({**_AFFINE, **_SHAPES, **_WINDOW, "up": _size}, _conv2d),
    "conv_transpose2d": ({**_AFFINE, **_SHAPES, **_WINDOW}, _conv_transpose2d),
    "scale": ({**_SCALED, **_CHANNELS}, _scale),
    "group_norm": ({**_SCALED, **_CHANNELS, "groups": _size, "eps": _number}, _group_norm),
    "layer_norm": ({**_SCALED, "rows": _size, "columns": _size, "eps": _number}, _layer_norm),
    "activation": ({"x": _index, "kind": _one_of(ACTIVATIONS), "n": _size}, _activation),
    **{name: ({"x": _index, "z": _index, "n": _size}, _pair) for name in PAIRS},
    "upsample": ({**_SHAPES, "mode": _one_of(("nearest", "bilinear")), "align": _flag}, _upsample),
    "pixel_shuffle": ({**_SHAPES, "factor": _size}, _pixel_shuffle),
    "concat": ({"xs": _sizes(least=0), "sizes": _sizes(), "outer": _size}, _concat),
    "slice": ({"x": _index, "outer": _size, "size": _size, "start": _index, "length": _size}, _slice),
    "embed": ({"x": _index, "w": _index, "classes": _size, "width": _size}, _embed),
    "expand": ({"x": _index, "size": _size, "inner": _size, "n": _size}, _expand),
}
