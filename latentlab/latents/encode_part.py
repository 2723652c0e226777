"""One part of a table: a piece of a source, read, encoded, summed and written; the same whenever it is run."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from queue import Full, Queue
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.data.dataset import Dataset, Skipped, as_unit
from latentlab.errors import DataError, FileFormatError
from latentlab.latents.encode import codec_device, posterior_of
from latentlab.latents.store.manifest import MOST_ROWS, PartEntry, TablePlan
from latentlab.latents.store.part import id_text
from latentlab.latents.store.place import Place
from latentlab.latents.store.write import write_part
from latentlab.latents.table import Latents
from latentlab.runtime import as_tensor, batch_rows, one_thread

if TYPE_CHECKING:
    from latentlab.codec import Codec
    from latentlab.data.stream import Piece
    from latentlab.latents.engines import Report

# On a processor: 48 and 64 take 12 and 24 MB a worker more, and whole commands are not measurably faster; of still
# more, what the layers make goes back to the system after each, and a sixth of the time with it.
CPU_ROWS = 32
# Images that are decoded, one block after the other, before any of them is encoded: to turn from the one to the other
# empties the caches, and at every block it takes 3 % of the time.
DECODED_ROWS = 4 * CPU_ROWS
# Blocks that are decoded while another one is encoded.
AHEAD = 4
# Numbers of means that a shard may hold at most: 256 MB in a worker, and as much again for log-variances.
MOST_VALUES = 1 << 26
# By how much an array grows whose end nobody knows.
GROWTH = 1.25


@dataclass(frozen=True)
class Opener:
    """Opens a model in a worker, once for all of its parts.

    Args:
        open: of a module's top level: takes `model`, returns the codec and the hash of its checkpoint.
        model: what it is opened by, such as a path.
        device: where it runs.
        checkpoint: its hash, so that another one of the same path is opened anew.
    """

    open: Callable[[str], tuple[Codec, str]]
    model: str
    device: str
    checkpoint: str

    def __call__(self) -> tuple[Codec, str]:
        """The model on its device, and the hash of its checkpoint; opened once a process."""
        return _opened(self)


@lru_cache(maxsize=1)
def _opened(opener: Opener) -> tuple[Any, str]:
    codec, checkpoint = opener.open(opener.model)
    return codec.to(opener.device).eval(), checkpoint  # type: ignore[attr-defined]


@dataclass(frozen=True)
class PartTask:
    """Everything that decides a part.

    Args:
        number: of the part.
        piece: of the source.
        plan: of the table.
        place: where the table lies.
        opener: of the model.
        threads: that decode. Products have one on a processor: how they add up depends on the number of threads, and
            a part must not depend on who else is at work.
    """

    number: int
    piece: Piece
    plan: TablePlan
    place: Place
    opener: Opener
    threads: int = 1

    def __str__(self) -> str:
        return f"part {self.number} ({self.piece.name})"

    @property
    def advice(self) -> str:
        """What to do when it ends its workers."""
        return "; take fewer --workers: what is done stays, go on with --resume"


def encode_part(task: PartTask, report: Report) -> PartEntry:
    """Write one part and its sidecar.

    Args:
        task: what decides it.
        report: told of images that are done.

    Returns:
        What the manifest says of it.

    Raises:
        DataError: when the piece cannot be read, or is too large for a part.
        FileFormatError: when the model is not the one of the plan.
        LatentlabError: when the part cannot be written.
    """
    import torch

    plan = task.plan
    codec, checkpoint = task.opener()
    if checkpoint != plan.checkpoint:
        raise FileFormatError(
            f"expected checkpoint {plan.checkpoint[:12]} in {task.opener.model}, got {checkpoint[:12]}; it was changed "
            "while images were encoded: encode into another folder"
        )
    device = codec_device(codec)
    batch = decoded = batch_rows(codec.image.size)
    if device.type == "cpu":
        batch, decoded = min(batch, CPU_ROWS), min(batch, DECODED_ROWS)
    blocks = task.piece.read(decoded, task.threads)
    if device.type != "cpu":
        blocks = _ahead(blocks)
    rows = _Rows(plan, task.piece.count or 0)
    skipped: list[Skipped] = []
    with torch.inference_mode(), one_thread() if device.type == "cpu" else contextlib.nullcontext():
        for block in blocks:
            skipped += block.skipped
            if len(block):
                skipped += rows.add(block, *_encoded(codec, block.pixels, batch, plan.posterior))
                _check_rows(len(rows), task)
            report(len(block) + len(block.skipped))
    with one_thread():
        return write_part(task.place, plan, task.number, rows.table(), task.piece.name, skipped)


def _encoded(codec: Codec, pixels: np.ndarray, batch: int, posterior: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Means of images, and log-variances where they are asked for, so many images at a time."""
    device = codec_device(codec)
    means, logvars = [], []
    for start in range(0, len(pixels), batch):
        x = as_tensor(as_unit(pixels[start : start + batch])).to(device, non_blocking=True)
        mean, logvar = posterior_of(codec, x, posterior)
        means.append(mean)
        if logvar is not None:
            logvars.append(logvar)
    return np.concatenate(means), np.concatenate(logvars) if logvars else None


