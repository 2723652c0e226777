"""Lowering of layers with weights: linear, convolutions and norms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from latentlab.report.live.builder import Constant, Operand, Unsupported, Value
from latentlab.report.live.call import Call, Handler
from latentlab.report.live.program import Norm, Weight, count

# The layers that a batch norm can be folded into.
FOLDED = ("linear", "conv2d", "conv_transpose2d", "addmm")


def _lower_linear(call: Call) -> Operand:
    return _linear(call, call.value(), call.args["weight"], call.args["bias"], transposed=False)


def _lower_matmul(call: Call) -> Operand:
    """A product with a constant matrix on the right."""
    x, matrix = list(call.args.values())[:2]
    if isinstance(x, Value) and isinstance(matrix, Value):
        raise Unsupported("a product of two activations, as in attention")
    if not isinstance(x, Value) or not isinstance(matrix, Constant) or matrix.tensor.dim() != 2:
        raise Unsupported(f"{call.name} with a matrix that stands on the left or has other axes")
    return _linear(call, x, matrix, None, transposed=True)


def _lower_addmm(call: Call) -> Operand:
    if (call.args["beta"], call.args["alpha"]) != (1, 1) or not isinstance(call.args["mat1"], Value):
        raise Unsupported("addmm with factors")
    bias = call.args["self"]
    if not isinstance(bias, Constant) or bias.tensor.dim() != 1:
        raise Unsupported("addmm with a bias of more than one axis")
    return _linear(call, call.args["mat1"], call.args["mat2"], bias, transposed=True)


def _linear(call: Call, x: Value, matrix: Any, bias: Constant | None, transposed: bool) -> Operand:
    if not isinstance(matrix, Constant):
        raise Unsupported(f"{call.name} with a weight that depends on the latent")
    laid = matrix.tensor.T if transposed else matrix.tensor
    weight = call.builder.matrix(matrix, laid, "matrix" if matrix.transposed != transposed else "linear")
    rows, columns = laid.shape
    return call.builder.emit(
        "linear",
        call.shape(),
        x=x.slot,
        w=weight,
        b=_bias(call, bias, rows),
        rows=rows,
        columns=columns,
        count=x.size // columns,
    )


def _lower_conv2d(call: Call) -> Operand:
    x, window = _window(call)
    weight = call.args["weight"]
    rows = weight.tensor.shape[0]
    laid = weight.tensor.reshape(rows, -1)
    w, b = call.builder.matrix(weight, laid, "conv"), _bias(call, call.args["bias"], rows)
    return call.builder.emit("conv2d", call.shape(), x=x.slot, w=w, b=b, **window, up=1)


def _lower_conv_transpose2d(call: Call) -> Operand:
    x, window = _window(call)
    weight = call.args["weight"]
    rows = weight.tensor.shape[1]
    laid = weight.tensor.permute(1, 2, 3, 0).reshape(rows, -1)
    w, b = call.builder.matrix(weight, laid, "transposed"), _bias(call, call.args["bias"], rows)
    return call.builder.emit("conv_transpose2d", call.shape(), x=x.slot, w=w, b=b, **window)


def _window(call: Call) -> tuple[Value, dict[str, Any]]:
    x, weight, args = call.picture(), call.args["weight"], call.args
    if args["groups"] != 1:
        raise Unsupported("grouped convolution")
    if not isinstance(weight, Constant) or weight.transposed:
        raise Unsupported(f"{call.name} with a weight that depends on the latent")
    kernel = list(weight.tensor.shape[2:])
    dilation = _both(args["dilation"])
    padding = args["padding"]
    return x, {
        "in": list(x.shape),
        "out": list(call.shape()),
        "kernel": kernel,
        "stride": _both(args["stride"]),
        "padding": _named_padding(padding, kernel, dilation) if isinstance(padding, str) else _both(padding),
        "dilation": dilation,
    }


def _both(sides: Sequence[int]) -> list[int]:
    return list(sides) * (2 // len(sides))


def _named_padding(name: str, kernel: list[int], dilation: list[int]) -> list[int]:
    if name == "valid":
        return [0, 0]
    around = [step * (side - 1) for side, step in zip(kernel, dilation, strict=True)]
    if any(total % 2 for total in around):
        raise Unsupported("convolution with another padding on either side")
    return [total // 2 for total in around]


def _bias(call: Call, bias: Any, rows: int) -> Weight:
    if bias is None:
        return Weight(rows, 1, "vector")
    if not isinstance(bias, Constant):
        raise Unsupported(f"{call.name} with a bias that depends on the latent")
    return call.builder.vector(bias, rows)


def _lower_batch_norm(call: Call) -> Operand:
    """With the statistics of training; folded into the layer before it where nothing else reads that layer."""
    args = call.args
    if args.get("training") or args.get("use_input_stats") or args["running_mean"] is None:
        raise Unsupported("batch norm over the batch")
    norm = _norm(call)
    x = call.value()
    before = call.node.args[0]
    if _is_foldable(before, x):
        op = call.builder.written_by(x)
        if op["op"] in FOLDED and op.get("count", 1) == 1:
            op |= {"w": replace(op["w"], norm=norm), "b": replace(op["b"], norm=norm)}
            return x
    channels = x.shape[0]
    return call.builder.emit(
        "scale",
        call.shape(),
        x=x.slot,
        a=Weight(channels, 1, "gain", norm=norm),
        b=Weight(channels, 1, "vector", norm=norm),
        channels=channels,
        inner=count(x.shape[1:]),
    )


def _is_foldable(node: Any, x: Value) -> bool:
    named = getattr(node.target, "_schema", None)
    return named is not None and named.name.split("::")[1] in FOLDED and len(node.users) == 1 and x.storage.base is None


def _norm(call: Call) -> Norm:
    def name(key: str) -> str:
        constant = call.args[key]
        if not isinstance(constant, Constant) or constant.name is None:
            raise Unsupported("batch norm with statistics that no checkpoint keeps")
        return constant.name

    return Norm(
        mean=name("running_mean"),
        var=name("running_var"),
        eps=float(call.args["eps"]),
        weight=None if call.args["weight"] is None else name("weight"),
        bias=None if call.args["bias"] is None else name("bias"),
    )


def _lower_instance_norm(call: Call) -> Operand:
    """Each channel of each image by its own statistics: a group norm of groups of one."""
    if not call.args["use_input_stats"]:
        return _lower_batch_norm(call)
    return _group_norm(call, call.value().shape[0])


def _lower_group_norm(call: Call) -> Operand:
    return _group_norm(call, call.args["num_groups"])


def _group_norm(call: Call, groups: int) -> Operand:
    x = call.value()
    channels = x.shape[0]
    return call.builder.emit(
        "group_norm",
        call.shape(),
        x=x.slot,
        **_gain_and_bias(call, channels),
        channels=channels,
        inner=count(x.shape[1:]),
        groups=groups,
        eps=float(call.args["eps"]),
    )


def _lower_layer_norm(call: Call) -> Operand:
    x = call.value()
    columns = count(call.args["normalized_shape"])
    affine = _gain_and_bias(call, columns)
    return call.builder.emit(
        "layer_norm",
        call.shape(),
        x=x.slot,
        **affine,
        rows=x.size // columns,
        columns=columns,
        eps=float(call.args["eps"]),
    )


def _gain_and_bias(call: Call, size: int) -> dict[str, Weight]:
    weight, bias = call.args["weight"], call.args["bias"]
    gain = call.builder.vector(1.0, size) if weight is None else _bias(call, weight, size)
    return {"a": gain, "b": _bias(call, bias, size)}


LAYERS: dict[str, Handler] = {
    "linear": _lower_linear,
    **dict.fromkeys(("matmul", "mm"), _lower_matmul),
    "addmm": _lower_addmm,
    "conv2d": _lower_conv2d,
    "conv_transpose2d": _lower_conv_transpose2d,
    "batch_norm": _lower_batch_norm,
    "instance_norm": _lower_instance_norm,
    "group_norm": _lower_group_norm,
    "layer_norm": _lower_layer_norm,
}
