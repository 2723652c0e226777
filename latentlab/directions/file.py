"""The directions file: one safetensors file that knows which checkpoint and which images it comes from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.directions.direction import Direction
from latentlab.directions.record import READ_FORMATS, DirectionsFile, build_record, restore_record
from latentlab.errors import DataError, FileFormatError
from latentlab.files import write_bytes
from latentlab.statistics.covariance import Covariance

__all__ = ["DirectionsFile", "read_directions", "write_directions"]

# One key, since safetensors keeps several in no fixed order and the same input shall give the same bytes.
HEADER = "latentlab.directions"
AGAIN = "make it again with `latentlab attrs`"


def write_directions(
    path: Path,
    directions: Iterable[Direction],
    *,
    checkpoint: str,
    data: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    covariance: Covariance | None = None,
) -> Path:
    """Write a directions file, by custom `directions.safetensors`; the rest is as in `directions_bytes`.

    Returns:
        The path.

    Raises:
        DataError: when two directions share a name, or a value is not finite.
        LatentlabError: when the file cannot be written.
    """
    content = directions_bytes(directions, checkpoint=checkpoint, data=data, extra=extra, covariance=covariance)
    return write_bytes(Path(path), content)


def directions_bytes(
    directions: Iterable[Direction],
    *,
    checkpoint: str,
    data: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    covariance: Covariance | None = None,
) -> bytes:
    """The content of a directions file; the same input gives the same bytes.

    Args:
        directions: with names of their own and finite vectors of one length.
        checkpoint: the hash of the checkpoint that they belong to.
        data: the description of the images that they were found from, as JSON values; `fingerprint` by custom is that
            of `latents.fingerprint`.
        extra: anything else to keep with them, as JSON values.
        covariance: of the latents that they were found from; of more than 1024 dimensions only the variances are kept.

    Raises:
        DataError: when two directions share a name, or a value is not finite.
    """
    from safetensors.numpy import save

    record, arrays = build_record(list(directions), checkpoint, data, extra, covariance)
    record["digest"] = _digest(record, arrays)
    return save(arrays, metadata={HEADER: _canonical(record)})


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
    check_format(path, record)
    try:
        if record.pop("digest", None) != _digest(record, arrays):
            raise FileFormatError(f"{path} was changed after it was written; {AGAIN}")
        stored = restore_record(record, arrays)
    except (DataError, KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise FileFormatError(f"{path} is not a whole directions file ({error}); {AGAIN}") from error
    check_owner(path, stored.checkpoint, checkpoint)
    return stored


def check_format(path: Path, record: Mapping[str, Any]) -> None:
    """Refuse what a newer latentlab wrote.

    Raises:
        FileFormatError: naming the format.
    """
    if record.get("format") not in READ_FORMATS:
        raise FileFormatError(
            f"{path} has format {record.get('format')!r}, expected {READ_FORMATS[-1]} or less; "
            f"upgrade latentlab, or {AGAIN}"
        )


def check_owner(path: Path, got: str, wanted: str | None) -> None:
    """Refuse directions of another checkpoint.

    Raises:
        FileFormatError: naming both.
    """
    if wanted is not None and got != wanted:
        raise FileFormatError(
            f"{path} holds directions of checkpoint {got[:12] or 'unknown'}, expected {wanted[:12]}; "
            "make them for this model with `latentlab attrs`"
        )


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
