"""Directions for other programs, and from them: JSON with all that is known, .npy with the vectors alone."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from latentlab.directions.direction import Direction
from latentlab.directions.file import check_format, check_owner, read_directions, write_directions
from latentlab.directions.record import ARRAYS, CENTER, MATRIX, VARIANCE, DirectionsFile, build_record, restore_record
from latentlab.errors import DataError, FileFormatError, UsageError
from latentlab.files import read_json, write_bytes, write_json
from latentlab.statistics.covariance import Covariance

SUFFIXES = (".safetensors", ".json", ".npy")
KIND = "latentlab-directions"
COVARIANCE = {"center": CENTER, "matrix": MATRIX, "variance": VARIANCE}
# So many digits bring any float32 back exactly.
DIGITS = 9
# Of a direction that says nothing of itself.
IMPORTED = "imported"


def export_directions(
    path: Path,
    directions: Iterable[Direction],
    *,
    checkpoint: str,
    data: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    covariance: Covariance | None = None,
) -> list[Path]:
    """Write directions in the form that the suffix of the path names.

    `.safetensors` is the directions file; `.json` says the same in text; `.npy` is one array of shape (k, d), with a
    `.json` of all the rest beside it.

    Args:
        path: the file; its suffix is one of `.safetensors`, `.json`, `.npy`.
        directions, checkpoint, data, extra, covariance: as in `write_directions`.

    Returns:
        The files that were written.

    Raises:
        UsageError: for another suffix.
        DataError: as in `write_directions`; and for `.npy` when there is no direction, or another `.json` beside it.
        LatentlabError: when a file cannot be written.
    """
    path, directions = Path(path), list(directions)
    suffix = check_suffix(path)
    record, arrays = build_record(directions, checkpoint, data, extra, covariance)
    if suffix == ".safetensors":
        written = write_directions(
            path, directions, checkpoint=checkpoint, data=data, extra=extra, covariance=covariance
        )
        return [written]
    if suffix == ".json":
        return [_write_json(path, record, arrays)]
    if not directions:
        raise DataError("expected at least one direction to write as an array, got none")
    named = path.with_suffix(".json")
    if named.is_file() and _kind(named) != KIND:
        raise DataError(f"expected {named} to be free for what the vectors mean, got another file there; choose a name")
    content = io.BytesIO()
    np.save(content, np.stack([arrays[f"vector/{direction.name}"] for direction in directions]), allow_pickle=False)
    beside = _write_json(named, record, arrays)
    return [write_bytes(path, content.getvalue()), beside]


def check_suffix(path: Path) -> str:
    """The suffix of a file of directions.

    Raises:
        UsageError: when it is none that can be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"expected a file that ends in {', '.join(SUFFIXES)}, got {Path(path).name!r}; name it so")
    return suffix


