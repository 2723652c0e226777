"""live.json: a live program beside the checkpoint that has its weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentlab.errors import FileFormatError
from latentlab.files import read_json, write_text
from latentlab.report.live.operation import LARGEST, MOST_VALUES, check_program
from latentlab.report.live.program import LAYOUTS, MOST_CONSTANTS, VERSION, Norm, Program, Weight

FORMAT = "latentlab-live-program"
KEYS = {"format", "version", "checkpoint", "inputs", "output", "ops", "weights", "digest"}
WEIGHT_KEYS = {"from", "layout", "norm", "value", "rows", "columns"}
NORM_KEYS = {"weight", "bias", "mean", "var", "eps"}
LONGEST_FILE = 8_000_000
LONGEST_NAME = 500
AGAIN = "make it again with `latentlab train`, or take the one that was written with the checkpoint"


def write_program(path: Path, program: Program, checkpoint_hash: str) -> Path:
    """Write a program, by custom `live.json`, whole or not at all; the same input gives the same bytes.

    Args:
        path: the file.
        program: as traced.
        checkpoint_hash: of the checkpoint that has its weights.

    Raises:
        LatentlabError: when the file cannot be written.
    """
    record = {
        "format": FORMAT,
        "checkpoint": checkpoint_hash,
        **program.graph(),
        "weights": [_weight_record(weight) for weight in program.weights],
    }
    return write_text(Path(path), _canonical({**record, "digest": _digest(record)}) + "\n")


def read_program(path: Path, checkpoint_hash: str) -> Program:
    """Read a program, strictly: known fields only, and sizes that hold together.

    Args:
        path: the file.
        checkpoint_hash: of the checkpoint that it is wanted for.

    Raises:
        FileFormatError: when it is missing, cut short, edited, of a newer latentlab, or of another checkpoint.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise FileFormatError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    if size > LONGEST_FILE:
        raise FileFormatError(f"{path}: expected a live program of at most {LONGEST_FILE} bytes, got {size}; {AGAIN}")
    record = read_json(path)
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise FileFormatError(f"{path}: expected a {FORMAT}, got something else; {AGAIN}")
    if record.get("version") != VERSION:
        got = str(record.get("version"))[:20]
        raise FileFormatError(f"{path}: expected version {VERSION} of a live program, got {got}; upgrade latentlab")
    owner = record.get("checkpoint")
    if owner != checkpoint_hash:
        raise FileFormatError(
            f"{path}: expected the program of checkpoint {checkpoint_hash[:12]}, got that of {str(owner)[:12]}; {AGAIN}"
        )
    try:
        if record.keys() != KEYS or record.pop("digest") != _digest(record):
            raise ValueError("it was changed after it was written")
        program = _restore(record)
        check_program(program)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise FileFormatError(f"{path} is not a whole live program ({error}); {AGAIN}") from error
    return program


def _canonical(record: Mapping[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(record).encode()).hexdigest()


def _weight_record(weight: Weight) -> dict[str, Any]:
    norm = weight.norm
    return {
        "from": weight.source,
        "layout": weight.layout,
        "norm": norm and {key: getattr(norm, key) for key in sorted(NORM_KEYS)},
        "value": None if weight.value is None else list(weight.value),
        "rows": weight.rows,
        "columns": weight.columns,
    }


def _restore(record: Mapping[str, Any]) -> Program:
    if not all(isinstance(record[key], list) for key in ("inputs", "ops", "weights")):
        raise ValueError("expected lists of inputs, ops and weights")
    entries = [*record["inputs"], *record["ops"], *record["weights"], record["output"]]
    if not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("expected tables in its lists")
    return Program(
        inputs=tuple(record["inputs"]),
        output=record["output"],
        ops=tuple(record["ops"]),
        weights=tuple(_restore_weight(entry) for entry in record["weights"]),
    )


def _restore_weight(entry: Mapping[str, Any]) -> Weight:
    _expect(entry.keys() == WEIGHT_KEYS and entry["layout"] in LAYOUTS, "a weight has other fields")
    rows, columns, layout, source = (entry[key] for key in ("rows", "columns", "layout", "from"))
    _expect(all(type(side) is int and 1 <= side <= MOST_VALUES for side in (rows, columns)), "a weight has no shape")
    _expect(rows * columns <= MOST_VALUES, "a weight is too large")
    _expect(source is None or _is_name(source), "a weight comes from no tensor")
    value = None if entry["value"] is None else _restore_value(entry["value"])
    norm = None if entry["norm"] is None else _restore_norm(entry["norm"])
    weight = Weight(rows, columns, layout, source, norm, value)
    _expect(_is_sound(weight), f"a weight of layout {layout} is not complete")
    return weight


def _is_sound(weight: Weight) -> bool:
    """Whether it says once, and in the terms of its layout, where its numbers come from."""
    given = (weight.source is not None) + (weight.value is not None)
    if weight.layout == "vector":
        fits = weight.value is None or weight.rows % len(weight.value) == 0
        return weight.columns == 1 and given < 2 and fits
    if weight.layout == "gain":
        return weight.columns == 1 and given == 0 and weight.norm is not None
    if weight.layout == "identity":
        return weight.rows == weight.columns and given == 0 and weight.norm is None
    if weight.value is not None:
        return given == 1 and weight.layout == "linear" and len(weight.value) == weight.size
    return given == 1


def _restore_value(value: Any) -> tuple[float, ...]:
    fits = isinstance(value, list) and 1 <= len(value) <= MOST_CONSTANTS
    _expect(
        fits and all(type(item) in (int, float) and abs(item) <= LARGEST for item in value), "a weight is no number"
    )
    return tuple(float(item) for item in value)


def _restore_norm(norm: Any) -> Norm:
    _expect(isinstance(norm, dict) and norm.keys() == NORM_KEYS, "a norm has other fields")
    _expect(all(_is_name(norm[key]) for key in ("mean", "var")), "a norm has no statistics")
    _expect(all(norm[key] is None or _is_name(norm[key]) for key in ("weight", "bias")), "a norm has other weights")
    _expect(type(norm["eps"]) is float and 0 <= norm["eps"] <= 1, "a norm has no eps")
    return Norm(**norm)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
