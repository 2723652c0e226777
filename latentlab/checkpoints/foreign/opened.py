"""What lies in somebody else's files, what the user says of it, and the model that a reader makes of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from torch import Tensor, nn

from latentlab.models.adopted import AdoptedConfig, Range
from latentlab.nn.activation import ActivationName

Container = Literal["safetensors", "torch", "torchscript", "exported", "onnx"]


@dataclass(frozen=True)
class Part:
    """One file of weights, or of a program.

    Args:
        file: its path; a reader takes nothing from its name.
        container: how it is written. `tensors` and `beside` of `torchscript`, `exported` and `onnx` are empty: their
            readers open the file.
        tensors: by the names that the file gives them, plain and on the CPU; large ones are mapped, not read.
        under: the key that the tensors stood under, such as `state_dict`; "" where they are all that there is.
        beside: numbers, strings, lists and tables that stood beside the tensors, such as `hyper_parameters`.
    """

    file: Path
    container: Container
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    under: str = ""
    beside: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Contents:
    """What lies at a path: one file, or a folder with files of known names.

    Args:
        path: what the user gave.
        parts: the files of weights; a folder's in the order of their names.
        json: the folder's JSON files by name, such as `config.json`; each is a table.
        others: names of further files that say something by being there, such as `encoder.pkl`.
    """

    path: Path
    parts: tuple[Part, ...]
    json: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    others: tuple[str, ...] = ()

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """The tensors of the one part; none where there are several."""
        return self.parts[0].tensors if len(self.parts) == 1 else {}


@dataclass(frozen=True)
class Claims:
    """What the user says of a model; None is what they leave to the file.

    Args:
        image_size: (height, width).
        channels: 1 or 3.
        range: of the pixels that it was trained on.
        activation: between its layers, which a bare state dict does not tell.
        output: what the decoder's last step does, where no weights tell: `sigmoid`, `tanh`, or `none`.
        classes: names of what a conditional model is told, in the order of their numbers.
    """

    image_size: tuple[int, int] | None = None
    channels: int | None = None
    range: Range | None = None
    activation: ActivationName | None = None
    output: Literal["sigmoid", "tanh", "none"] | None = None
    classes: tuple[str, ...] = ()


class Fact(NamedTuple):
    """Something that the file cannot tell: what is taken meanwhile and why, and the option that says it."""

    name: str
    taken: str
    option: str


@dataclass(frozen=True)
class Opened:
    """A model of somebody else's, told from its files.

    Args:
        origin: who trains such models; a key of READERS.
        config: its layers; None for a program that has none that can be written down (TorchScript, ONNX).
        tensors: by our names: what `config.build().state_dict()` has, in any type of number and still mapped.
        told: how each fact was told from the file, a line each.
        missing: what the file cannot tell.
        warnings: what the user should know before they trust a picture, a line each.
        module: the codec itself, where there is no `config`.
    """

    origin: str
    config: AdoptedConfig | None
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    told: tuple[str, ...] = ()
    missing: tuple[Fact, ...] = ()
    warnings: tuple[str, ...] = ()
    module: nn.Module | None = None

    def record(self) -> dict[str, Any]:
        """What was told of the model, as plain values for JSON; a checkpoint that is adopted keeps them."""
        return {
            "origin": self.origin,
            "told": list(self.told),
            "missing": [fact._asdict() for fact in self.missing],
            "warnings": list(self.warnings),
        }


class Reader(NamedTuple):
    """One ecosystem.

    `recognise` says in a few words why these contents are its own, or "" that they are not; it is cheap and never
    raises. `read` makes the model, or raises FileFormatError (not whole, or not what it seemed) or CapabilityError
    (recognised, and something that latentlab has no layers for); both in one line that says what to do.
    """

    recognise: Callable[[Contents], str]
    read: Callable[[Contents, Claims], Opened]
