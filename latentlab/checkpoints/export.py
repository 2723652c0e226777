"""Models for other programs: state dicts, TorchScript and ONNX, each read back and compared before it is kept."""

from __future__ import annotations

import io
import json
import logging
import math
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from latentlab import schema
from latentlab.errors import CapabilityError, LatentlabError, first_line, unknown_name
from latentlab.files import write_bytes
from latentlab.models import ModelConfig
from latentlab.runtime import torch_generator

Format = Literal["onnx", "torchscript", "state-dict"]
# Pictures and latents of other arithmetic in the same precision differ by this much at most, of 1.
LARGEST_DIFFERENCE = 1e-3
# Images that are sent there and back, and every number below; a graph that holds for these holds for any.
ROWS = 3
NEEDS = "pip install 'latentlab[onnx]'"

# Images (n, c, h, w) to a mean and, where there is one, a log-variance; latents (n, d) to images.
Functions = tuple[Callable[[Tensor], Any], Callable[[Tensor], Tensor]]


class Exported(NamedTuple):
    """What was written, and by how much it differs from the model at most, in units of [0, 1]."""

    paths: list[Path]
    difference: float


class Encoder(nn.Module):
    """Images (n, c, h, w) in [0, 1] to a mean, or to a mean and a log-variance, of shape (n, d)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.spread = _tells_spread(model)

    def forward(self, x: Tensor) -> Any:
        if not self.spread:
            return self.model.encode(x)  # type: ignore[operator]
        posterior = self.model.posterior(x)  # type: ignore[operator]
        return posterior.mean, posterior.logvar


class Decoder(nn.Module):
    """Latents (n, d) to images (n, c, h, w) in [0, 1]."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, z: Tensor) -> Tensor:
        return self.model.decode(z)  # type: ignore[operator]


