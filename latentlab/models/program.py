"""A model that is a program: TorchScript, ONNX, or its author's own code, with no layers that could be written down."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from latentlab.models.adopted import Adopted, Parts, ProgramConfig


class Call(nn.Module):
    """One function of a program: takes a tensor, returns one or several.

    Args:
        owner: the program; its parameters, where it has any, move with this module.
        method: the name of the function.
        flat: whether it takes and gives images as vectors of this size; 0 for pictures as they are.
        shape: of what it gives, an image; () for whatever it gives.
    """

    def __init__(self, owner: nn.Module, method: str = "forward", flat: int = 0, shape: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.owner = owner
        self.method, self.flat, self.shape = method, flat, shape

    def forward(self, x: Tensor) -> Any:
        found = getattr(self.owner, self.method)(x.flatten(1) if self.flat else x)
        return found.reshape(x.shape[0], *self.shape) if self.shape else found


class Pick(nn.Module):
    """The i-th of what a program's encoder gives; a single tensor is its own first."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index

    def forward(self, found: Any) -> Tensor:
        return found if isinstance(found, Tensor) else found[self.index]


def build_program(config: ProgramConfig, encode: nn.Module, decode: nn.Module, *, probabilistic: bool) -> Adopted:
    """A codec around a program; a latent model where it encodes to a mean and a log-variance.

    Args:
        config: what is known of it.
        encode: images (n, c, h, w) to a mean of shape (n, *latent), or to a mean and a log-variance.
        decode: latents (n, *latent) to images (n, c, h, w).
        probabilistic: whether there is a log-variance.
    """
    logvar = Pick(1) if probabilistic else None
    return Adopted(config, Parts(encode, Pick(0), logvar, decode)).eval().requires_grad_(False)
