"""The sidecar of a part: rows, checksum, source, and the moments of its latents. A part counts when it is there."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from latentlab import schema
from latentlab.data.dataset import Skipped
from latentlab.errors import DataError, FileFormatError, first_line
from latentlab.latents.store.manifest import PartEntry, TablePlan
from latentlab.latents.store.place import Place
from latentlab.latents.summary import Summary

SUFFIX = ".sidecar"


@dataclass(frozen=True)
class Sidecar:
    """What is said of a part.

    Args:
        entry: as the manifest has it.
        plan: the digest of the plan that it was made by.
        skipped: the images that could not be read.
        arrays: of its `Summary`.
    """

    entry: PartEntry
    plan: str
    skipped: tuple[Skipped, ...]
    arrays: Mapping[str, np.ndarray]

    def summary(self, binary: tuple[int, ...]) -> Summary:
        """The moments of its latents."""
        return Summary.from_arrays(self.arrays, binary)


def sidecar_name(part: str) -> str:
    """The file beside a part.

    >>> sidecar_name("part-00007.arrow")
    'part-00007.sidecar'
    """
    return part.removesuffix(".arrow") + SUFFIX


def sums_crc32(arrays: Mapping[str, np.ndarray]) -> int:
    """A checksum over the sums of a sidecar, by their names."""
    found = 0
    for name in sorted(arrays):
        found = zlib.crc32(np.ascontiguousarray(arrays[name]).tobytes(), zlib.crc32(name.encode(), found))
    return found


def sidecar_bytes(sidecar: Sidecar) -> bytes:
    """The file of a sidecar."""
    from safetensors.numpy import save

    header = {"entry": schema.plain(sidecar.entry), "plan": sidecar.plan, "skipped": schema.plain(sidecar.skipped)}
    contiguous = {name: np.ascontiguousarray(value) for name, value in sidecar.arrays.items()}
    return save(contiguous, {"latentlab": json.dumps(header, sort_keys=True)})


def read_sidecar(place: Place, part: str, plan: TablePlan) -> Sidecar:
    """Read the sidecar of a part.

    Raises:
        FileFormatError: when it is not there, not whole, or of a part that was made by another plan.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    name = sidecar_name(part)
    content = place.read(name)
    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["latentlab"])
        arrays = load(content)
        entry, problems = schema.read(PartEntry, header["entry"], "entry")
        skipped, more = schema.read(tuple[Skipped, ...], header["skipped"], "skipped")
        if entry is None or skipped is None:
            raise DataError([*problems, *more][0])
        found = Sidecar(entry, str(header["plan"]), skipped, arrays)
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError, DataError) as error:
        raise FileFormatError(
            f"{place.url}/{name}: cannot be read as the sidecar of a part ({first_line(error)}); encode again with "
            "--resume"
        ) from error
    if found.plan != plan.digest or found.entry.name != part:
        raise FileFormatError(f"{place.url}/{name}: expected a part of this table, got one of another")
    if sums_crc32(found.arrays) != found.entry.sums_crc32:
        raise FileFormatError(f"{place.url}/{name}: has other sums than were written; encode again with --resume")
    return found