class Both(nn.Module):
    """Encoder and decoder as one module with functions `encode` and `decode`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(model), Decoder(model)

    def encode(self, x: Tensor) -> Any:
        """Images to a mean, and a log-variance where there is one."""
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        """Latents to images."""
        return self.decoder(z)


def export_model(model: Any, format: str, folder: Path) -> Exported:
    """Write a model for other programs, after reading it back and comparing what comes out of it.

    state-dict: `model.pt`, a table of tensors as `torch.load(…, weights_only=True)` reads it, and `model.json`, the
    configuration that the names belong to. torchscript: `model.pt`, a program with functions encode and decode. onnx:
    `encoder.onnx` and `decoder.onnx`, graphs for any number of images.

    Args:
        model: in evaluation mode, on the CPU.
        format: of `Format`.
        folder: where to; other files there are left alone.

    Raises:
        UnknownNameError: when the format is not known.
        CapabilityError: when the model cannot be written so, or what it needs is not installed.
        LatentlabError: when what was written is another model, or cannot be written.
    """
    if format not in EXPORTS:
        raise unknown_name("format", format, EXPORTS)
    images = torch.rand(ROWS, *model.image.shape, generator=torch_generator(0))
    with torch.inference_mode():
        files, functions = EXPORTS[format](model, images)
        try:
            # A trace takes every number that Python saw for a constant, such as that of the images.
            away = max(_difference(model, functions, images[:rows]) for rows in range(1, ROWS + 1))
        except Exception as error:
            # Whatever another program's interpreter raises.
            raise _refused(f"{format} for any number of images", error) from error
    if away > LARGEST_DIFFERENCE:
        raise LatentlabError(
            f"expected the {format} of this model to answer as the model does, got numbers that differ by {away:.2g}; "
            "nothing was written: use another --format"
        )
    return Exported([write_bytes(folder / name, content) for name, content in files.items()], away)


def _state_dict(model: Any, images: Tensor) -> tuple[dict[str, bytes], Functions]:
    if not isinstance(model.config, ModelConfig):
        raise CapabilityError(
            f"expected a model of layers to write as a state dict, got a program ({model.config.origin}), whose "
            "weights have no names of ours; use --format onnx"
        )
    written = io.BytesIO()
    torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}, written)
    config = schema.plain(model.config)
    written.seek(0)
    back = model.config.build().eval()
    back.load_state_dict(torch.load(written, weights_only=True), strict=True)
    files = {"model.pt": written.getvalue(), "model.json": (json.dumps(config, indent=2) + "\n").encode()}
    return files, (back.encode, back.decode)


def _torchscript(model: Any, images: Tensor) -> tuple[dict[str, bytes], Functions]:
    both = Both(model).eval()
    latents = model.encode(images)
    try:
        # With gradients allowed: tensors of inference cannot be kept in a program.
        with warnings.catch_warnings(), torch.inference_mode(mode=False), torch.no_grad():
            warnings.simplefilter("ignore")
            given = {"encode": images.clone(), "decode": latents.clone()}
            traced: Any = torch.jit.trace_module(both, given, check_trace=False)
            written = io.BytesIO()
            torch.jit.save(traced, written)
            written.seek(0)
            back: Any = torch.jit.load(written)
    except Exception as error:
        # The tracer raises whatever the model does not let it see.
        raise _refused("TorchScript", error) from error
    return {"model.pt": written.getvalue()}, (back.encode, back.decode)


def _onnx(model: Any, images: Tensor) -> tuple[dict[str, bytes], Functions]:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 (torch's exporter needs it)
    except ImportError as error:
        raise CapabilityError(f"expected onnxruntime and onnxscript for ONNX, got neither or one; {NEEDS}") from error
    latents = model.encode(images)
    graphs = {
        # Names that no operation of a graph has for its own.
        "encoder.onnx": (Encoder(model), images, "image", ("latent_mean", "latent_logvar")),
        "decoder.onnx": (Decoder(model), latents, "latent", ("image",)),
    }
    files, sessions = {}, []
    for name, (module, given, takes, gives) in graphs.items():
        files[name] = _graph(module.eval(), given, takes, gives)
        try:
            sessions.append(onnxruntime.InferenceSession(files[name], providers=["CPUExecutionProvider"]))
        except Exception as error:
            # Its own exceptions have no common base.
            raise _refused("ONNX", error) from error

    def run(session: Any, x: Tensor) -> Any:
        found = [torch.from_numpy(one) for one in session.run(None, {session.get_inputs()[0].name: x.numpy()})]
        return found if len(found) > 1 else found[0]

    return files, (lambda x: run(sessions[0], x), lambda z: run(sessions[1], z))


def _graph(module: nn.Module, given: Tensor, takes: str, gives: tuple[str, ...]) -> bytes:
    """One function as a file of ONNX."""
    chatter = logging.getLogger("torch.onnx")
    level = chatter.level
    chatter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.inference_mode(mode=False), torch.no_grad():
            warnings.simplefilter("ignore")
            made = module(given.clone())
            count = len(made) if isinstance(made, tuple) else 1
            program: Any = torch.onnx.export(
                module,
                (given.clone(),),
                dynamo=True,
                input_names=[takes],
                output_names=list(gives[:count]),
                dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
                verbose=False,
            )
        # Numbers of large models would lie in a second file beside a path; a buffer keeps them with the graph.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "graph.onnx"
            program.save(path, external_data=False)
            return path.read_bytes()
    except Exception as error:
        raise _refused("ONNX", error) from error
    finally:
        chatter.setLevel(level)


def _refused(what: str, error: Exception) -> CapabilityError:
    return CapabilityError(f"this model cannot be written as {what} ({first_line(error, 160)}); use another --format")


def _tells_spread(model: Any) -> bool:
    """Whether it has a posterior with one log-variance for each number of a latent."""
    try:
        with torch.inference_mode():
            return getattr(model.posterior(torch.zeros(1, *model.image.shape)), "logvar", None) is not None
    except (AttributeError, CapabilityError):
        return False


def _difference(model: Any, functions: Functions, images: Tensor) -> float:
    """By how much latents and pictures differ at most; infinite where their shape is another, or they are none."""
    encode, decode = functions
    latents, found = model.encode(images), encode(images)
    pairs = [
        (found[0] if isinstance(found, tuple | list) else found, latents),
        (decode(latents), model.decode(latents)),
    ]
    if any(torch.as_tensor(one).shape != two.shape for one, two in pairs):
        return math.inf
    away = [float((torch.as_tensor(one) - two).abs().max()) for one, two in pairs]
    return math.inf if any(map(math.isnan, away)) else max(away)


EXPORTS: dict[str, Callable[[Any, Tensor], tuple[dict[str, bytes], Functions]]] = {
    "onnx": _onnx,
    "torchscript": _torchscript,
    "state-dict": _state_dict,
}
assert set(EXPORTS) == set(get_args(Format))
