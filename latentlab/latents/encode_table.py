"""From a source to a table of latents on disk: planned, made a part at a time by an engine, closed by its manifest."""

from __future__ import annotations

import contextlib
import csv
import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from latentlab.errors import DataError, FileFormatError, LatentlabError, listed
from latentlab.latents.encode_part import Opener, PartTask, encode_part
from latentlab.latents.engines import Engine
from latentlab.latents.store.manifest import (
    MANIFEST,
    PLAN,
    Manifest,
    PartEntry,
    TablePlan,
    part_name,
    read_plan,
    write_manifest,
    write_plan,
)
from latentlab.latents.store.place import Place
from latentlab.latents.store.room import check_room
from latentlab.latents.store.sidecar import read_sidecar, sidecar_name
from latentlab.latents.store.stored import StoredLatents, open_latents
from latentlab.runtime import Progress, silent

if TYPE_CHECKING:
    from latentlab.data.stream import Piece, Stream

SKIPPED = "skipped.csv"


@dataclass(frozen=True)
class Encoded:
    """A table that was just written.

    Args:
        latents: the table.
        images: that were encoded in this run; those of parts that were there already are not among them.
        kept: parts that were there already.
        seconds: of this run.
        skipped: images that could not be read, of all parts.
    """

    latents: StoredLatents
    images: int
    kept: int
    seconds: float
    skipped: int


