"""`--loader module:factory`: the one way in that runs the user's own code."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from latentlab.checkpoints.container import open_container
from latentlab.checkpoints.foreign.opened import Claims, Opened
from latentlab.checkpoints.foreign.program import Functions, open_program, weights_speak
from latentlab.checkpoints.native import differences
from latentlab.errors import CapabilityError, FileFormatError, LatentlabError, UsageError, first_line

EXPECTED = "expected --loader as module:factory or file.py:factory"


def open_with_loader(spec: str, path: Path, claims: Claims) -> Opened:
    """Run the user's factory, and make a codec of the module that it returns.

    A factory (a function, or the class itself) that needs no argument gives the module, and the weights in `path` are
    read into it, without unpickling and with strict names. One that needs an argument gets `path`, reads it as it
    likes, and may give a pair of modules, an encoder and a decoder.

    Args:
        spec: `module:factory`, found as Python finds modules from the current folder, or `file.py:factory`.
        path: the checkpoint.
        claims: what the user says of it.

    Raises:
        UsageError: when there is no such module or factory.
        CapabilityError: when the factory raises, or gives no module with encode and decode.
        FileFormatError: when the weights cannot be read, or are not the module's.
    """
    factory = _find(spec)
    takes_path = _takes_path(factory)
    try:
        made = factory(str(path)) if takes_path else factory()
    except LatentlabError:
        raise
    except Exception as error:
        raise CapabilityError(f"{spec} raised {type(error).__name__}: {first_line(error)}") from error
    functions = _functions(spec, made)
    if not takes_path:
        if not isinstance(made, nn.Module):
            raise CapabilityError(
                f"expected {spec} to take the path of the weights of its pair, got no argument for it"
            )
        _load_weights(made, path, spec)
    for part in (functions.encoder, functions.decoder):
        part.eval().requires_grad_(False)
    weights = "which read the file itself" if takes_path else f"and the weights are those of {path.name}, name by name"
    return open_program(
        "loader",
        functions,
        claims,
        told=(f"the module is what {spec} made, {weights}",),
        warned=(f"{spec} was run: it is Python code, which may do anything that you may do",),
    )


def _find(spec: str) -> Callable[..., Any]:
    name, colon, attribute = spec.rpartition(":")
    if not (colon and name and attribute.isidentifier()):
        raise UsageError(f"{EXPECTED}, got {spec!r}")
    try:
        with _from_here():
            module = _from_file(Path(name)) if name.endswith(".py") else importlib.import_module(name)
    except ImportError as error:
        raise UsageError(f"{EXPECTED}, got {spec!r}: {first_line(error)}") from error
    except Exception as error:
        # The module is the user's own, and may raise anything.
        what = f"{type(error).__name__}: {first_line(error)}"
        raise UsageError(f"{EXPECTED}, got {spec!r}, which cannot be imported: {what}") from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UsageError(
            f"{EXPECTED}, got no {attribute!r} in {name}; it has {', '.join(known[:8]) or 'nothing to call'}"
        )
    return factory


def _from_file(path: Path) -> Any:
    # A name of its own: a file called json.py is not to stand for Python's.
    name = f"latentlab_loaded_{path.stem}"
    outline = importlib.util.spec_from_file_location(name, path)
    if outline is None or outline.loader is None or not path.is_file():
        raise ImportError(f"there is no file {path}")
    module = importlib.util.module_from_spec(outline)
    # Dataclasses and pickles of the module look for it there.
    sys.modules[name] = module
    outline.loader.exec_module(module)
    return module


@contextmanager
def _from_here() -> Iterator[None]:
    """Modules of the current folder are found, as `python -m` finds them."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        if here in sys.path:
            sys.path.remove(here)