def read_vectors(
    path: Path, checkpoint: str | None = None, size: int | None = None, names: Sequence[str] | None = None
) -> DirectionsFile:
    """Read directions by the suffix of their file: `.json`, `.npy`, anything else as a directions file.

    A `.npy` is one vector (d,) or several (k, d). Their names are `names`, or those in a `.json` beside it (a list, or
    what `export_directions` wrote), or else made of the file's name. It says nothing of its checkpoint, unless the
    `.json` does: what comes back carries a note of that.

    Args:
        path: the file.
        checkpoint: the hash of the checkpoint that the directions are wanted for; None to take any.
        size: d of the model; None to take any.
        names: of the vectors of a `.npy`.

    Returns:
        The directions with what the file says of their provenance.

    Raises:
        FileFormatError: when the file is missing, not whole, of another kind, of another size, or says that it belongs
            to another checkpoint.
        UsageError: when there are names for another kind of file.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if names is not None and suffix != ".npy":
        raise UsageError(f"expected names for the vectors of a .npy only, got them for {path.name}, which has its own")
    if suffix == ".npy":
        stored = _read_npy(path, checkpoint, names)
    elif suffix == ".json":
        stored = _read_json(path, checkpoint)
    else:
        stored = read_directions(path, checkpoint)
    lengths = {len(direction.vector) for direction in stored.directions}
    if size is not None and not lengths <= {size}:
        raise FileFormatError(
            f"{path} holds vectors of {lengths.pop()} dimensions, expected {size} as in this model; "
            "take the file that was made for it"
        )
    return stored


def _write_json(path: Path, record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Path:
    """The record with the arrays where they belong."""
    entries = [
        entry | {kind: _digits(arrays[key]) for kind in ARRAYS if (key := f"{kind}/{entry['name']}") in arrays}
        for entry in record["directions"]
    ]
    covariance = record["covariance"]
    if covariance is not None:
        covariance = covariance | {name: _digits(arrays[key]) for name, key in COVARIANCE.items() if key in arrays}
    try:
        return write_json(path, {"kind": KIND, **record, "covariance": covariance, "directions": entries})
    except (TypeError, ValueError) as error:
        raise DataError(f"expected provenance that JSON can hold, got {error}") from error


def _read_json(path: Path, checkpoint: str | None) -> DirectionsFile:
    record = read_json(path)
    if not isinstance(record, dict) or record.get("kind") != KIND:
        raise FileFormatError(f"{path} is not directions in JSON; expected what latentlab exported ({KIND!r})")
    check_format(path, record)
    arrays: dict[str, np.ndarray] = {}
    try:
        for entry in record["directions"]:
            entry.setdefault("estimator", IMPORTED)
            arrays |= {f"{kind}/{entry['name']}": _vector(entry[kind]) for kind in ARRAYS if entry.get(kind)}
        covariance = record.get("covariance") or {}
        arrays |= {key: _vector(covariance[name]) for name, key in COVARIANCE.items() if name in covariance}
        stored = restore_record({"data": {}, "extra": {}, **record}, arrays)
        if stored.covariance is not None:
            # What cannot be inverted is better refused here than where it is used.
            stored.covariance.distance(stored.covariance.center[None])
    except (DataError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise FileFormatError(f"{path} is not whole ({error!s}); export it again") from error
    check_owner(path, stored.checkpoint, checkpoint)
    return stored


def _kind(path: Path) -> Any:
    """What a JSON file says that it is; None where it says nothing."""
    try:
        said = read_json(path)
    except FileFormatError:
        return None
    return said.get("kind") if isinstance(said, dict) else None


def _read_npy(path: Path, checkpoint: str | None, names: Sequence[str] | None) -> DirectionsFile:
    if not path.is_file():
        raise FileFormatError(f"cannot read {path}: there is no such file")
    try:
        # Never unpickled: an array of objects is refused.
        values = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, MemoryError) as error:
        reason = " ".join(str(error).split())
        raise FileFormatError(f"{path} is cut short or not a .npy of numbers ({reason}); save it again") from error
    if not isinstance(values, np.ndarray) or values.ndim not in (1, 2) or values.dtype.kind not in "fiu":
        kind = f"{values.dtype} of shape {values.shape}" if isinstance(values, np.ndarray) else "several arrays"
        raise FileFormatError(f"{path}: expected numbers of shape (d,) or (k, d), got {kind}; save one row a vector")
    with np.errstate(over="ignore"):
        vectors = np.atleast_2d(values).astype(np.float32)
    if not vectors.size or not np.isfinite(vectors).all():
        raise FileFormatError(f"{path}: expected finite vectors, got NaN, infinity or nothing; save it again")
    said = _beside(path.with_suffix(".json"))
    owner = said.get("checkpoint") or ""
    if owner:
        check_owner(path, owner, checkpoint)
    found = list(names) if names is not None else said.get("names")
    notes = []
    if not owner:
        notes.append(f"{path.name} does not say which model its vectors are for; nothing checks that it is this one")
    if found is None:
        found = [path.stem] if len(vectors) == 1 else [f"{path.stem}_{row + 1}" for row in range(len(vectors))]
        called = ", ".join(found[:3]) + (", …" if len(found) > 3 else "")
        notes.append(f"{path.name} has no names for its vectors; they are called {called}")
    if len(found) != len(vectors) or len(set(found)) < len(found):
        raise FileFormatError(
            f"{path}: expected a name of its own for each of {len(vectors)} vectors, got {len(found)}: "
            f"{', '.join(found[:8])}; give one a row"
        )
    directions = tuple(
        Direction(name=name, vector=vector, estimator=IMPORTED) for name, vector in zip(found, vectors, strict=True)
    )
    return DirectionsFile(directions, owner, notes=tuple(notes))


def _beside(path: Path) -> dict[str, Any]:
    """The names and the checkpoint that the .json beside a .npy gives, as far as it does."""
    if not path.is_file():
        return {}
    said = read_json(path)
    listed = said.get("names", said.get("directions")) if isinstance(said, dict) else said
    if not isinstance(listed, list):
        raise FileFormatError(f"{path}: expected the names of the vectors beside it, as a list, got something else")
    names = [entry.get("name") if isinstance(entry, dict) else entry for entry in listed]
    if not all(isinstance(name, str) and name for name in names):
        raise FileFormatError(f"{path}: expected names as texts, got {names[:3]}")
    return {"names": names, "checkpoint": str(said.get("checkpoint") or "") if isinstance(said, dict) else ""}


def _digits(values: np.ndarray) -> Any:
    """Nested lists of numbers that are as short as they can be and still give back the same float32."""
    if values.ndim > 1:
        return [_digits(row) for row in values]
    return [float(f"{value:.{DIGITS}g}") for value in values.tolist()]


def _vector(values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise DataError(f"expected numbers, got {array.dtype}")
    with np.errstate(over="ignore"):
        return array.astype(np.float32)