def encode_table(
    stream: Stream,
    plan: TablePlan,
    place: Place,
    opener: Opener,
    run: Engine,
    *,
    workers: int = 1,
    cores: int = 1,
    address: str | None = None,
    resume: bool = False,
    max_bad: float = 0.01,
    versions: Mapping[str, str] | None = None,
    progress: Progress = silent,
) -> Encoded:
    """Encode a source into a table; whatever stops it, `resume` goes on, and ends with the same bytes.

    Args:
        stream: the images.
        plan: of the table.
        place: where it goes.
        opener: of the model.
        run: the engine.
        workers: of this machine.
        cores: processors that the workers share.
        address: of a cluster.
        resume: go on with a table that is not finished; of a finished one, nothing is left to do.
        max_bad: the largest share of unreadable images that is only reported.
        versions: of the programs, for the manifest.
        progress: told of images, or of parts where nobody knows how many images there are.

    Raises:
        LatentlabError: when another table stands there, somebody else is writing it, the disk has no room, or a part
            cannot be made.
        DataError: when more images than `max_bad` cannot be read.
    """
    began = time.monotonic()
    with place.locked():
        if _begin(place, plan, resume):
            found = open_latents(place.url)
            return Encoded(found, 0, len(found.manifest.parts), time.monotonic() - began, found.manifest.skipped)
        there = place.names()
        done = _whole_parts(place, plan, there)
        if stream.count is not None:
            left = stream.count - sum(entry.rows + entry.skipped for entry in done.values())
            check_room(place, plan, left, plan.pieces - len(done))
        write_plan(place, plan)
        waiting = [number for number in range(len(stream.pieces)) if number not in done]
        workers = max(1, min(workers, len(waiting)))
        threads = max(1, cores // workers)
        tasks = _Tasks(
            waiting, stream.pieces, partial(PartTask, plan=plan, place=place, opener=opener, threads=threads)
        )
        gpus = int(opener.device.startswith("cuda"))
        try:
            counted = _Count(stream.count, len(stream.pieces), done, progress)
            results = run(encode_part, tasks, workers=workers, report=counted.add, address=address, gpus=gpus)
            # Closed before the lock is let go: no worker writes after it.
            with contextlib.closing(results):
                for number, entry in results:
                    counted.part()
                    done[waiting[number]] = entry
        except BaseException:
            # What never began is not there to be gone on with.
            if not any(name.startswith("part-") for name in place.names()):
                place.remove(PLAN)
            raise
        place.sweep()
        if read_plan(place).digest != plan.digest:
            raise LatentlabError(f"{place.url} was taken by another encoding meanwhile; choose another --out")
        entries = tuple(done[number] for number in range(len(stream.pieces)))
        _finish(place, plan, entries, max_bad, versions or {})
    found = open_latents(place.url)
    kept = len(entries) - len(waiting)
    return Encoded(found, counted.images, kept, time.monotonic() - began, found.manifest.skipped)


class _Tasks(Sequence[PartTask]):
    """The tasks that are left, each made when it is asked for: a piece may hold many names."""

    def __init__(self, waiting: Sequence[int], pieces: Sequence[Piece], made: Callable[[int, Piece], PartTask]) -> None:
        self._waiting, self._pieces, self._made = waiting, pieces, made

    def __len__(self) -> int:
        return len(self._waiting)

    def __getitem__(self, number: Any) -> Any:
        return self._made(self._waiting[number], self._pieces[self._waiting[number]])


class _Count:
    """Turns images that workers report into progress."""

    def __init__(self, total: int | None, parts: int, done: Mapping[int, PartEntry], progress: Progress) -> None:
        self.total, self.parts, self.progress = total, parts, progress
        self.before = sum(entry.rows + entry.skipped for entry in done.values())
        self.images, self.done = 0, len(done)
        self.began = time.monotonic()
        self._say()

    def add(self, images: int) -> None:
        """Some more images are done; fewer, when a worker that had reported them is gone."""
        self.images += images
        self._say()

    def part(self) -> None:
        """A part is written."""
        self.done += 1
        self._say()

    def _say(self) -> None:
        seconds = time.monotonic() - self.began
        rate = f"{self.images / seconds:,.0f} images/s" if self.images > 0 and seconds > 0.5 else ""
        if self.total is None:
            note = f"{self.before + self.images:,} images  {rate}"
            self.progress("encoding shards", self.done, self.parts, note.strip())
        else:
            self.progress("encoding images", self.before + self.images, self.total, rate)


def _begin(place: Place, plan: TablePlan, resume: bool) -> bool:
    """Look at what stands in the place already; returns whether it is this very table, whole.

    Raises:
        LatentlabError: when it may not be written over, or gone on with.
    """
    there = place.names()
    if MANIFEST not in there and PLAN not in there:
        if strange := sorted(name for name in there if not name.startswith(".")):
            raise LatentlabError(
                f"expected an empty folder or a table of latents in {place.url}, got {listed(strange, 3)}; choose "
                "another --out"
            )
        return False
    whole = MANIFEST in there
    if not resume:
        what = "a table of latents already" if whole else "a table of latents that is not finished"
        way = "delete it to encode again" if whole else "go on with --resume"
        raise LatentlabError(f"{place.url} holds {what}; {way}, or choose another --out")
    kept = open_latents(place.url).plan if whole else read_plan(place)
    if kept.digest != plan.digest:
        differences = "; ".join(plan.differences(kept)[:3])
        raise FileFormatError(
            f"expected to go on with the table in {place.url}, got another one ({differences}); encode into "
            "another --out"
        )
    if whole and len(_whole_parts(place, plan, there)) < plan.pieces:
        # Parts were lost since: they are made again.
        place.remove(MANIFEST)
        return False
    return whole


def _whole_parts(place: Place, plan: TablePlan, there: set[str]) -> dict[int, PartEntry]:
    """The parts that count: with a sidecar, and as long as it says."""
    found: dict[int, PartEntry] = {}
    for number in range(plan.pieces):
        name = part_name(number)
        if sidecar_name(name) not in there or name not in there:
            continue
        try:
            entry = read_sidecar(place, name, plan).entry
        except FileFormatError:
            # Made again, as one that was cut short.
            continue
        if place.size(name) == entry.bytes:
            found[number] = entry
    return found


def _finish(
    place: Place, plan: TablePlan, entries: tuple[PartEntry, ...], max_bad: float, versions: Mapping[str, str]
) -> None:
    """Write what could not be read, and the manifest."""
    total = sum(entry.rows + entry.skipped for entry in entries)
    if not total:
        raise DataError(f"the {plan.split} split of {plan.source} has no images; ask for --split all")
    bad = sum(entry.skipped for entry in entries)
    if bad:
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["id", "reason"])
        for entry in entries:
            if entry.skipped:
                rows.writerows((one.name, one.reason) for one in read_sidecar(place, entry.name, plan).skipped)
        place.write(SKIPPED, text.getvalue().encode(errors="surrogateescape"))
    if bad > max_bad * total or bad == total:
        raise DataError(
            f"{bad:,} of {total:,} images cannot be read, more than the share --max-bad {max_bad:g}; {SKIPPED} in "
            f"{place.url} lists them with reasons: mend them and encode into another --out, or take what there is with "
            "--resume and a larger --max-bad"
        )
    write_manifest(place, Manifest(plan, entries, dict(versions)))