def _takes_path(factory: Callable[..., Any]) -> bool:
    """Whether it has to be given an argument."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [
        one
        for one in parameters
        if one.default is one.empty and one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    if len(needed) > 1:
        raise UsageError(
            f"expected a factory of no argument or of a path, got one that needs {len(needed)} "
            f"({', '.join(one.name for one in needed)}); write one that calls it"
        )
    return len(needed) == 1


def _functions(spec: str, made: Any) -> Functions:
    """The functions that encode and decode of what a factory made: a module, or a pair of modules."""
    pairs = [(made, "encode", made, "decode")] if _has(made, "encode", "decode") else []
    if isinstance(made, tuple | list) and len(made) == 2:
        pairs.append((made[0], "forward", made[1], "forward"))
    elif _has(made, "encoder", "decoder"):
        pairs.append((made.encoder, "forward", made.decoder, "forward"))
    for encoder, encode, decoder, decode in pairs:
        if isinstance(encoder, nn.Module) and isinstance(decoder, nn.Module):
            return Functions(
                Encoding(encoder, encode), "forward", Decoding(decoder, decode), "forward", weights_speak(encoder)
            )
    raise CapabilityError(
        f"expected {spec} to make an nn.Module with encode and decode, or an encoder and a decoder, got "
        f"{type(made).__name__}"
    )


def _has(made: Any, *names: str) -> bool:
    return all(callable(getattr(made, name, None)) for name in names)


class Encoding(nn.Module):
    """An encoder, whatever it wraps its mean and log-variance in: tensors, a distribution, or an output with names."""

    def __init__(self, module: nn.Module, method: str) -> None:
        super().__init__()
        self.module, self.method = module, method

    def forward(self, x: Tensor) -> Any:
        found = getattr(self.module, self.method)(x)
        if isinstance(found, Tensor | tuple | list) and not hasattr(found, "_fields"):
            return found
        # diffusers: an output whose `latent_dist` is the posterior; its latents where there is no posterior.
        for name in ("latent_dist", "latents", "latent"):
            found = getattr(found, name, found)
        if isinstance(found, torch.distributions.Independent):
            found = found.base_dist
        mean = _first(found, "mean", "mu", "embedding", "z_mean", "loc")
        logvar = _first(found, "logvar", "log_var", "log_covariance", "log_variance", "z_log_var")
        deviation = _first(found, "stddev", "std", "sigma", "scale")
        if mean is None:
            return found
        if logvar is None and deviation is not None:
            logvar = 2 * deviation.log()
        return mean if logvar is None else (mean, logvar)


class Decoding(nn.Module):
    """A decoder, whatever it wraps its images in."""

    def __init__(self, module: nn.Module, method: str) -> None:
        super().__init__()
        self.module, self.method = module, method

    def forward(self, z: Tensor) -> Any:
        found = getattr(self.module, self.method)(z)
        if isinstance(found, Tensor):
            return found
        if isinstance(found, tuple | list) and found and isinstance(found[0], Tensor):
            return found[0]
        # A distribution's `sample` is a method that draws, diffusers' is the picture.
        named = _first(found, "reconstruction", "recon_x", "sample", "probs", "mean", "x")
        return found if named is None else named


def _first(found: Any, *names: str) -> Tensor | None:
    """The first of some attributes or entries that is a tensor."""
    for name in names:
        value = found.get(name) if isinstance(found, dict) else getattr(found, name, None)
        if isinstance(value, Tensor):
            return value
    return None


def _load_weights(module: nn.Module, path: Path, spec: str) -> None:
    """Read the weights of a file into a module: every name has to be there, and no other."""
    contents = open_container(path)
    if not contents.tensors:
        raise CapabilityError(
            f"{path}: expected one file of weights for {spec}, got {len(contents.parts)}; "
            f"give the file, or let {spec.rpartition(':')[2]} take its path and read it"
        )
    wanted, got = (
        {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        for tensors in (module.state_dict(), contents.tensors)
    )
    if wrong := differences(wanted, got):
        raise FileFormatError(f"{path}: expected the weights of what {spec} makes, got {wrong}")
    module.load_state_dict(dict(contents.tensors), strict=True)
