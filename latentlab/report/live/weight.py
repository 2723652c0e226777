"""A program's weights: from the tensors of a checkpoint to the bytes that a page carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from latentlab.errors import FileFormatError, UsageError
from latentlab.report.live.program import Norm, Program, Weight

Precision = Literal["int8", "float16", "float32"]
# From the fewest bits to the most.
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

# Columns that share a scale in int8: fewer are exacter, and cost a byte in sixteen.
BLOCK = 64
# A tensor this small gains nothing from fewer bits.
LEAST_REDUCED = 2_048
# The last layers of a decoder are small, and their errors are seen most: half the bits there cost a page a tenth more,
# and more than halve the largest error of a picture.
LEAST_INT8 = 40_000
LARGEST_HALF = 65_504.0


@dataclass(frozen=True)
class Filled:
    """A program with its numbers: all that a page needs to decode.

    Args:
        json: the program; its "weights" say type, offset in bytes, rows and columns of each.
        blob: the weights, each at a multiple of 4 bytes, little-endian.
    """

    json: dict[str, Any]
    blob: bytes


def fill(program: Program, state_dict: Mapping[str, Any], precision: Precision) -> Filled:
    """Put a checkpoint's numbers into a program.

    int8: each row's blocks of 64 columns have a float32 scale, max|w| / 127; a weight is byte × scale. Weights of fewer
    than 40,000 values are float16 there. Vectors, and weights of fewer than 2,048 values, are float32 in every
    precision.

    Args:
        program: as traced or read.
        state_dict: the tensors of its checkpoint by name.
        precision: of the large weights.

    Raises:
        FileFormatError: when the tensors are not those that the program was made for.
        UsageError: when the precision is unknown.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"expected precision {', '.join(PRECISIONS)}, got {precision!r}")
    blob = bytearray()
    entries = []
    for weight in program.weights:
        matrix = build_matrix(weight, state_dict)
        kind = _precision_of(matrix, precision)
        entries.append({"type": kind, "offset": len(blob), "rows": weight.rows, "columns": weight.columns})
        blob += _encode(matrix, kind)
        blob += bytes(-len(blob) % 4)
    return Filled({**program.graph(), "weights": entries}, bytes(blob))


def build_matrix(weight: Weight, state_dict: Mapping[str, Any]) -> np.ndarray:
    """The numbers of a weight, float32 of shape (rows, columns).

    Raises:
        FileFormatError: when a tensor is missing or has another shape.
    """
    matrix = _laid_out(weight, state_dict)
    if weight.norm is not None:
        gain, offset = _gain_and_offset(weight, weight.norm, state_dict)
        matrix = matrix * gain[:, None]
        if weight.layout == "vector":
            matrix = matrix + offset[:, None]
    return np.ascontiguousarray(matrix, dtype=np.float32)


def _laid_out(weight: Weight, state_dict: Mapping[str, Any]) -> np.ndarray:
    rows, columns = weight.rows, weight.columns
    if weight.layout == "gain":
        return np.ones((rows, columns))
    if weight.layout == "identity":
        return np.eye(rows, columns)
    if weight.source is None:
        values = np.asarray((0.0,) if weight.value is None else weight.value)
        return np.resize(values, (rows, columns))
    tensor = _tensor(state_dict, weight.source)
    if weight.layout == "vector":
        if tensor.size < 1 or rows % tensor.size:
            raise _unfit(weight.source, f"a divisor of {rows} values", tensor)
        return np.resize(tensor, (rows, 1))
    four = weight.layout == "transposed"
    if tensor.size != rows * columns or (four and (tensor.ndim != 4 or tensor.shape[1] != rows)):
        raise _unfit(weight.source, f"{rows} rows of {columns} values", tensor)
    if weight.layout == "matrix":
        return tensor.reshape(columns, rows).T
    return (tensor.transpose(1, 2, 3, 0) if four else tensor).reshape(rows, columns)


def _gain_and_offset(weight: Weight, norm: Norm, state_dict: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    def read(name: str | None, otherwise: float) -> np.ndarray:
        if name is None:
            return np.full(weight.rows, otherwise)
        tensor = _tensor(state_dict, name).reshape(-1)
        if tensor.size != weight.rows:
            raise _unfit(name, f"{weight.rows} values", tensor)
        return tensor.astype(np.float64)

    gain = read(norm.weight, 1.0) / np.sqrt(read(norm.var, 1.0) + norm.eps)
    return gain, read(norm.bias, 0.0) - read(norm.mean, 0.0) * gain


def _tensor(state_dict: Mapping[str, Any], name: str) -> np.ndarray:
    if name not in state_dict:
        raise FileFormatError(f"expected a checkpoint with the tensor {name!r}, got one without; make live.json again")
    return state_dict[name].detach().cpu().float().numpy()


def _unfit(name: str, expected: str, tensor: np.ndarray) -> FileFormatError:
    return FileFormatError(f"expected {name!r} with {expected}, got shape {tensor.shape}; make live.json again")


def _precision_of(matrix: np.ndarray, precision: str) -> str:
    if matrix.shape[1] == 1 or matrix.size < LEAST_REDUCED:
        return "float32"
    kind = "float16" if precision == "int8" and matrix.size < LEAST_INT8 else precision
    return "float32" if kind == "float16" and np.abs(matrix).max() > LARGEST_HALF else kind


def _encode(matrix: np.ndarray, kind: str) -> bytes:
    if kind != "int8":
        return matrix.astype("<f2" if kind == "float16" else "<f4").tobytes()
    rows, columns = matrix.shape
    blocks = np.pad(matrix, ((0, 0), (0, -columns % BLOCK))).reshape(rows, -1, BLOCK)
    scales = (np.abs(blocks).max(axis=2) / 127).astype("<f4")
    # A block of zeros, or of numbers too small for a scale, is all zero.
    steps = np.divide(blocks, scales[:, :, None], out=np.zeros_like(blocks), where=scales[:, :, None] > 0)
    bytes_ = np.rint(steps).clip(-127, 127).astype(np.int8)
    return scales.tobytes() + bytes_.reshape(rows, -1)[:, :columns].tobytes()


def decode_weight(entry: Mapping[str, Any], blob: bytes) -> np.ndarray:
    """The numbers of one weight of a filled program, float32 of shape (rows, columns)."""
    rows, columns, offset = entry["rows"], entry["columns"], entry["offset"]
    if entry["type"] != "int8":
        kind = "<f2" if entry["type"] == "float16" else "<f4"
        return np.frombuffer(blob, kind, rows * columns, offset).reshape(rows, columns).astype(np.float32)
    wide = -(-columns // BLOCK)
    scales = np.frombuffer(blob, "<f4", rows * wide, offset).reshape(rows, wide)
    values = np.frombuffer(blob, np.int8, rows * columns, offset + 4 * rows * wide).reshape(rows, columns)
    return values.astype(np.float32) * np.repeat(scales, BLOCK, axis=1)[:, :columns]
