"""A plain reading of a filled program with torch's own operations: what the page's kernels are held to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import DataError
from latentlab.report.live.program import input_size
from latentlab.report.live.weight import Filled, decode_weight

if TYPE_CHECKING:
    from torch import Tensor

Op = Mapping[str, Any]
Weights = list["Tensor"]


def run(filled: Filled, z: Any, condition: Any = None) -> np.ndarray:
    """Decode latents with a filled program.

    Args:
        filled: the program with its numbers.
        z: latents, an array or tensor of shape (n, d).
        condition: for a conditional model the class (n,) or the attributes (n, k).

    Returns:
        Pictures of shape (n, c, h, w), float32.

    Raises:
        DataError: when latents or condition are not of the shape that the program takes.
    """
    import torch

    program = filled.json
    slots: dict[int, Tensor] = {}
    for entry, given in zip(program["inputs"], (z, condition), strict=False):
        slots[entry["slot"]] = torch.from_numpy(_checked(entry, given))
    if len(program["inputs"]) == 1 and condition is not None:
        raise DataError("expected no condition for this decoder, got one; leave it out")
    rows = {len(values) for values in slots.values()}
    if len(rows) > 1:
        raise DataError(f"expected a condition for each latent, got {' and '.join(map(str, sorted(rows)))} rows")
    weights = [torch.from_numpy(decode_weight(entry, filled.blob)) for entry in program["weights"]]
    with torch.no_grad():
        for op in program["ops"]:
            slots[op["y"]] = READINGS[op["op"]](op, slots, weights).reshape(rows.copy().pop(), -1)
    output = program["output"]
    return slots[output["slot"]].reshape(-1, *output["shape"]).numpy()


def as_array(given: Any) -> np.ndarray:
    """An array or tensor as float32 in memory of its own."""
    return np.array(given.detach().cpu().numpy() if hasattr(given, "detach") else given, dtype=np.float32)


def _checked(entry: Mapping[str, Any], given: Any) -> np.ndarray:
    """An input as float32 of shape (n, values)."""
    name = entry["name"]
    if given is None:
        raise DataError(f"expected a {name} for this decoder, got none")
    values = as_array(given)
    one_a_row = entry.get("kind") == "class"
    if one_a_row and values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2 or values.shape[1] != input_size(entry):
        raise DataError(f"expected {name} of shape (n, {input_size(entry)}), got {values.shape}")
    if one_a_row and not np.isin(values, np.arange(entry["size"])).all():
        raise DataError(f"expected classes from 0 to {entry['size'] - 1}, got {values.min():g} to {values.max():g}")
    return values


def _linear(op: Op, slots: dict[int, Tensor], weights: Weights) -> Tensor:
    from torch.nn import functional

    x = slots[op["x"]].reshape(-1, op["count"], op["columns"])
    return functional.linear(x, weights[op["w"]], weights[op["b"]][:, 0])


def _conv2d(op: Op, slots: dict[int, Tensor], weights: Weights) -> Tensor:
    from torch.nn import functional

    x = slots[op["x"]].reshape(-1, *op["in"])
    x = x.repeat_interleave(op["up"], 2).repeat_interleave(op["up"], 3)
    w = weights[op["w"]].reshape(op["out"][0], op["in"][0], *op["kernel"])
    return functional.conv2d(x, w, weights[op["b"]][:, 0], op["stride"], op["padding"], op["dilation"])


def _conv_transpose2d(op: Op, slots: dict[int, Tensor], weights: Weights) -> Tensor:
    from torch.nn import functional

    w = weights[op["w"]].reshape(op["out"][0], *op["kernel"], op["in"][0]).permute(3, 0, 1, 2)
    extra = [
        op["out"][1 + i]
        - ((op["in"][1 + i] - 1) * op["stride"][i] - 2 * op["padding"][i])
        - (op["dilation"][i] * (op["kernel"][i] - 1) + 1)
        for i in range(2)
    ]
    x = slots[op["x"]].reshape(-1, *op["in"])
    window = {"stride": op["stride"], "padding": op["padding"], "dilation": op["dilation"]}
    return functional.conv_transpose2d(x, w, weights[op["b"]][:, 0], output_padding=extra, **window)


def _scale(op: Op, slots: dict[int, Tensor], weights: Weights) -> Tensor:
    x = slots[op["x"]].reshape(-1, op["channels"], op["inner"])
    return weights[op["a"]] * x + weights[op["b"]]


def _group_norm(op: Op, slots: dict[int, Tensor], weights: Weights) -> Tensor:
    x = slots[op["x"]].reshape(-1, op["groups"], op["channels"] // op["groups"] * op["inner"])
    centred = x - x.mean(dim=2, keepdim=True)
    x = centred / (centred.square().mean(dim=2, keepdim=True) + op["eps"]).sqrt()
    return weights[op["a"]] * x.reshape(-1, op["channels"], op["inner"]) + weights[op["b"]]


def _layer_norm(op: Op, slots: dict[int, Tensor], weights: Weights) -> Tensor:
    from torch.nn import functional

    x = slots[op["x"]].reshape(-1, op["rows"], op["columns"])
    return functional.layer_norm(x, (op["columns"],), weights[op["a"]][:, 0], weights[op["b"]][:, 0], op["eps"])


def _activation(op: Op, slots: dict[int, Tensor], weights: Weights) -> Tensor:
    from torch.nn import functional

    x, kind = slots[op["x"]], op["kind"]
    if kind == "clamp":
        return x.clamp(op["low"], op["high"])
    if kind == "less":
        return (x < op["low"]).float()
    if kind in ("leaky_relu", "elu"):
        return getattr(functional, kind)(x, op["slope"])
    torch_names = ("sigmoid", "tanh", "exp", "abs", "reciprocal")
    return getattr(x, kind)() if kind in torch_names else getattr(functional, kind)(x)


def _pair(op: Op, slots: dict[int, Tensor], weights: Weights) -> Tensor:
    x, z = slots[op["x"]], slots[op["z"]]
    if "size" in op:
        z = _repeat(z, op)
    if op["op"] == "keep":
        return x.where(z != 0, 0.0)
    return getattr(x, op["op"])(z)


def _upsample(op: Op, slots: dict[int, Tensor], weights: Weights) -> Tensor:
    from torch.nn import functional

    x = slots[op["x"]].reshape(-1, *op["in"])
    align = op["align"] if op["mode"] == "bilinear" else None
    return functional.interpolate(x, size=op["out"][1:], mode=op["mode"], align_corners=align)


def _pixel_shuffle(op: Op, slots: dict[int, Tensor], weights: Weights) -> Tensor:
    from torch.nn import functional

    return functional.pixel_shuffle(slots[op["x"]].reshape(-1, *op["in"]), op["factor"])


def _concat(op: Op, slots: dict[int, Tensor], weights: Weights) -> Tensor:
    import torch

    parts = zip(op["xs"], op["sizes"], strict=True)
    return torch.cat([slots[slot].reshape(-1, op["outer"], size) for slot, size in parts], dim=2)


def _slice(op: Op, slots: dict[int, Tensor], weights: Weights) -> Tensor:
    return slots[op["x"]].reshape(-1, op["outer"], op["size"])[:, :, op["start"] : op["start"] + op["length"]]


def _embed(op: Op, slots: dict[int, Tensor], weights: Weights) -> Tensor:
    return weights[op["w"]][slots[op["x"]][:, 0].long()]


def _expand(op: Op, slots: dict[int, Tensor], weights: Weights) -> Tensor:
    return _repeat(slots[op["x"]], op)


def _repeat(x: Tensor, op: Op) -> Tensor:
    import torch

    return x[:, torch.arange(op["n"]) // op["inner"] % op["size"]]


READINGS: dict[str, Callable[[Op, dict[int, Tensor], Weights], Tensor]] = {
    "linear": _linear,
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "scale": _scale,
    "group_norm": _group_norm,
    "layer_norm": _layer_norm,
    "activation": _activation,
    "add": _pair,
    "mul": _pair,
    "sub": _pair,
    "keep": _pair,
    "upsample": _upsample,
    "pixel_shuffle": _pixel_shuffle,
    "concat": _concat,
    "slice": _slice,
    "embed": _embed,
    "expand": _expand,
}
