"""Opens what somebody else has trained: its contents, the reader that knows them, and a model that runs."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from latentlab import schema
from latentlab.checkpoints.container import open_container
from latentlab.checkpoints.foreign import READERS
from latentlab.checkpoints.foreign.loader import open_with_loader
from latentlab.checkpoints.foreign.opened import Claims, Contents, Opened
from latentlab.checkpoints.native import Checkpoint, checkpoint_hash
from latentlab.errors import SHOWN_NAMES, CapabilityError, FileFormatError, LatentlabError, first_line
from latentlab.models import ModelConfig
from latentlab.models.adopted import Adopted

SHOWN_SHAPES = 6


def read_foreign(path: Path, claims: Claims | None = None, loader: str | None = None) -> Checkpoint:
    """A checkpoint of somebody else's; `about` says under "opened" what was told of it.

    Args:
        path: a file, or a folder.
        claims: what the user says of it.
        loader: `module:factory`, which is run to make the module; None reads the file alone.

    Raises:
        FileFormatError, CapabilityError: as `open_foreign`, and `loader.open_with_loader` with UsageError too.
    """
    if loader is None:
        opened, model = open_foreign(path, claims)
    else:
        opened = open_with_loader(loader, Path(path), claims or Claims())
        model = build_model(opened)
    return Checkpoint(model, partial(_digest, model, Path(path)), {"opened": opened.record()})  # type: ignore[arg-type]


def _digest(model: nn.Module, path: Path) -> str:
    """The hash that names a model: over its weights and layers, or over the files of a program.

    Raises:
        FileFormatError: when a file's own checksums do not agree: weights are mapped, and nobody has read them before.
    """
    config = schema.plain(model.config)
    files = [path] if path.is_file() else sorted(one for one in path.iterdir() if one.is_file())
    for file in files:
        _check_sums(file)
    if isinstance(model.config, ModelConfig):
        return checkpoint_hash(model.state_dict(), config)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for file in files:
        with open(file, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _check_sums(file: Path) -> None:
    """Refuse an archive, as torch writes them, in which a bit has changed."""
    if not zipfile.is_zipfile(file):
        return
    try:
        with zipfile.ZipFile(file) as archive:
            wrong = archive.testzip()
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise FileFormatError(f"{file}: {error}; it was cut short or changed") from error
    if wrong is not None:
        raise FileFormatError(f"{file}: the checksum of {wrong[:80]!r} does not agree; it was changed: fetch it again")


def open_foreign(path: Path, claims: Claims | None = None) -> tuple[Opened, nn.Module]:
    """A model of somebody else's from its files.

    Args:
        path: a file, or a folder.
        claims: what the user says of it.

    Returns:
        What was told, and the model in evaluation mode on the CPU.

    Raises:
        FileFormatError: when the files are not whole, or no reader knows them.
        CapabilityError: when a reader knows them and latentlab has no layers for what they hold.
    """
    contents = open_container(Path(path))
    opened = read_contents(contents, claims or Claims())
    try:
        return opened, build_model(opened)
    except LatentlabError as error:
        raise type(error)(f"{path}: {error}") from error


def read_contents(contents: Contents, claims: Claims) -> Opened:
    """What the first reader that recognises the contents makes of them.

    Raises:
        FileFormatError, CapabilityError: as `open_foreign`, with the path.
    """
    for reader in READERS.values():
        if reader.recognise(contents):
            try:
                return reader.read(contents, claims)
            except LatentlabError as error:
                where = str(contents.path)
                raise type(error)(str(error) if where in str(error) else f"{where}: {error}") from error
            except ValueError as error:
                # Layers and images refuse sizes that they cannot have.
                raise FileFormatError(f"{contents.path}: {error}; it was changed, or is of another kind") from error
    raise FileFormatError(
        f"{contents.path}: expected one of {', '.join(READERS)}, got {_found(contents)}; "
        "give --loader module:factory, which runs its author's code"
    )


def build_model(opened: Opened) -> nn.Module:
    """The model, its weights as they lie in the file where they are float32.

    Raises:
        FileFormatError: when its weights do not fit its layers, or its layers each other.
    """
    if opened.config is None:
        if opened.module is None:
            raise CapabilityError(f"{opened.origin}: expected layers or a program, got neither")
        return opened.module.eval().requires_grad_(False)
    # Without memory: a file may claim any size, and only the numbers that lie in it may cost any.
    with torch.device("meta"):
        outline = opened.config.build().eval()
    weights = _fitting(outline.state_dict(), opened)
    check_shapes(outline, opened.origin)
    outline.load_state_dict(weights, strict=True, assign=True)
    return outline.eval().requires_grad_(False)


def check_shapes(outline: Any, origin: str) -> None:
    """Send an image without numbers there and back.

    Raises:
        FileFormatError: when the layers do not fit each other, the image or the latent.
    """
    try:
        with torch.no_grad(), _NormsKeepShapes():
            image = torch.empty((1, *outline.image.shape), device="meta")
            if isinstance(outline, Adopted) and outline.to_logvar is not None:
                # Both at once: a pass without numbers is most of what opening a large model costs.
                posterior = outline.posterior(image)
                z, spread = posterior.mean, posterior.logvar
            else:
                z = spread = outline.encode(image)
            back = outline.decode(torch.empty((1, outline.latent.size), device="meta"))
        wrong = {z.shape, spread.shape} != {(1, outline.latent.size)} or back.shape != image.shape
    except (RuntimeError, ValueError, TypeError, NotImplementedError, IndexError) as error:
        raise FileFormatError(f"{origin}: its layers do not fit together ({first_line(error, 160)})") from error
    if wrong:
        raise FileFormatError(
            f"{origin}: expected {outline.image} in and out and latents of {outline.latent.size}, got images "
            f"of {tuple(back.shape[1:])} and latents of {tuple(z.shape[1:])}; give --image-size, or --loader"
        )


class _NormsKeepShapes(TorchFunctionMode):
    """Without numbers, torch takes a normalisation over groups apart in Python, which costs more than all the rest."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not functional.group_norm:
            return func(*args, **(kwargs or {}))
        x, weight = args[0], (kwargs or {})["weight"]
        if x.shape[1] != len(weight):
            raise RuntimeError(f"expected {len(weight)} channels to normalise, got {x.shape[1]}")
        return x


