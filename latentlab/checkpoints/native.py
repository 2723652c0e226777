"""latentlab's own checkpoint: one .safetensors file whose header carries the whole configuration.

The hash that names a checkpoint is over its tensors and its model configuration, so that everything that belongs to
a model (directions, a gallery, scores) can say which one, and be refused with another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from latentlab import schema
from latentlab.errors import CapabilityError, FileFormatError, listed
from latentlab.files import write_bytes
from latentlab.models import Model, ModelConfig

FORMAT = "latentlab-checkpoint"
VERSION = 1

# A header names every weight and carries the configuration; the largest network that a recipe can ask for has half.
LONGEST_HEADER = 4_000_000
SHOWN_PROBLEMS = 5


@dataclass(frozen=True)
class Checkpoint:
    """A model as it came from a file.

    Args:
        model: in evaluation mode, on the CPU.
        digest: gives its hash.
        about: what training wrote of itself: name, data, seed, epoch, versions; of a model that was trained elsewhere
            what was told of it (`foreign.opened.Opened.record`).
    """

    model: Model
    digest: Callable[[], str]
    about: Mapping[str, Any]

    @cached_property
    def hash(self) -> str:
        """64 hexadecimal digits over tensors and configuration, which are counted when they are asked for."""
        return self.digest()


def checkpoint_hash(tensors: Mapping[str, torch.Tensor], config: Mapping[str, Any]) -> str:
    """SHA-256 over the model configuration and every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_checkpoint(path: Path, model: Model, about: Mapping[str, Any]) -> str:
    """Write a model, whole or not at all; returns its hash.

    Raises:
        LatentlabError: when the file cannot be written; what stood there before is untouched.
        CapabilityError: when the model is a program, which has no layers that could be written down.
    """
    if not isinstance(model.config, ModelConfig):
        raise CapabilityError(
            f"expected a model of layers to write as a checkpoint, got a program ({model.config.origin}); "
            "open its own file each time, or adopt the weights that it was exported from"
        )
    # A fresh layout: channels-last weights are a matter of speed, not of the model.
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    config = schema.plain(model.config)
    name = checkpoint_hash(tensors, config)
    header = {"format": FORMAT, "version": VERSION, "hash": name, "model": config, "about": dict(about)}
    write_bytes(path, save(tensors, {"latentlab": json.dumps(header, sort_keys=True)}))
    return name


def read_header(path: Path) -> dict[str, Any]:
    """The header of a checkpoint, without its weights.

    Raises:
        FileFormatError: when the file is missing, cut short, or not a latentlab checkpoint.
    """
    try:
        _check_length(path)
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("latentlab")
    except OSError as error:
        raise FileFormatError(f"cannot read {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise FileFormatError(
            f"{path} is not a whole safetensors file ({error}); it was cut short or is of another kind"
        ) from error
    if text is None:
        raise FileFormatError(f"{path} is a safetensors file without latentlab's header; expected one that train wrote")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{path}: its header is not JSON ({error}); it was edited") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise FileFormatError(f"{path}: expected a {FORMAT}, got {_kind(header)}; give the model's checkpoint")
    if header.get("version") != VERSION:
        raise FileFormatError(
            f"{path}: expected checkpoint version {VERSION}, got {header.get('version')!r}; a newer latentlab wrote it"
        )
    return header


def read_checkpoint(path: Path) -> Checkpoint:
    """Open a checkpoint: strict keys and shapes, and the hash has to agree.

    Raises:
        FileFormatError: when it is cut short, foreign, edited, or does not fit its own configuration.
    """
    header = read_header(path)
    config, problems = schema.read(ModelConfig, header.get("model"), "model")  # type: ignore[arg-type]
    if config is None:
        more = f"; and {len(problems) - SHOWN_PROBLEMS} more" if len(problems) > SHOWN_PROBLEMS else ""
        raise FileFormatError(f"{path}: {'; '.join(problems[:SHOWN_PROBLEMS])}{more}; the header was edited")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError) as error:
        raise FileFormatError(f"{path}: its tensors cannot be read ({error}); it was cut short") from error
    model = _empty(config, tensors, path)
    found = checkpoint_hash(tensors, schema.plain(config))
    if found != header.get("hash"):
        raise FileFormatError(
            f"{path}: expected hash {str(header.get('hash'))[:12]}, got {found[:12]}; it was changed after training"
        )
    model.load_state_dict(tensors, strict=True, assign=True)
    about = header.get("about")
    return Checkpoint(model.eval().requires_grad_(False), lambda: found, about if isinstance(about, dict) else {})


def is_native(path: Path) -> bool:
    """Whether a file's first bytes are those of a checkpoint of latentlab's own, whole or not.

    Raises:
        FileFormatError: when it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            return FORMAT.encode() in file.read(min(length, LONGEST_HEADER))
    except OSError as error:
        raise FileFormatError(f"cannot read {path}: {error.strerror or error}") from error


def _check_length(path: Path) -> None:
    """Refuse a header of a length that no checkpoint has, before anything is made of it.

    Raises:
        OSError: when the file cannot be read.
        FileFormatError: when its first eight bytes claim more than `LONGEST_HEADER`.
    """
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > LONGEST_HEADER:
        raise FileFormatError(
            f"{path}: expected a checkpoint with a header of at most {LONGEST_HEADER} bytes, got one of {length}; "
            "it is of another kind"
        )


def _empty(config: Any, tensors: Mapping[str, torch.Tensor], path: Path) -> Model:
    """A model of this configuration without weights, after checking that these tensors are its weights."""
    # Built without memory: a header may claim any size, and only the tensors that are there may cost any.
    try:
        with torch.device("meta"):
            outline = config.build()
    except (ValueError, RuntimeError, OverflowError) as error:
        raise FileFormatError(f"{path}: {str(error).splitlines()[0]}; the header was edited") from error
    wanted = {name: tuple(tensor.shape) for name, tensor in outline.state_dict().items()}
    got = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if wanted == got:
        for name, tensor in outline.state_dict().items():
            if tensors[name].dtype != tensor.dtype:
                raise FileFormatError(f"{path}: expected {name} as {tensor.dtype}, got {tensors[name].dtype}")
        return outline
    raise FileFormatError(f"{path}: expected the weights of its own configuration, got {differences(wanted, got)}")


def differences(wanted: Mapping[str, tuple[int, ...]], got: Mapping[str, tuple[int, ...]]) -> str:
    """Which weights are missing, unexpected, or of another shape, in words; "" where all are as they should be.

    Args:
        wanted: the shape of each by its name.
        got: likewise.
    """
    wrong = {
        "missing": sorted(wanted.keys() - got.keys()),
        "unexpected": sorted(got.keys() - wanted.keys()),
        "of another shape": sorted(name for name in wanted.keys() & got.keys() if wanted[name] != got[name]),
    }
    return "; ".join(f"{why}: {listed(names)}" for why, names in wrong.items() if names)


def _kind(header: object) -> str:
    named = header.get("format") if isinstance(header, dict) else None
    return repr(named) if named else "something else"
