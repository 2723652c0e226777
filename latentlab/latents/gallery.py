"""The gallery of a run: latents of test images in one small file, so that commands need no data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from latentlab.errors import DataError, FileFormatError
from latentlab.files import write_bytes
from latentlab.latents.table import Latents

FORMAT = "latentlab-gallery"


def write_gallery(path: Path, latents: Latents, checkpoint: str) -> Path:
    """Write a table of latents that belongs to the checkpoint of the given hash."""
    from safetensors.numpy import save

    arrays = {"mean": latents.mean}
    optional = {"logvar": latents.logvar, "labels": latents.labels, "loss": latents.loss}
    arrays |= {name: column for name, column in optional.items() if column is not None}
    arrays |= {f"attribute.{name}": np.asarray(column, np.float32) for name, column in latents.attributes.items()}
    header = {
        "format": FORMAT, "checkpoint": checkpoint, "split": latents.split,
        "classes": list(latents.classes), "ids": [str(name) for name in latents.ids],
        "thresholds": dict(latents.thresholds),
    }  # fmt: skip
    contiguous = {name: np.ascontiguousarray(column) for name, column in arrays.items()}
    return write_bytes(path, save(contiguous, {"latentlab": json.dumps(header, sort_keys=True)}))


def read_gallery(path: Path, checkpoint: str) -> Latents:
    """Read the gallery of a checkpoint.

    Raises:
        FileFormatError: when it is cut short, foreign, or belongs to another checkpoint.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {}).get("latentlab", "null"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (OSError, SafetensorError, ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise FileFormatError(f"{path}: cannot be read as a gallery ({reason}); it was cut short or edited") from error
    if not isinstance(header, dict) or header.get("format") != FORMAT or "mean" not in arrays:
        raise FileFormatError(f"{path}: expected a {FORMAT}, got something else")
    if header.get("checkpoint") != checkpoint:
        raise FileFormatError(
            f"{path}: expected the gallery of checkpoint {checkpoint[:12]}, got that of "
            f"{str(header.get('checkpoint'))[:12]}; take the gallery that lies beside the checkpoint"
        )
    attributes = {
        name.removeprefix("attribute."): column for name, column in arrays.items() if name.startswith("attribute.")
    }
    try:
        return Latents(
            mean=arrays["mean"],
            logvar=arrays.get("logvar"),
            ids=np.array(header["ids"], dtype=str),
            split=str(header["split"]),
            classes=tuple(map(str, header["classes"])),
            labels=arrays.get("labels"),
            attributes=attributes,
            loss=arrays.get("loss"),
            # Galleries did not always have them.
            thresholds={str(name): float(value) for name, value in dict(header.get("thresholds", {})).items()},
        )
    except (DataError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise FileFormatError(f"{path}: is not a whole gallery ({error}); it was edited") from error