def _fitting(wanted: Mapping[str, Tensor], opened: Opened) -> dict[str, Tensor]:
    """The weights as the layers have them: of their type, and in one piece."""
    for name in (*wanted.keys() - opened.tensors.keys(), *opened.tensors.keys() - wanted.keys()):
        raise FileFormatError(f"{opened.origin}: {name} is missing or left over; the file is not whole")
    weights = {}
    for name, outline in wanted.items():
        tensor = opened.tensors[name]
        if tensor.shape != outline.shape:
            raise FileFormatError(
                f"{opened.origin}: expected {name} of shape {tuple(outline.shape)}, got {tuple(tensor.shape)}"
            )
        weights[name] = tensor.to(outline.dtype).contiguous()
    return weights


def _found(contents: Contents) -> str:
    """What lies there, as a message shows it."""
    listed = []
    for part in contents.parts:
        shapes = [
            f"{name[:60]!r} {'×'.join(map(str, tensor.shape))}"
            for name, tensor in list(part.tensors.items())[:SHOWN_SHAPES]
        ]
        more = f" and {len(part.tensors) - SHOWN_SHAPES} more" if len(part.tensors) > SHOWN_SHAPES else ""
        listed.append(f"{part.container} with {', '.join(shapes) + more if shapes else 'no tensors'}")
    tables = f"; tables {', '.join(contents.json)}" if contents.json else ""
    return ("; ".join(listed) + tables)[: SHOWN_NAMES * 40]
