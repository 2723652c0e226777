"""How many rows the parts of a table have, and what room they take."""

from __future__ import annotations

from latentlab.errors import LatentlabError
from latentlab.latents.store.manifest import MOST_ROWS, TablePlan
from latentlab.latents.store.place import Place
from latentlab.latents.summary import MOST_PROPERTIES, Summary
from latentlab.statistics.covariance import LARGEST_MATRIX

# Numbers of means in a part: 4 MB, and as much again for log-variances, in every worker.
PART_VALUES = 1 << 20
# Parts of a source, more or less: enough to share among processes, and little to lose when one is killed.
PARTS = 64
FEWEST_ROWS = 2_048
# Rows for each dimension: with fewer, the sums of a part, twice d² numbers of eight bytes, outgrow its latents.
ROWS_A_DIMENSION = 4
# Bytes of a row beside its vectors: an id, a split, a label, a few attributes.
ROW_BYTES = 64


def part_rows(count: int, size: int) -> int:
    """The images of one part: about a sixty-fourth of all, so far as 4 MB of means allow.

    Wide latents have more, or their products would take more room than they.

    Args:
        count: of images.
        size: the latent dimensions d.

    >>> part_rows(100_000, 32), part_rows(50_000_000, 128), part_rows(100_000, 1024), part_rows(100_000, 4096)
    (2048, 8192, 4096, 256)
    """
    rows = FEWEST_ROWS
    while rows * PARTS < count:
        rows *= 2
    rows = min(rows, max(1, PART_VALUES // size), MOST_ROWS)
    return max(rows, ROWS_A_DIMENSION * size) if size <= LARGEST_MATRIX else rows


def check_room(place: Place, plan: TablePlan, rows: int, parts: int) -> None:
    """Refuse to begin what the disk cannot hold, as far as it can be told: ids may be long, and cells come on top.

    Args:
        place: where the table goes.
        plan: of the table.
        rows: that are still to be written.
        parts: that they make, each with its sums.

    Raises:
        LatentlabError: that says how much is needed, and how much is there.
    """
    free = place.free_bytes()
    if free is None:
        return
    vectors = plan.latent.size * 4 * (2 if plan.posterior else 1)
    properties = min(MOST_PROPERTIES, len(plan.attributes) + len(plan.classes))
    sums = sum(values.nbytes for values in Summary(plan.latent.size, properties, ()).arrays().values())
    needed = rows * (vectors + ROW_BYTES) + parts * sums
    if needed > free:
        raise LatentlabError(
            f"expected {needed / 1e9:.1f} GB of room in {place.url} for {rows:,} latents, got {free / 1e9:.1f} GB; "
            "make room, or choose another --out"
        )
