"""The live program: what a decoder computes, as a list of operations that a page can run without torch.

A program works on the values of one image, float32, row-major (c, h, w), without a batch axis. Every value has a slot,
written once and numbered in the order of writing; a reshape is no operation. Weights are matrices rows × columns. A
program holds no weights but says from which tensors of the checkpoint each is made, so that it is small, and is filled
with numbers in the precision that is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

VERSION = 1

# What a page can carry, and compute between two frames or so.
MOST_PARAMETERS = 8_000_000
MOST_MULTIPLICATIONS = 1_000_000_000
# Numbers that stand in the program itself: coordinates of a grid, a table of classes. Weights stay in the checkpoint.
MOST_CONSTANTS = 4_096

# How a tensor of the checkpoint becomes a matrix:
#   linear      (rows, columns), or whatever has the same values in the same order
#   matrix      (columns, rows), transposed
#   conv        (rows, in, height, width) to rows × in·height·width
#   transposed  (in, rows, height, width) to rows × height·width·in
#   table       (rows, columns) as it is: one row a class
#   vector      any shape, flattened to rows × 1, repeated from its start where it has fewer values than rows
#   gain        no tensor: the factor of a batch norm
#   identity    no tensor: 1 on the diagonal
Layout = Literal["linear", "matrix", "conv", "transposed", "table", "vector", "gain", "identity"]
LAYOUTS: tuple[str, ...] = get_args(Layout)


@dataclass(frozen=True)
class Norm:
    """A batch norm in evaluation: y = gain·x + offset a row, gain = weight / √(var + eps), offset = bias − mean·gain.

    Args:
        weight, bias, mean, var: names of tensors in the checkpoint; weight and bias may be None (1 and 0).
        eps: the small number under the root.
    """

    mean: str
    var: str
    eps: float
    weight: str | None = None
    bias: str | None = None


@dataclass(frozen=True)
class Weight:
    """Where the numbers of a weight come from.

    Args:
        rows, columns: its shape.
        layout: how `source` is laid out, see `Layout`.
        source: the name of a tensor in the checkpoint, or None.
        norm: a batch norm that is folded into it: rows are multiplied by its gain, and a vector also gets its offset.
        value: its numbers where no tensor of the checkpoint has them, row by row; a vector's are repeated to its rows.
            A vector with neither source nor value is 0.
    """

    rows: int
    columns: int
    layout: Layout
    source: str | None = None
    norm: Norm | None = None
    value: tuple[float, ...] | None = None

    @property
    def size(self) -> int:
        """The number of values."""
        return self.rows * self.columns


@dataclass(frozen=True)
class Program:
    """A decoder as operations, without its numbers.

    Args:
        inputs: {"slot", "name": "z", "size"}, and of a conditional model {"slot", "name": "condition", "kind", "size"}.
        output: {"slot", "shape": [c, h, w]}.
        ops: in the order in which they run; their fields are those of `operation.OPERATIONS`.
        weights: by the numbers that operations call them.
    """

    inputs: tuple[Mapping[str, Any], ...]
    output: Mapping[str, Any]
    ops: tuple[Mapping[str, Any], ...]
    weights: tuple[Weight, ...]

    @property
    def latent(self) -> int:
        """The length d of a latent."""
        return int(self.inputs[0]["size"])

    @property
    def condition(self) -> Mapping[str, Any] | None:
        """The input that tells a conditional model its class or attributes, or None."""
        return self.inputs[1] if len(self.inputs) > 1 else None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of a picture."""
        channels, height, width = self.output["shape"]
        return channels, height, width

    @property
    def parameters(self) -> int:
        """The number of values in the weights that come from the checkpoint."""
        return sum(weight.size for weight in self.weights if weight.source)

    def graph(self) -> dict[str, Any]:
        """The program as JSON values, without weights."""
        return {
            "version": VERSION,
            "inputs": [dict(entry) for entry in self.inputs],
            "output": dict(self.output),
            "ops": [dict(op) for op in self.ops],
        }


def input_size(entry: Mapping[str, Any]) -> int:
    """The number of values in the slot of an input: a class is one number, its index."""
    return 1 if entry.get("kind") == "class" else int(entry["size"])


def count(shape: Any) -> int:
    """The number of values in a tensor of this shape."""
    return math.prod(int(side) for side in shape)
