"""What training needs to go on bit for bit: weights, optimizer, and how far it came, in one file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from latentlab.errors import FileFormatError
from latentlab.files import write_bytes
from latentlab.models import Model


@dataclass
class Position:
    """How far training came. Orders and noise follow from the recipe's seed and these numbers.

    Args:
        epoch: finished epochs.
        batch: finished batches of the epoch after those.
        step: finished steps in all.
        seconds: spent training so far.
        best: the lowest validation loss, and None before the first.
        sums: the running sums of this epoch's loss and parts.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seconds: float = 0.0
    best: float | None = None
    sums: dict[str, float] = field(default_factory=dict)


def write_state(path: Path, model: Model, optimizer: torch.optim.Optimizer, position: Position) -> None:
    """Write all that `read_state` needs, whole or not at all."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    state = optimizer.state_dict()["state"]
    for number, entries in state.items():
        tensors |= {f"optimizer.{number}.{key}": torch.as_tensor(value) for key, value in entries.items()}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_bytes(path, save(plain, {"position": json.dumps(vars(position))}))


def read_state(path: Path, model: Model, optimizer: torch.optim.Optimizer) -> Position:
    """Load weights and optimizer in place; returns how far training came.

    Raises:
        FileFormatError: when there is no state, it is cut short, or is of another model.
    """
    try:
        with safe_open(path, framework="pt") as file:
            position: dict[str, Any] = json.loads((file.metadata() or {})["position"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        weights = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
        model.load_state_dict(weights, strict=True)
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, number, key = name.split(".")
                state.setdefault(int(number), {})[key] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        return Position(**position)
    except OSError as error:
        raise FileFormatError(f"nothing to resume: cannot read {path}; train without --resume") from error
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise FileFormatError(f"cannot resume from {path} ({reason}); train without --resume") from error
