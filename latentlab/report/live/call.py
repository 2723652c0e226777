"""One call of the traced graph: what it was given, and what torch says of its result."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from latentlab.report.live.builder import BATCH, Builder, Constant, Shape, Unsupported, Value

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Call:
    """A call of one of torch's operations.

    Args:
        builder: the program so far.
        name: of the operation, without overload and without the underscore of one in place.
        args: its arguments by their names, defaults filled in, tensors as operands.
        node: of the graph.
    """

    builder: Builder
    name: str
    args: Mapping[str, Any]
    node: Any

    def value(self, name: str | None = None) -> Value:
        """The argument `name`, or the first, which has to depend on the latent.

        Raises:
            Unsupported: when it does not.
        """
        found = self.args[name] if name else next(iter(self.args.values()))
        if not isinstance(found, Value):
            raise Unsupported(f"{self.name} of a constant by an activation")
        return found

    def picture(self) -> Value:
        """The first argument, which has to have channels, rows and columns.

        Raises:
            Unsupported: when it has other axes.
        """
        value = self.value()
        if len(value.shape) != 3:
            raise Unsupported(f"{self.name} of {len(value.shape)} axes")
        return value

    def shape(self) -> Shape:
        """The shape of the result for one image."""
        return image_shape(self.node.meta["val"], self.name)

    def shapes(self) -> list[Shape]:
        """The shapes of the results for one image, of an operation with several."""
        return [image_shape(part, self.name) for part in self.node.meta["val"]]

    def dtypes(self) -> tuple[torch.dtype, torch.dtype]:
        """The types of the first argument and of the result."""
        first = next(arg for arg in self.node.args if hasattr(arg, "meta"))
        return first.meta["val"].dtype, self.node.meta["val"].dtype

    def axis(self, dim: int, rank: int | None = None) -> int:
        """The axis of one image that torch calls `dim` in a batch; of the first argument, or of `rank` axes.

        Raises:
            Unsupported: when it is the axis of images.
        """
        axes = len(self.value().shape) if rank is None else rank
        axis = dim % (axes + 1) - 1
        if axis < 0:
            raise Unsupported(f"{self.name} across images")
        return axis

    def axis_order(self) -> list[int]:
        """Where each axis of a batch comes from, of an operation that exchanges axes."""
        axes = len(self.value().shape) + 1
        order = list(range(axes))
        if "dims" in self.args:
            return [dim % axes for dim in self.args["dims"]]
        if self.name in ("t", "numpy_T"):
            return order[::-1]
        one, other = (self.args[name] % axes for name in list(self.args)[1:3])
        order[one], order[other] = other, one
        return order

    def one_image(self, constant: Constant) -> Constant:
        """A constant as it is for one image: of all the same, the first.

        Raises:
            Unsupported: when images would differ in it.
        """
        tensor = constant.tensor
        if tensor.dim() != len(self.shape()) + 1:
            return constant
        if len(tensor) not in (1, BATCH) or not bool((tensor == tensor[:1]).all()):
            raise Unsupported("a constant that differs between images")
        name = None if constant.transposed else constant.name
        return Constant(tensor[0], name)


Handler = Callable[[Call], Any]


def image_shape(meta: Any, name: str) -> Shape:
    """The shape of one image of a traced tensor.

    Raises:
        Unsupported: when its first axis is not that of the images.
    """
    shape = tuple(int(side) for side in meta.shape)
    if not shape or shape[0] != BATCH:
        raise Unsupported(f"{name} across images")
    return shape[1:]


def arguments(node: Any, env: Mapping[Any, Any]) -> dict[str, Any]:
    """The arguments of a node by their names, with what its nodes stand for."""

    def resolved(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [resolved(item) for item in value]
        return env[value] if hasattr(value, "op") and hasattr(value, "users") else value

    if node.target is operator.getitem:
        return {"self": resolved(node.args[0]), "index": node.args[1]}
    schema = node.target._schema.arguments
    given = {argument.name: argument.default_value for argument in schema if argument.has_default_value()}
    given |= {argument.name: resolved(value) for argument, value in zip(schema, node.args, strict=False)}
    given |= {key: resolved(value) for key, value in node.kwargs.items()}
    # In the schema's own order: the first argument is the tensor.
    return {argument.name: given[argument.name] for argument in schema if argument.name in given}
