"""What a file of directions says: a record of plain values, and the arrays that it speaks of."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from latentlab.directions.direction import Direction
from latentlab.errors import DataError
from latentlab.statistics.covariance import LARGEST_MATRIX, Covariance

FORMAT = 2
# Those that can be read; the first knew neither covariance, accuracy, angle nor p-value.
READ_FORMATS = (1, 2)
ARRAYS = ("vector", "mean_with", "mean_without", "readout")
CENTER, MATRIX, VARIANCE = "covariance/center", "covariance/matrix", "covariance/variance"


@dataclass(frozen=True)
class DirectionsFile:
    """What a directions file holds.

    Args:
        directions: in the order in which they were written.
        checkpoint: the hash of the checkpoint that they belong to; "" where the file does not say.
        data: the description of the images that they were found from, with the fingerprint of their ids and labels.
        extra: what else the writer noted.
        versions: of the packages that made them, by name.
        covariance: of the latents that they were found from, or None; a diagonal one where d > 1024.
        notes: what the reader should be told.
    """

    directions: tuple[Direction, ...]
    checkpoint: str
    data: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    covariance: Covariance | None = None
    notes: tuple[str, ...] = ()

    @property
    def by_name(self) -> dict[str, Direction]:
        """The directions by their names."""
        return {direction.name: direction for direction in self.directions}


def build_record(
    directions: Sequence[Direction],
    checkpoint: str,
    data: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
    covariance: Covariance | None = None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Put directions with their provenance into plain values and named float32 arrays.

    Raises:
        DataError: when two directions share a name, a value is not finite, or lengths differ.
    """
    names = [direction.name for direction in directions]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"expected directions with names of their own, got {twice[0]!r} twice")
    arrays: dict[str, np.ndarray] = {}
    for direction in directions:
        for kind in ARRAYS:
            values = getattr(direction, kind)
            if values is not None:
                arrays[f"{kind}/{direction.name}"] = _float32(values)
    if covariance is not None:
        arrays[CENTER] = _float32(covariance.center)
        # A larger one would outweigh the directions by far.
        if covariance.matrix.ndim == 1 or len(covariance.matrix) > LARGEST_MATRIX:
            arrays[VARIANCE] = _float32(covariance.variances)
        else:
            arrays[MATRIX] = _float32(covariance.matrix)
    check_arrays(arrays)
    return {
        "format": FORMAT,
        "versions": _versions(),
        "checkpoint": checkpoint,
        "data": dict(data or {}),
        "extra": dict(extra or {}),
        "covariance": None if covariance is None else _summary(covariance),
        "directions": [_described(direction) for direction in directions],
    }, arrays


def restore_record(record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> DirectionsFile:
    """The directions of a record of either format; the opposite of `build_record`.

    Raises:
        DataError, KeyError, TypeError, ValueError, AttributeError: when it is not whole.
    """
    check_arrays(arrays)
    directions = tuple(_restored(entry, arrays) for entry in record["directions"])
    if len({direction.name for direction in directions}) < len(directions):
        raise DataError("two directions share a name")
    summary = record.get("covariance")
    versions = record["versions"] if "versions" in record else {"latentlab": record.get("version", "")}
    return DirectionsFile(
        directions=directions,
        checkpoint=str(record["checkpoint"]),
        data=dict(record["data"]),
        extra=dict(record["extra"]),
        versions={str(name): str(version) for name, version in versions.items()},
        covariance=None if summary is None else _covariance(summary, arrays),
    )


def check_arrays(arrays: Mapping[str, np.ndarray]) -> None:
    """Refuse arrays that are not finite float32 of one latent space.

    Raises:
        DataError: naming the array.
    """
    for key, values in arrays.items():
        dimensions = 2 if key == MATRIX else 1
        if values.ndim != dimensions or values.dtype != np.float32 or not np.isfinite(values).all():
            raise DataError(
                f"expected finite float32 values in {dimensions}-D for {key}, got {values.dtype} of shape "
                f"{values.shape}" + (" with NaN or infinity" if values.dtype.kind == "f" else "")
            )
    lengths = {length for values in arrays.values() for length in values.shape}
    if len(lengths) > 1:
        raise DataError(f"expected vectors of one length, got {sorted(lengths)}")


def _float32(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)


def _summary(covariance: Covariance) -> dict[str, Any]:
    size = len(covariance.matrix)
    return {
        "count": int(covariance.count),
        "size": size,
        "alive": int(covariance.alive.sum()),
        "total_variance": float(covariance.variances.sum(dtype=np.float64)),
        "kept": "diagonal" if covariance.matrix.ndim == 1 or size > LARGEST_MATRIX else "matrix",
    }


def _covariance(summary: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Covariance:
    matrix = arrays[VARIANCE if summary["kept"] == "diagonal" else MATRIX]
    found = Covariance(arrays[CENTER], matrix, int(summary["count"]))
    if not np.array_equal(matrix, matrix.T) or (found.variances < 0).any():
        raise DataError("the covariance is not symmetric, or has a negative variance")
    return found


def _described(direction: Direction) -> dict[str, Any]:
    return {
        "name": direction.name,
        "estimator": direction.estimator,
        "positives": int(direction.positives),
        "negatives": int(direction.negatives),
        "gap": direction.gap,
        "intercept": float(direction.intercept),
        "auc": _number(direction.auc),
        "auc_interval": None if direction.auc_interval is None else [float(end) for end in direction.auc_interval],
        "probe_images": int(direction.probe_images),
        "accuracy": _number(direction.accuracy),
        "angle_degrees": _number(direction.angle_degrees),
        "p_value": _number(direction.p_value),
    }


def _restored(entry: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Direction:
    name, interval = str(entry["name"]), entry.get("auc_interval")
    return Direction(
        name=name,
        vector=arrays[f"vector/{name}"],
        estimator=str(entry["estimator"]),
        positives=int(entry.get("positives", 0)),
        negatives=int(entry.get("negatives", 0)),
        mean_with=arrays.get(f"mean_with/{name}"),
        mean_without=arrays.get(f"mean_without/{name}"),
        readout=arrays.get(f"readout/{name}"),
        intercept=float(entry.get("intercept", 0.0)),
        auc=_number(entry.get("auc")),
        auc_interval=None if interval is None else (float(interval[0]), float(interval[1])),
        probe_images=int(entry.get("probe_images", 0)),
        accuracy=_number(entry.get("accuracy")),
        angle_degrees=_number(entry.get("angle_degrees")),
        p_value=_number(entry.get("p_value")),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _versions() -> dict[str, str]:
    """Of what the numbers were made with: torch only where it was in use."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        ours = version("latentlab")
    except PackageNotFoundError:
        ours = "uninstalled"
    torch = sys.modules.get("torch")
    return {"latentlab": ours, "numpy": np.__version__} | ({"torch": str(torch.__version__)} if torch else {})
