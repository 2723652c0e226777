"""Which precision a page carries a decoder in, and what it carries."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.errors import CapabilityError, DataError
from latentlab.report.live.interpret import as_array, run
from latentlab.report.live.program import Program
from latentlab.report.live.weight import PRECISIONS, Filled, fill

# The largest difference from torch's own pictures, at any pixel.
LARGEST_ERROR = 0.02
# Below this many parameters half precision costs a page less than it is worth to doubt.
LEAST_FOR_INT8 = 1_000_000
CHUNK = 16
KERNELS = Path(__file__).parent / "kernels.wasm"


@dataclass(frozen=True)
class Live:
    """A decoder as a page carries it.

    Args:
        filled: the program with its numbers.
        precision: of its large weights: int8, float16 or float32.
        error: the largest difference from torch's own pictures that was measured, at any pixel.
        parameters: how many weights it has.
        z: a latent of shape (d,) to check it with.
        condition: of the check, where the model has one: (1,) for a class, or (k,).
        image: torch's own picture of `z`, of shape (c, h, w).
    """

    filled: Filled
    precision: str
    error: float
    parameters: int
    z: np.ndarray
    condition: np.ndarray | None
    image: np.ndarray

    def data(self) -> dict[str, Any]:
        """What the page's runtime reads: JSON values, with bytes in base64."""
        check: dict[str, Any] = {"z": [float(value) for value in self.z], "image": _text(self.image)}
        if self.condition is not None:
            check["condition"] = [float(value) for value in self.condition]
        return {
            "program": self.filled.json,
            "weights": base64.b64encode(self.filled.blob).decode("ascii"),
            "kernels": base64.b64encode(KERNELS.read_bytes()).decode("ascii"),
            "check": check,
            "precision": self.precision,
            "error": self.error,
            "parameters": self.parameters,
        }


def choose(program: Program, codec: Any, latents: Any, condition: Any = None) -> Live:
    """Fill a program in the smallest precision whose pictures are those of the codec.

    int8 where no pixel is off by more than .02, else float16, and float32 where even that is; under a million
    parameters float16 at once.

    Args:
        program: of the codec's decoder.
        codec: in evaluation mode, on any device.
        latents: where it is measured, of shape (n, d); the first is the page's own check.
        condition: for a conditional model the class (n,) or attributes (n, k) of each; every class in turn, or every
            attribute on and off, where it is not given.

    Raises:
        DataError: when there is no latent.
        CapabilityError: when not even float32 gives the codec's pictures.
    """
    z = as_array(latents)
    if z.ndim != 2 or len(z) < 1:
        raise DataError(f"expected latents of shape (n, {program.latent}), got {z.shape}")
    told = _conditions(program, len(z), condition)
    wanted = _pictures(codec, z, told)
    state = codec.state_dict()
    for precision in PRECISIONS[program.parameters < LEAST_FOR_INT8 :]:
        filled = fill(program, state, precision)
        error = _error(filled, z, told, wanted)
        if error <= LARGEST_ERROR:
            first = None if told is None else np.atleast_1d(told[0])
            return Live(filled, precision, error, program.parameters, z[0], first, wanted[0])
    raise CapabilityError(
        f"live decoder: expected pictures within {LARGEST_ERROR} of the model's, got {error:.3g}; the page shows "
        "pictures that are made beforehand"
    )


def _conditions(program: Program, rows: int, condition: Any) -> np.ndarray | None:
    entry = program.condition
    if entry is None:
        return None
    is_class = entry["kind"] == "class"
    if condition is not None:
        return as_array(condition).astype(np.int64 if is_class else np.float32)
    if is_class:
        return np.arange(rows) % entry["size"]
    return ((np.arange(rows)[:, None] + np.arange(entry["size"])) % 2).astype(np.float32)


def _pictures(codec: Any, z: np.ndarray, condition: np.ndarray | None) -> np.ndarray:
    """The codec's own pictures, float32 of shape (n, c, h, w)."""
    import torch

    weight = next(iter(codec.state_dict().values()), torch.zeros(()))
    pictures = []
    with torch.no_grad():
        for start in range(0, len(z), CHUNK):
            rows = slice(start, start + CHUNK)
            given = [torch.from_numpy(z[rows]).to(weight.device)]
            if condition is not None:
                given.append(torch.from_numpy(condition[rows]).to(weight.device))
            pictures.append(codec.decode(*given).float().cpu().numpy())
    return np.concatenate(pictures)


def _error(filled: Filled, z: np.ndarray, condition: np.ndarray | None, wanted: np.ndarray) -> float:
    """The largest difference at any pixel; infinite where a picture has no number."""
    worst = 0.0
    for start in range(0, len(z), CHUNK):
        rows = slice(start, start + CHUNK)
        got = run(filled, z[rows], None if condition is None else condition[rows])
        error = np.abs(got - wanted[rows]).max()
        worst = max(worst, float(error) if np.isfinite(error) else np.inf)
    return worst


def _text(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")
