"""Layers together with the weights that somebody else's file has for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from latentlab.errors import SHOWN_NAMES, FileFormatError
from latentlab.nn.layer import Layer


@dataclass(frozen=True)
class Piece:
    """One layer.

    Args:
        layer: as it stands in a configuration.
        tensors: its weights, by the names that the layer's own module gives them.
    """

    layer: Layer
    tensors: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """The tensors of a file, and which of them have found a layer.

    Args:
        tensors: by the names of the file.
    """

    tensors: Mapping[str, Tensor]
    taken: set[str] = field(default_factory=set)

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def take(self, name: str, dimensions: int) -> Tensor:
        """A tensor of so many dimensions.

        Raises:
            FileFormatError: when there is none, or it has others.
        """
        if name not in self.tensors:
            raise FileFormatError(f"expected the weights {name!r}, got none of that name; the file is not whole")
        found = self.tensors[name]
        if found.ndim != dimensions:
            raise FileFormatError(
                f"expected {name!r} to have {dimensions} dimensions, got {tuple(found.shape)}; it is of another model"
            )
        self.taken.add(name)
        return found

    def left(self) -> list[str]:
        """The names of tensors that no layer has asked for."""
        return [name for name in self.tensors if name not in self.taken]

    def listed(self) -> str:
        """Those names as they stand in a message, the first few."""
        left = self.left()
        more = f" and {len(left) - SHOWN_NAMES // 8} more" if len(left) > SHOWN_NAMES // 8 else ""
        return ", ".join(map(repr, left[: SHOWN_NAMES // 8])) + more


def join_pieces(name: str, pieces: Iterable[Piece]) -> tuple[tuple[Layer, ...], dict[str, Tensor]]:
    """A list of layers and its weights by the names that `build_layers` gives them, under `name`."""
    pieces = tuple(pieces)
    tensors = {
        f"{name}.{index}.{key}": tensor for index, piece in enumerate(pieces) for key, tensor in piece.tensors.items()
    }
    return tuple(piece.layer for piece in pieces), tensors
