"""Lowering of arithmetic: activations, numbers, and tensors of different shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping

from latentlab.report.live.builder import Builder, Constant, Operand, Shape, Unsupported, Value
from latentlab.report.live.call import Call, Handler
from latentlab.report.live.operation import LARGEST
from latentlab.report.live.program import Weight, count
from latentlab.report.live.shape import block_of, expand

SELU = 1.6732632423543772, 1.0507009873554805
# Above this threshold softplus differs from its argument by less than float32 shows.
LEAST_SOFTPLUS_THRESHOLD = 15


def activation(builder: Builder, value: Value, kind: str, **fields: float) -> Value:
    """An activation of the table."""
    return builder.emit("activation", value.shape, x=value.slot, kind=kind, **fields, n=value.size)


def affine(builder: Builder, value: Value, gain: Operand, offset: Operand) -> Value:
    """gain·x + offset, both numbers or constants of one image that fit the value's shape."""
    rows = 1
    for operand in (gain, offset):
        if isinstance(operand, Constant):
            rows = max(rows, _rows(operand, value.shape))
    weights = [_vector(builder, operand, value.shape, rows) for operand in (gain, offset)]
    inner = value.size // rows
    return builder.emit("scale", value.shape, x=value.slot, a=weights[0], b=weights[1], channels=rows, inner=inner)


def _rows(constant: Constant, shape: Shape) -> int:
    """How many values of its own or repeated a constant needs, each for the same number of values on end."""
    block = block_of(_padded(constant, shape), shape)
    return count(shape) if block is None else count(shape) // block[0]


def _vector(builder: Builder, operand: Operand, shape: Shape, rows: int) -> Weight:
    if not isinstance(operand, Constant):
        return builder.vector(operand, rows)  # type: ignore[arg-type]
    if block_of(_padded(operand, shape), shape) is not None:
        return builder.vector(operand, rows)
    whole = operand.tensor.reshape(_padded(operand, shape)).expand(shape)
    return builder.vector(Constant(whole.reshape(rows, -1)[:, 0]), rows)


def _padded(constant: Constant, shape: Shape) -> Shape:
    own = tuple(constant.tensor.shape)
    return (1,) * (len(shape) - len(own)) + own


def scaled(builder: Builder, value: Value, gain: float, offset: float = 0.0) -> Value:
    """gain·x + offset of two numbers."""
    return affine(builder, value, gain, offset)


def pair(builder: Builder, op: str, x: Value, z: Value) -> Value:
    """An operation on two values, of which either may have axes of one."""
    shape = _common(x.shape, z.shape)
    if x.size < z.size and op in ("add", "mul"):
        x, z = z, x
    x = expand(builder, x, shape)
    fields: dict[str, int] = {}
    if z.size < count(shape):
        block = block_of(z.shape, shape)
        if block is None:
            z = expand(builder, z, shape)
        else:
            fields = {"inner": block[0], "size": block[1]}
    return builder.emit(op, shape, x=x.slot, z=z.slot, n=count(shape), **fields)


def _common(one: Shape, other: Shape) -> Shape:
    if len(one) != len(other):
        raise Unsupported("broadcasting across images")
    return tuple(max(pair) for pair in zip(one, other, strict=True))


def combine(call: Call, op: str, x: Operand, z: Operand) -> Value:
    """x op z of values, constants and numbers, at least one of them a value, in the shape of the result."""
    builder, shape = call.builder, call.shape()
    x, z = (_simplest(call, operand) for operand in (x, z))
    for operand in (x, z):
        if isinstance(operand, Value) and len(operand.shape) != len(shape):
            raise Unsupported("broadcasting across images")
    if isinstance(x, Value) and isinstance(z, Value):
        return pair(builder, op, x, z)
    if not isinstance(x, Value):
        if op == "sub":
            return affine(builder, expand(builder, _value(z), shape), -1.0, x)
        x, z = z, x
    value = expand(builder, _value(x), shape)
    if op == "mul":
        return affine(builder, value, z, 0.0)
    if op == "add":
        return affine(builder, value, 1.0, z)
    if isinstance(z, Constant):
        return scaled(builder, affine(builder, value, -1.0, z), -1.0)
    return affine(builder, value, 1.0, -float(z))  # type: ignore[arg-type]


def _simplest(call: Call, operand: Operand) -> Operand:
    """A constant as it is for one image, and as a number where all its values are one."""
    if not isinstance(operand, Constant):
        return operand
    constant = call.one_image(operand)
    values = constant.tensor
    alike = constant.name is None and values.numel() > 0 and bool((values == values.flatten()[0]).all())
    return float(values.flatten()[0]) if alike and bool(values.isfinite().all()) else constant


def _value(operand: Operand) -> Value:
    if not isinstance(operand, Value):
        raise Unsupported("arithmetic of constants")
    return operand


