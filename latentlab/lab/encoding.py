"""A source encoded into a table of latents on disk, by as many processes or machines as there are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlab.errors import UsageError
from latentlab.lab.encoder import Encoder, encoder_of
from latentlab.latents.encode_table import Encoded, encode_table
from latentlab.latents.engines import Engine, find_engine
from latentlab.latents.store.manifest import TablePlan
from latentlab.latents.store.place import Place
from latentlab.latents.store.room import part_rows
from latentlab.runtime import Progress, silent

if TYPE_CHECKING:
    from latentlab.data.dataset import Split
    from latentlab.data.stream import Stream
    from latentlab.lab.lab import Lab
    from latentlab.latents.engines.local import Crew


def encode_source(
    model: Lab | Encoder,
    source: str | Path,
    out: str | Path,
    *,
    split: Split | None = None,
    count: int | None = None,
    seed: int = 0,
    root: str | Path | None = None,
    download: bool = False,
    attributes: str | Path | None = None,
    max_bad: float = 0.01,
    without: Sequence[str] = (),
    engine: str = "local",
    crew: Crew | None = None,
    workers: int | None = None,
    address: str | None = None,
    resume: bool = False,
    progress: Progress = silent,
    **options: Any,
) -> Encoded:
    """Encode a source of any size into a table of posterior means and log-variances.

    With several workers the calling script needs `if __name__ == "__main__":` about what it does, since processes begin
    by reading it.

    Args:
        model: the model, or what is known of it; what opens it has to be a file.
        source: as `load_data` takes it, or `tar:PATTERN`.
        out: the folder of the table, or a URL that fsspec knows.
        split: which part of the source; None for the test split, and for all of a folder or file.
        count: how many images, or None for all.
        seed: of the choice of images.
        root: where data that was downloaded before lies.
        download: whether the network may be asked for what is missing.
        attributes: a CSV of attributes or labels.
        max_bad: the largest share of unreadable images that is only reported.
        without: classes and 0/1 attributes whose images are left out.
        engine: `local` or `ray`.
        crew: processes that are there already, for the engine `local`.
        workers: processes; None for as many as there are processors, and one where a GPU does the work.
        address: of a Ray cluster.
        resume: go on with a table that is not finished.
        progress: told of images.
        options: further options of the source.

    Raises:
        LatentlabError: one line that says what was expected, what came and what to do.
    """
    from latentlab.data import default_split
    from latentlab.data.stream import stream_data
    from latentlab.runs.train import versions

    if workers is not None and workers < 1:
        raise UsageError(f"expected at least 1 worker, got {workers}")
    if not 0 <= max_bad <= 1:
        raise UsageError(f"max_bad: expected a share between 0 and 1, got {max_bad}")
    run: Engine = find_engine(engine) if crew is None or engine != "local" else crew.map_tasks
    encoder = model if isinstance(model, Encoder) else encoder_of(model, str(source))
    stream = stream_data(
        source,
        image=encoder.image,
        rows=partial(part_rows, size=encoder.latent.size),
        split=split or default_split(str(source)),
        count=count,
        seed=seed,
        root=root,
        download=download,
        attributes=attributes,
        without=without,
        **{**encoder.options, **options},
    )
    opener, cores = encoder.opener, os.cpu_count() or 1
    if engine == "ray":
        # A task sees no GPU but its own, and has one processor, wherever it runs.
        opener, cores = replace(opener, device=opener.device.partition(":")[0]), 1
    return encode_table(
        stream,
        table_plan(encoder, stream, seed),
        Place(str(out)),
        opener,
        run,
        workers=workers or ((os.cpu_count() or 1) if opener.device == "cpu" else 1),
        cores=cores,
        address=address,
        resume=resume,
        max_bad=max_bad,
        versions=versions(),
        progress=progress,
    )


def table_plan(encoder: Encoder, stream: Stream, seed: int) -> TablePlan:
    """What decides the bytes of a table of this model and these images."""
    return TablePlan(
        model=encoder.name,
        checkpoint=encoder.checkpoint,
        preprocessing=stream.preprocessing,
        blocks=encoder.latent.blocks,
        source=stream.source,
        split=stream.split,
        classes=stream.classes,
        labelled=stream.labelled,
        attributes=stream.attributes,
        thresholds=stream.thresholds,
        posterior=encoder.posterior,
        pieces=len(stream.pieces),
        images=stream.fingerprint,
        seed=seed,
    )
