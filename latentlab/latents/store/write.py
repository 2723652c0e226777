"""A part written, and then its sidecar: it counts when that is there."""

from __future__ import annotations

from collections.abc import Sequence

from latentlab.data.dataset import Skipped
from latentlab.latents.store.manifest import PartEntry, TablePlan, part_name
from latentlab.latents.store.part import write_rows
from latentlab.latents.store.place import Place
from latentlab.latents.store.sidecar import Sidecar, sidecar_bytes, sidecar_name, sums_crc32
from latentlab.latents.summary import Summary
from latentlab.latents.table import Latents


def write_part(
    place: Place, plan: TablePlan, number: int, latents: Latents, piece: str, skipped: Sequence[Skipped] = ()
) -> PartEntry:
    """Write one part and its sidecar, with the sums over its rows.

    Args:
        place: where the table lies.
        plan: of the table.
        number: of the part.
        latents: its rows, finite.
        piece: of the source, that they were made from.
        skipped: images of the piece that could not be read.

    Returns:
        What the manifest says of it.

    Raises:
        LatentlabError: when a file cannot be written.
    """
    name = part_name(number)
    sums = Summary.of(latents).add(latents).arrays()
    # One that is left of a part that was lost would vouch for this one before it is there.
    place.remove(sidecar_name(name))
    with place.writing(name) as file:
        size, crc32 = write_rows(file, latents, plan)
    entry = PartEntry(name, len(latents), size, crc32, sums_crc32(sums), piece, len(skipped))
    sidecar = Sidecar(entry, plan.digest, tuple(skipped), sums)
    place.write(sidecar_name(name), sidecar_bytes(sidecar))
    return entry