def _times(call: Call, operand: Operand, factor: float) -> Operand:
    if factor == 1:
        return operand
    if isinstance(operand, Value):
        return scaled(call.builder, operand, factor)
    return Constant(operand.tensor * factor) if isinstance(operand, Constant) else operand * factor


def _lower_add(call: Call) -> Operand:
    if str(call.dtypes()[1]) == "torch.bool":
        raise Unsupported("or of two masks")
    return combine(call, "add", call.args["self"], _times(call, call.args["other"], call.args["alpha"]))


def _lower_sub(call: Call) -> Operand:
    return combine(call, "sub", call.args["self"], _times(call, call.args["other"], call.args["alpha"]))


def _lower_rsub(call: Call) -> Operand:
    return combine(call, "sub", call.args["other"], _times(call, call.args["self"], call.args["alpha"]))


def _lower_mul(call: Call) -> Operand:
    return combine(call, "mul", call.args["self"], call.args["other"])


def _lower_div(call: Call) -> Operand:
    divisor = call.args["other"]
    if call.args.get("rounding_mode"):
        raise Unsupported("division with rounding")
    if not isinstance(divisor, Value | Constant) and divisor == 0:
        raise Unsupported("division by zero")
    if isinstance(divisor, Value):
        inverse: Operand = activation(call.builder, divisor, "reciprocal")
    else:
        inverse = Constant(1 / divisor.tensor) if isinstance(divisor, Constant) else 1 / divisor
    return combine(call, "mul", call.args["self"], inverse)


def _lower_pow(call: Call) -> Operand:
    x, exponent = call.value(), call.args.get("exponent", 2)
    if exponent not in (2, 3, 4):
        raise Unsupported("a power other than 2, 3 and 4")
    square = pair(call.builder, "mul", x, x)
    return square if exponent == 2 else pair(call.builder, "mul", square, x if exponent == 3 else square)


# ---- Masks: 1 where something holds, else 0 ----


def _lower_compare(call: Call) -> Operand:
    """lt and ge, gt and le: of a value with a number."""
    threshold = call.args["other"]
    if not isinstance(threshold, int | float):
        raise Unsupported(f"{call.name} of two tensors")
    x, mirrored = call.value(), call.name in ("gt", "le")
    if mirrored:
        x, threshold = scaled(call.builder, x, -1.0), -threshold
    mask = activation(call.builder, x, "less", low=_held(threshold))
    return _inverted(call.builder, mask) if call.name in ("ge", "le") else mask


def _lower_not(call: Call) -> Operand:
    if str(call.dtypes()[0]) != "torch.bool":
        raise Unsupported(f"{call.name} of numbers")
    return _inverted(call.builder, call.value())


def _inverted(builder: Builder, mask: Value) -> Value:
    return scaled(builder, mask, -1.0, 1.0)


def _lower_where(call: Call) -> Operand:
    """where(m, x, z) = keep(x, m) + keep(z, 1 − m)."""
    mask, x, z = (call.args[name] for name in ("condition", "self", "other"))
    if not isinstance(mask, Value):
        raise Unsupported("where with a constant condition")
    parts = [_kept(call, x, mask), _kept(call, z, _inverted(call.builder, mask))]
    there = [part for part in parts if part is not None]
    whole = there[0] if len(there) == 1 else pair(call.builder, "add", *there) if there else None
    return scaled(call.builder, mask, 0.0) if whole is None else expand(call.builder, whole, call.shape())


def _kept(call: Call, x: Operand, mask: Value) -> Value | None:
    x = _simplest(call, x)
    if isinstance(x, Value):
        return pair(call.builder, "keep", expand(call.builder, x, _common(x.shape, mask.shape)), mask)
    if isinstance(x, Constant):
        return combine(call, "mul", mask, x)
    return None if x == 0 else scaled(call.builder, mask, float(x))


def _lower_like(call: Call) -> Operand:
    """A constant of one number in the shape of a value."""
    import torch

    number = call.args.get("fill_value", 1.0 if "ones" in call.name else 0.0)
    if isinstance(number, Value | Constant):
        raise Unsupported(f"{call.name} with a tensor")
    return Constant(torch.tensor(float(number)).expand(call.node.meta["val"].shape))


# ---- Activations ----


def _lower_activation(call: Call) -> Operand:
    return activation(call.builder, call.value(), call.name)


def _lower_leaky_relu(call: Call) -> Operand:
    return activation(call.builder, call.value(), "leaky_relu", slope=float(call.args["negative_slope"]))


def _lower_gelu(call: Call) -> Operand:
    """Exact, or by tanh: x/2 · (1 + tanh(√(2/π)(x + .044715 x³)))."""
    x, builder = call.value(), call.builder
    if call.args["approximate"] == "none":
        return activation(builder, x, "gelu")
    root = math.sqrt(2 / math.pi)
    inner = pair(builder, "mul", scaled(builder, pair(builder, "mul", x, x), 0.044715 * root, root), x)
    return pair(builder, "mul", scaled(builder, activation(builder, inner, "tanh"), 0.5, 0.5), x)


