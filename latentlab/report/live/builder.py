"""A program while it is being made: values in slots, constants that are not weights yet, and the operations so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from latentlab.report.live.program import MOST_CONSTANTS, Layout, Program, Weight, count

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, ...]

# Images that are traced together. Any number would do: it only has to stay the first side of every value.
BATCH = 37
# The fields of operations that hold a weight.
WEIGHT_FIELDS = ("w", "a", "b")


class Unsupported(Exception):
    """An operation that no page can run; its message names the operation."""


@dataclass(eq=False)
class Storage:
    """The memory behind a value in torch: an operation in place gives all its views another slot.

    Args:
        slot: where its values are at this point of the program.
        base: the memory that it is a part of, or itself.
    """

    slot: int
    base: Storage | None = None

    @property
    def root(self) -> Storage:
        """The memory that all views share, however small a part of it they show."""
        return self if self.base is None else self.base.root


@dataclass(frozen=True)
class Value:
    """A tensor that depends on the latent; `shape` is that of one image."""

    storage: Storage
    shape: Shape

    @property
    def slot(self) -> int:
        """Where its values are."""
        return self.storage.slot

    @property
    def size(self) -> int:
        """How many values an image has."""
        return count(self.shape)

    def viewed(self, shape: Shape) -> Value:
        """The same values under another shape."""
        return Value(self.storage, shape)


@dataclass(frozen=True)
class Constant:
    """A tensor that no latent changes.

    Args:
        tensor: its values, as they stand in the traced graph.
        name: the tensor of the checkpoint that has the same values in the same order, or None.
        transposed: whether it is that tensor with its two axes exchanged.
    """

    tensor: Tensor
    name: str | None = None
    transposed: bool = False


Operand = Value | Constant | float


@dataclass
class Builder:
    """The operations so far. Weights stand in them as `Weight`, and get their numbers at the end."""

    ops: list[dict[str, Any]] = field(default_factory=list)
    slots: int = 0
    latent_shape: Shape = ()

    @property
    def latent(self) -> Value:
        """The first input, as it came."""
        return Value(Storage(0), self.latent_shape)

    def input(self, shape: Shape) -> Value:
        """A slot that is filled from outside."""
        self.slots += 1
        return Value(Storage(self.slots - 1), shape)

    def emit(self, op: str, shape: Sequence[int], **fields: Any) -> Value:
        """Add an operation that writes a value of this shape to a slot of its own."""
        result = self.input(tuple(shape))
        self.ops.append({"op": op, **fields, "y": result.slot})
        return result

    def written_by(self, value: Value) -> dict[str, Any]:
        """The operation that wrote a value."""
        return next(op for op in self.ops if op["y"] == value.slot)

    def vector(self, operand: Constant | float, rows: int) -> Weight:
        """A weight of rows × 1 from a number or a constant, repeated from its start where it is shorter.

        Raises:
            Unsupported: when the constant is too large to stand in the program.
        """
        if isinstance(operand, Constant):
            if operand.name is not None and not operand.transposed:
                return Weight(rows, 1, "vector", source=operand.name)
            return Weight(rows, 1, "vector", value=numbers(operand.tensor))
        return Weight(rows, 1, "vector", value=(float(operand),))

    def matrix(self, constant: Constant, tensor: Tensor, layout: Layout) -> Weight:
        """A weight of a layer; `tensor` is the constant as a matrix of rows × columns.

        Raises:
            Unsupported: when it is computed from other weights, and too large to stand in the program.
        """
        rows, columns = tensor.shape
        if constant.name is not None:
            return Weight(rows, columns, layout, source=constant.name)
        return Weight(rows, columns, "linear", value=numbers(tensor))

    def finish(self, inputs: Sequence[Mapping[str, Any]], output: Value, shape: Shape) -> Program:
        """The program: what nothing reads is dropped, weights and slots are numbered."""
        if output.slot < len(inputs):
            one, zero = self.vector(1.0, 1), self.vector(0.0, 1)
            output = self.emit("scale", output.shape, x=output.slot, a=one, b=zero, channels=1, inner=output.size)
        last = output.slot
        ops = self._needed(fuse_upsampling(self.ops, last), last)
        slots = {slot: slot for slot in range(len(inputs))}
        weights: dict[Weight, int] = {}
        numbered = []
        for op in ops:
            slots[op["y"]] = len(slots)
            numbered.append({key: self._number(key, entry, slots, weights) for key, entry in op.items()})
        return Program(
            inputs=tuple(inputs),
            output={"slot": slots[last], "shape": list(shape)},
            ops=tuple(numbered),
            weights=tuple(weights),
        )

    def _needed(self, ops: list[dict[str, Any]], last: int) -> list[dict[str, Any]]:
        wanted = {last}
        kept = []
        for op in reversed(ops):
            if op["y"] in wanted:
                wanted.update(reads(op))
                kept.append(op)
        return kept[::-1]

    def _number(self, key: str, entry: Any, slots: dict[int, int], weights: dict[Weight, int]) -> Any:
        if key in ("x", "y", "z"):
            return slots[entry]
        if key == "xs":
            return [slots[slot] for slot in entry]
        if key in WEIGHT_FIELDS:
            return weights.setdefault(entry, len(weights))
        return list(entry) if isinstance(entry, tuple) else entry


def numbers(tensor: Tensor) -> tuple[float, ...]:
    """The values of a small constant.

    Raises:
        Unsupported: when they are too many to stand in the program, or not finite.
    """
    if tensor.numel() > MOST_CONSTANTS:
        raise Unsupported(f"a weight of {tensor.numel()} values that is computed from others or kept by no checkpoint")
    values = tuple(tensor.detach().double().flatten().tolist())
    if not bool(tensor.isfinite().all()):
        raise Unsupported("a constant that is not finite")
    return values


def reads(op: Mapping[str, Any]) -> list[int]:
    """The slots that an operation reads."""
    return [op[key] for key in ("x", "z") if key in op] + list(op.get("xs", ()))


def fuse_upsampling(ops: list[dict[str, Any]], last: int) -> list[dict[str, Any]]:
    """Let convolutions read what nearest upsampling by a whole factor would have repeated for them alone."""
    fused = {op["y"]: dict(op) for op in ops}
    for op in ops:
        factors = {
            after / before for before, after in zip(op.get("in", (1,))[1:], op.get("out", (1,))[1:], strict=True)
        }
        if (
            op["op"] != "upsample"
            or op["mode"] != "nearest"
            or len(factors) > 1
            or not (up := factors.pop()).is_integer()
        ):
            continue
        readers = [other for other in fused.values() if op["y"] in reads(other)]
        if op["y"] == last or not all(other["op"] == "conv2d" for other in readers):
            continue
        for other in readers:
            other |= {"x": op["x"], "in": op["in"], "up": int(up)}
        del fused[op["y"]]
    return list(fused.values())
