"""The directions file: one safetensors file that knows which checkpoint and which images it comes from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.directions.direction import Direction
from latentlab.errors import DataError, FileFormatError
from latentlab.files import write_bytes

FORMAT = 1
# One key, since safetensors keeps several in no fixed order and the same input shall give the same bytes.
HEADER = "latentlab.directions"
ARRAYS = ("vector", "mean_with", "mean_without", "readout")
AGAIN = "make it again with `latentlab attrs`"


@dataclass(frozen=True)
class DirectionsFile:
    """What a directions file holds.

    Args:
        directions: in the order in which they were written.
        checkpoint: the hash of the checkpoint that they belong to.
        data: the description of the images that they were found from.
        extra: what else the writer noted.
        version: the latentlab that wrote it.
    """

    directions: tuple[Direction, ...]
    checkpoint: str
    data: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""


def write_directions(
    path: Path,
    directions: Iterable[Direction],
    *,
    checkpoint: str,
    data: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write directions with their provenance; the same input gives the same bytes.

    Args:
        path: the file, by custom `directions.safetensors`.
        directions: with names of their own and finite vectors of one length.
        checkpoint: the hash of the checkpoint that they belong to.
        data: the description of the images that they were found from, as JSON values.
        extra: anything else to keep with them, as JSON values.

    Returns:
        The path.

    Raises:
        DataError: when two directions share a name, or a value is not finite.
        LatentlabError: when the file cannot be written.
    """
    from safetensors.numpy import save

    directions = list(directions)
    names = [direction.name for direction in directions]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"expected directions with names of their own, got {twice[0]!r} twice")
    arrays: dict[str, np.ndarray] = {}
    for direction in directions:
        for kind in ARRAYS:
            values = getattr(direction, kind)
            if values is not None:
                arrays[f"{kind}/{direction.name}"] = np.ascontiguousarray(values, dtype=np.float32)
    _check_arrays(arrays)
    record: dict[str, Any] = {
        "format": FORMAT,
        "version": _version(),
        "checkpoint": checkpoint,
        "data": dict(data or {}),
        "extra": dict(extra or {}),
        "directions": [_described(direction) for direction in directions],
    }
    record["digest"] = _digest(record, arrays)
    return write_bytes(Path(path), save(arrays, metadata={HEADER: _canonical(record)}))


def read_directions(path: Path, checkpoint: str | None = None) -> DirectionsFile:
    """Read a directions file, whole or not at all.

    Args:
        path: the file.
        checkpoint: the hash of the checkpoint that the directions are wanted for; None to take any.

    Returns:
        The directions with their provenance.

    Raises:
        FileFormatError: when the file is missing, cut short, edited, of another kind, written by a newer
            latentlab, or belongs to another checkpoint.
    """
    record, arrays = _read(Path(path))
    if record.get("format") != FORMAT:
        raise FileFormatError(
            f"{path} has format {record.get('format')!r}, expected {FORMAT}; upgrade latentlab, or {AGAIN}"
        )
    try:
        if record.pop("digest", None) != _digest(record, arrays):
            raise FileFormatError(f"{path} was changed after it was written; {AGAIN}")
        _check_arrays(arrays)
        directions = tuple(_restored(entry, arrays) for entry in record["directions"])
        stored = DirectionsFile(
            directions, str(record["checkpoint"]), dict(record["data"]), dict(record["extra"]), str(record["version"])
        )
    except (DataError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise FileFormatError(f"{path} is not a whole directions file ({error}); {AGAIN}") from error
    if checkpoint is not None and stored.checkpoint != checkpoint:
        raise FileFormatError(
            f"{path} holds directions of checkpoint {stored.checkpoint[:12]}, expected {checkpoint[:12]}; "
            "make them for this model with `latentlab attrs`"
        )
    return stored


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The record in the header and the arrays, as they stand in the file."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise FileFormatError(f"cannot read {path}: there is no such file")
    try:
        with safe_open(str(path), framework="numpy") as file:
            header = (file.metadata() or {}).get(HEADER)
            if header is None:
                raise FileFormatError(f"{path} is not a directions file of latentlab; expected one that `attrs` wrote")
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        record = json.loads(header)
    except (SafetensorError, OSError, ValueError, TypeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise FileFormatError(f"{path} is cut short or not a safetensors file ({reason}); {AGAIN}") from error
    if not isinstance(record, dict):
        raise FileFormatError(f"{path} is not a directions file of latentlab; expected one that `attrs` wrote")
    return record, arrays


def _described(direction: Direction) -> dict[str, Any]:
    return {
        "name": direction.name,
        "estimator": direction.estimator,
        "positives": direction.positives,
        "negatives": direction.negatives,
        "gap": direction.gap,
        "intercept": direction.intercept,
        "auc": direction.auc,
        "auc_interval": None if direction.auc_interval is None else list(direction.auc_interval),
        "probe_images": direction.probe_images,
    }


def _restored(entry: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Direction:
    name, interval = entry["name"], entry["auc_interval"]
    return Direction(
        name=name,
        vector=arrays[f"vector/{name}"],
        estimator=entry["estimator"],
        positives=int(entry["positives"]),
        negatives=int(entry["negatives"]),
        mean_with=arrays.get(f"mean_with/{name}"),
        mean_without=arrays.get(f"mean_without/{name}"),
        readout=arrays.get(f"readout/{name}"),
        intercept=float(entry["intercept"]),
        auc=None if entry["auc"] is None else float(entry["auc"]),
        auc_interval=None if interval is None else (float(interval[0]), float(interval[1])),
        probe_images=int(entry["probe_images"]),
    )


def _check_arrays(arrays: Mapping[str, np.ndarray]) -> None:
    """Every array is one latent: float32, finite, and as long as the others."""
    for key, values in arrays.items():
        if values.ndim != 1 or values.dtype != np.float32 or not np.isfinite(values).all():
            raise DataError(
                f"expected a finite float32 vector for {key}, got {values.dtype} of shape {values.shape}"
                + (" with NaN or infinity" if values.dtype.kind == "f" else "")
            )
    lengths = {len(values) for values in arrays.values()}
    if len(lengths) > 1:
        raise DataError(f"expected vectors of one length, got {sorted(lengths)}")


def _canonical(record: Mapping[str, Any]) -> str:
    try:
        return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DataError(f"expected provenance that JSON can hold, got {error}") from error


def _digest(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over the record and every array with its name, type and shape."""
    digest = hashlib.sha256(_canonical(record).encode())
    for key in sorted(arrays):
        values = arrays[key]
        digest.update(f"\0{key}\0{values.dtype.str}\0{values.shape}\0".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("latentlab")
    except PackageNotFoundError:
        return "uninstalled"