def _lower_elu(call: Call) -> Operand:
    """elu, celu and selu are one function up to scales of argument and result."""
    builder, x, args = call.builder, call.value(), call.args
    slope, scale, inside = float(args.get("alpha", 1.0)), args.get("scale", 1.0), args.get("input_scale", 1.0)
    if call.name == "selu":
        slope, scale = SELU
    if call.name == "celu":
        slope, scale, inside = 1.0, slope, 1 / slope
    if inside != 1 and call.name == "elu":
        raise Unsupported("elu with a scaled argument")
    x = x if inside == 1 else scaled(builder, x, inside)
    y = activation(builder, x, "elu", slope=slope)
    return y if scale == 1 else scaled(builder, y, scale)


def _lower_softplus(call: Call) -> Operand:
    builder, x, beta = call.builder, call.value(), float(call.args["beta"])
    if call.args["threshold"] < LEAST_SOFTPLUS_THRESHOLD:
        raise Unsupported("softplus with a low threshold")
    if beta == 1:
        return activation(builder, x, "softplus")
    return scaled(builder, activation(builder, scaled(builder, x, beta), "softplus"), 1 / beta)


def _lower_clamp(call: Call) -> Operand:
    """clamp, hardtanh and relu6; an end that is not there is the largest number."""
    low, high = (call.args.get(one, call.args.get(other)) for one, other in (("min", "min_val"), ("max", "max_val")))
    if call.name == "relu6":
        low, high = 0.0, 6.0
    if any(isinstance(end, Value | Constant) for end in (low, high)):
        raise Unsupported("clamp between tensors")
    low, high = (-LARGEST if low is None else low), (LARGEST if high is None else high)
    return activation(call.builder, call.value(), "clamp", low=_held(low), high=_held(high))


def _held(number: float) -> float:
    return min(max(float(number), -LARGEST), LARGEST)


def _lower_prelu(call: Call) -> Operand:
    """relu(x) − slope · relu(−x), one slope a channel or for all."""
    x, slope, builder = call.value(), call.args["weight"], call.builder
    if not isinstance(slope, Constant):
        raise Unsupported("prelu with a slope that depends on the latent")
    sides = (-1,) + (1,) * (len(x.shape) - 1) if slope.tensor.numel() > 1 else ()
    below = activation(builder, scaled(builder, x, -1.0), "relu")
    below = affine(builder, below, Constant(slope.tensor.reshape(sides), slope.name), 0.0)
    return pair(builder, "sub", activation(builder, x, "relu"), below)


def _lower_composed(call: Call) -> Operand:
    """Activations that are made of those of the table."""
    x, builder = call.value(), call.builder
    if call.name == "neg":
        return scaled(builder, x, -1.0)
    if call.name == "log_sigmoid":
        return scaled(builder, activation(builder, scaled(builder, x, -1.0), "softplus"), -1.0)
    if call.name == "mish":
        return pair(builder, "mul", activation(builder, activation(builder, x, "softplus"), "tanh"), x)
    hard = activation(builder, scaled(builder, x, 1 / 6, 0.5), "clamp", low=0.0, high=1.0)
    return pair(builder, "mul", hard, x) if call.name == "hardswish" else hard


PLAIN = ("relu", "silu", "sigmoid", "tanh", "exp", "abs", "reciprocal")
COMPOSED = ("neg", "log_sigmoid", "mish", "hardswish", "hardsigmoid")
ARITHMETIC: Mapping[str, Handler] = {
    **dict.fromkeys(PLAIN, _lower_activation),
    **dict.fromkeys(COMPOSED, _lower_composed),
    **dict.fromkeys(("elu", "celu", "selu"), _lower_elu),
    **dict.fromkeys(("clamp", "clamp_min", "clamp_max", "hardtanh", "relu6"), _lower_clamp),
    **dict.fromkeys(("lt", "gt", "le", "ge"), _lower_compare),
    **dict.fromkeys(("pow", "square"), _lower_pow),
    **dict.fromkeys(("logical_not", "bitwise_not"), _lower_not),
    **dict.fromkeys(("sub", "subtract"), _lower_sub),
    **dict.fromkeys(("mul", "multiply"), _lower_mul),
    **dict.fromkeys(("div", "divide", "true_divide"), _lower_div),
    **dict.fromkeys(("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"), _lower_like),
    "add": _lower_add,
    "rsub": _lower_rsub,
    "where": _lower_where,
    "leaky_relu": _lower_leaky_relu,
    "gelu": _lower_gelu,
    "softplus": _lower_softplus,
    "prelu": _lower_prelu,
}