class _Rows:
    """The rows of a part as they come, each in memory once."""

    def __init__(self, plan: TablePlan, count: int) -> None:
        self._plan = plan
        self._mean = _Vectors(plan.latent.size, count)
        self._logvar = _Vectors(plan.latent.size, count) if plan.posterior else None
        self._ids, self._labels = [np.empty(0, "U1")], [np.empty(0, np.int64)]
        self._values = [np.empty((0, len(plan.attributes)), np.float32)]

    def __len__(self) -> int:
        return len(self._mean.all)

    def add(self, block: Dataset, mean: np.ndarray, logvar: np.ndarray | None) -> list[Skipped]:
        """Add a block; returns what is left out: one latent that is not finite is no reason to lose all others."""
        finite = np.isfinite(mean).all(axis=1)
        if logvar is not None:
            finite &= np.isfinite(logvar).all(axis=1)
        ids = np.array([id_text(name) for name in block.ids])
        self._mean.add(mean[finite])
        if self._logvar is not None and logvar is not None:
            self._logvar.add(logvar[finite])
        self._ids.append(ids[finite])
        if block.labels is not None:
            self._labels.append(block.labels[finite])
        values = np.empty((len(block), len(self._plan.attributes)), np.float32)
        for number, name in enumerate(self._plan.attributes):
            values[:, number] = block.attributes[name]
        self._values.append(values[finite])
        return [Skipped(str(name), "its latent is not finite") for name in ids[~finite]]

    def table(self) -> Latents:
        """All rows."""
        plan = self._plan
        values = np.concatenate(self._values)
        return Latents(
            mean=self._mean.all,
            logvar=None if self._logvar is None else self._logvar.all,
            ids=np.concatenate(self._ids),
            split=plan.split,
            classes=plan.classes,
            labels=np.concatenate(self._labels) if plan.labelled else None,
            attributes=dict(zip(plan.attributes, values.T, strict=True)),
            thresholds=plan.thresholds,
        )


class _Vectors:
    """Vectors one after the other in one array, which grows where nobody knows how many they will be."""

    def __init__(self, size: int, count: int) -> None:
        self._held, self._count = np.empty((count, size), np.float32), 0

    @property
    def all(self) -> np.ndarray:
        """All of them, float32 of shape (n, d)."""
        return self._held[: self._count]

    def add(self, vectors: np.ndarray) -> None:
        """Add some, of shape (m, d)."""
        count = self._count + len(vectors)
        if count > len(self._held):
            self._held.resize((max(count, int(GROWTH * len(self._held))), vectors.shape[1]), refcheck=False)
        self._held[self._count : count] = vectors
        self._count = count


def _check_rows(rows: int, task: PartTask) -> None:
    """Refuse a piece that makes more than a part holds: memory has to end somewhere, and a shard may have any size."""
    most = min(MOST_ROWS, max(1, MOST_VALUES // task.plan.latent.size))
    if rows > most:
        raise DataError(
            f"expected at most {most:,} images of {task.plan.latent.size} dimensions in {task.piece.name}, got more; "
            "cut it into smaller shards"
        )


def _ahead(blocks: Iterator[Dataset]) -> Iterator[Dataset]:
    """The same blocks, read by a thread while others are at work on the device."""
    queue: Queue[Any] = Queue(AHEAD)
    ended = threading.Event()

    def put(item: Any) -> None:
        while not ended.is_set():
            with contextlib.suppress(Full):
                queue.put(item, timeout=0.2)
                return

    def read() -> None:
        try:
            for block in blocks:
                put(block)
                if ended.is_set():
                    return
            put(None)
        except BaseException as error:
            put(error)

    threading.Thread(target=read, daemon=True).start()
    try:
        while (block := queue.get()) is not None:
            if isinstance(block, BaseException):
                raise block
            yield block
    finally:
        # Whoever stops listening lets the thread go, and its files with it.
        ended.set()
