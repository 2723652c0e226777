"""What training needs to go on bit for bit: weights, optimizer, and how far it came, in one file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from latentlab import schema
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
            position = json.loads((file.metadata() or {})["position"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        weights = {name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")}
        model.load_state_dict(weights, strict=True)
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, number, key = name.split(".")
                state.setdefault(int(number), {})[key] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        _like_weights(optimizer)
        return _position(position)
    except OSError as error:
        raise FileFormatError(
            f"nothing to resume: cannot read {path}; train without --resume into another folder"
        ) from error
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise FileFormatError(f"cannot resume from {path} ({reason}); train without --resume") from error


def _like_weights(optimizer: torch.optim.Optimizer) -> None:
    """Lay the optimizer's moments out in memory as the weights lie: the fused step goes through both as they lie."""
    for group in optimizer.param_groups:
        for weight in group["params"]:
            moments = optimizer.state[weight]
            for key in moments.keys() - {"step"}:
                moments[key] = torch.empty_like(weight, requires_grad=False).copy_(moments[key].reshape(weight.shape))


def _position(data: object) -> Position:
    position, problems = schema.read(Position, data)
    if position is None:
        raise ValueError("; ".join(problems))
    return position
