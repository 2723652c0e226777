"""Lowering of what moves values: views, slices, concatenation, repetition, upsampling, classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from latentlab.report.live.builder import Builder, Constant, Operand, Shape, Storage, Unsupported, Value
from latentlab.report.live.call import Call, Handler
from latentlab.report.live.program import Weight, count


def block_of(small: Shape, large: Shape) -> tuple[int, int] | None:
    """How `small` is repeated to fill `large`: index of small = (i // inner) % size, or None where it is not so simple.

    >>> block_of((3, 1, 1), (3, 4, 4)), block_of((1, 1, 4), (3, 4, 4)), block_of((3, 1, 4), (3, 4, 4))
    ((16, 3), (1, 4), None)
    """
    kept = [axis for axis, side in enumerate(small) if side > 1]
    if not kept:
        return count(large), 1
    first, end = kept[0], kept[-1] + 1
    if small[first:end] != large[first:end]:
        return None
    return count(large[end:]), count(small)


def expand(builder: Builder, value: Value, shape: Shape) -> Value:
    """Repeat a value along its axes of one to `shape`, of as many axes."""
    if value.shape == shape:
        return value
    if value.size == count(shape):
        return value.viewed(shape)
    block = block_of(value.shape, shape)
    if block is not None:
        return builder.emit("expand", shape, x=value.slot, size=block[1], inner=block[0], n=count(shape))
    for axis, side in enumerate(shape):
        if value.shape[axis] == side:
            continue
        grown = (*value.shape[:axis], side, *value.shape[axis + 1 :])
        value = _concat(builder, [value] * side, axis, grown)
    return value


def _constant_value(builder: Builder, constant: Constant, shape: Shape) -> Value:
    """A slot with a constant of this shape: any value times nothing, plus the constant."""
    size = count(shape)
    carrier = builder.latent
    if carrier.size != size:
        carrier = builder.emit("expand", (size,), x=carrier.slot, size=carrier.size, inner=1, n=size)
    a, b = builder.vector(0.0, size), builder.vector(constant, size)
    return builder.emit("scale", shape, x=carrier.slot, a=a, b=b, channels=size, inner=1)


def _as_view(call: Call) -> Operand:
    """The same values in the same order."""
    before, after = call.dtypes()
    if before != after:
        raise Unsupported(f"a view as {str(after).removeprefix('torch.')}")
    return call.value().viewed(call.shape())


def _as_copy(call: Call) -> Operand:
    """The same values, in memory of their own."""
    value = call.value()
    return Value(Storage(value.slot), call.shape())


def _lower_cast(call: Call) -> Operand:
    before, after = call.dtypes()
    if not after.is_floating_point and before != after and (before.is_floating_point or after.itemsize < 2):
        raise Unsupported(f"a conversion to {str(after).removeprefix('torch.')}")
    return _as_view(call) if before == after else _as_copy(call)


def _lower_dropout(call: Call) -> Operand:
    if call.args["train"]:
        raise Unsupported("dropout outside evaluation")
    return _as_view(call)


def _lower_permute(call: Call) -> Operand:
    """Only axes of one may change places: the order of the values stays."""
    order = call.axis_order()
    before = call.value().shape
    moved = [axis for axis in order if axis > 0 and before[axis - 1] > 1]
    if moved != sorted(moved) or order[0] != 0:
        raise Unsupported(call.name)
    return _as_view(call)


def _slice(call: Call, axis: int, start: int, length: int, shape: Shape) -> Value:
    value = call.value()
    if length == value.shape[axis]:
        return value.viewed(shape)
    inner = count(value.shape[axis + 1 :])
    part = call.builder.emit(
        "slice",
        shape,
        x=value.slot,
        outer=count(value.shape[:axis]),
        size=value.shape[axis] * inner,
        start=start * inner,
        length=length * inner,
    )
    part.storage.base = value.storage
    return part


def _lower_slice(call: Call) -> Operand:
    if call.args["dim"] == 0 and call.shape() == call.value().shape:
        return _as_view(call)
    axis = call.axis(call.args["dim"])
    side = call.value().shape[axis]
    start, end, step = slice(call.args["start"], call.args["end"], call.args["step"]).indices(side)
    if step != 1:
        raise Unsupported("slicing with a step")
    return _slice(call, axis, start, end - start, call.shape())


def _lower_select(call: Call) -> Operand:
    axis = call.axis(call.args["dim"])
    return _slice(call, axis, call.args["index"] % call.value().shape[axis], 1, call.shape())


def _lower_narrow(call: Call) -> Operand:
    axis = call.axis(call.args["dim"])
    return _slice(call, axis, call.args["start"] % call.value().shape[axis], call.args["length"], call.shape())


def _lower_split(call: Call) -> tuple[Value, ...]:
    """chunk, split and unbind: the parts as torch measured them."""
    axis = call.axis(call.args["dim"])
    parts = []
    start = 0
    for shape in call.shapes():
        length = shape[axis] if call.name != "unbind" else 1
        parts.append(_slice(call, axis, start, length, shape))
        start += length
    return tuple(parts)


def _lower_expand(call: Call) -> Operand:
    """A view in torch: a change in place of one would be one of the other."""
    value, shape = call.value(), call.shape()
    if len(value.shape) != len(shape):
        raise Unsupported("broadcasting across images")
    result = expand(call.builder, value, shape)
    if result.storage is not value.storage:
        result.storage.base = value.storage
    return result


def _lower_repeat(call: Call) -> Operand:
    """Axes of one are repeated value by value, whole tensors from the start again."""
    value, shape = call.value(), call.shape()
    times = call.args["repeats"]
    if len(value.shape) != len(shape) or times[0] != 1:
        raise Unsupported("repetition across images")
    for axis, time in enumerate(times[1:]):
        if time > 1:
            grown = (*value.shape[:axis], value.shape[axis] * time, *value.shape[axis + 1 :])
            alone = value.shape[axis] == 1
            value = expand(call.builder, value, grown) if alone else _concat(call.builder, [value] * time, axis, grown)
    return _as_copy(call) if value is call.value() else value


def _lower_cat(call: Call) -> Operand:
    axis = call.axis(call.args["dim"], rank=len(call.shape()))
    parts = [_part(call, item) for item in call.args["tensors"]]
    joined = _concat(call.builder, parts, axis, call.shape())
    return Value(Storage(joined.slot), joined.shape)


def _lower_stack(call: Call) -> Operand:
    shape = call.shape()
    axis = call.axis(call.args["dim"], rank=len(shape))
    parts = [_part(call, item) for item in call.args["tensors"]]
    return _concat(call.builder, [p.viewed((*p.shape[:axis], 1, *p.shape[axis:])) for p in parts], axis, shape)


def _part(call: Call, item: Operand) -> Value:
    if isinstance(item, Value):
        return item
    if not isinstance(item, Constant):
        raise Unsupported(call.name)
    tensor = call.one_image(item)
    return _constant_value(call.builder, tensor, tuple(tensor.tensor.shape))


def _concat(builder: Builder, parts: Sequence[Value], axis: int, shape: Shape) -> Value:
    sizes = [count(part.shape[axis:]) for part in parts]
    if len(parts) == 1:
        return parts[0]
    return builder.emit("concat", shape, xs=[part.slot for part in parts], sizes=sizes, outer=count(shape[:axis]))


def _lower_pixel_shuffle(call: Call) -> Operand:
    value, shape = call.picture(), call.shape()
    return call.builder.emit(
        "pixel_shuffle", shape, x=value.slot, **_sides(value, shape), factor=call.args["upscale_factor"]
    )


def _lower_upsample(call: Call) -> Operand:
    """Nearest and bilinear, where the positions follow from the two sizes alone."""
    value, shape = call.picture(), call.shape()
    for before, after, factor in zip(value.shape[1:], shape[1:], _factors(call), strict=True):
        if factor is not None and before * factor != after:
            raise Unsupported(f"upsampling from {before} to {after} pixels by a factor of {factor:g}")
    mode = "nearest" if "nearest" in call.name else "bilinear"
    align = bool(call.args.get("align_corners", False))
    return call.builder.emit("upsample", shape, x=value.slot, mode=mode, **_sides(value, shape), align=align)


def _factors(call: Call) -> Sequence[float | None]:
    if call.args.get("scale_factors"):
        return call.args["scale_factors"]
    return call.args.get("scales_h"), call.args.get("scales_w")


def _sides(value: Value, shape: Shape) -> dict[str, Any]:
    return {"in": list(value.shape), "out": list(shape)}


def _lower_embedding(call: Call) -> Operand:
    table, index = call.args["weight"], call.args["indices"]
    if not isinstance(table, Constant) or not isinstance(index, Value) or index.size != 1:
        raise Unsupported("embedding of more than one index")
    classes, width = table.tensor.shape
    weight = call.builder.matrix(table, table.tensor, "table")
    return call.builder.emit("embed", call.shape(), x=index.slot, w=weight, classes=classes, width=width)


def _lower_one_hot(call: Call) -> Operand:
    classes = call.args["num_classes"]
    if call.value().size != 1 or classes < 1:
        raise Unsupported("one_hot of more than one index")
    weight = Weight(classes, classes, "identity")
    return call.builder.emit("embed", call.shape(), x=call.value().slot, w=weight, classes=classes, width=classes)


VIEWS = (
    *("view", "reshape", "_unsafe_view", "unflatten", "flatten", "squeeze", "unsqueeze", "view_as", "reshape_as"),
    *("detach", "alias", "contiguous", "lift_fresh"),
)
SHAPES: dict[str, Handler] = {
    **dict.fromkeys(VIEWS, _as_view),
    **dict.fromkeys(("clone", "lift_fresh_copy"), _as_copy),
    **dict.fromkeys(("to", "_to_copy", "type_as"), _lower_cast),
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"), _lower_dropout),
    **dict.fromkeys(("permute", "transpose", "t", "numpy_T", "swapaxes"), _lower_permute),
    **dict.fromkeys(("chunk", "split", "split_with_sizes", "unbind"), _lower_split),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), _lower_expand),
    **dict.fromkeys(("cat", "concat", "concatenate"), _lower_cat),
    **dict.fromkeys(("upsample_nearest2d", "upsample_bilinear2d"), _lower_upsample),
    "slice": _lower_slice,
    "select": _lower_select,
    "narrow": _lower_narrow,
    "repeat": _lower_repeat,
    "stack": _lower_stack,
    "pixel_shuffle": _lower_pixel_shuffle,
    "embedding": _lower_embedding,
    "one_hot": _lower_one_hot,
}
