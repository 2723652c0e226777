"""A source encoded into a table of latents on disk, by as many processes or machines as there are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlab.errors import UsageError
from latentlab.latents.encode_table import Encoded, encode_table
from latentlab.latents.store.manifest import TablePlan
from latentlab.latents.store.place import Place
from latentlab.latents.store.room import part_rows
from latentlab.runtime import Progress, silent

if TYPE_CHECKING:
    from latentlab.data.dataset import Split
    from latentlab.data.stream import Stream
    from latentlab.lab.lab import Lab


def encode_source(
    lab: Lab,
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
        lab: the model; what opens it has to be a file.
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
    from latentlab.lab.home import as_in_training
    from latentlab.runs.opener import build_opener
    from latentlab.runs.train import versions

    if workers is not None and workers < 1:
        raise UsageError(f"expected at least 1 worker, got {workers}")
    if not 0 <= max_bad <= 1:
        raise UsageError(f"max_bad: expected a share between 0 and 1, got {max_bad}")
    device = next((p.device for p in lab.codec.parameters()), None)
    on_cpu = device is None or device.type == "cpu"
    stream = stream_data(
        source,
        image=lab.image,
        rows=partial(part_rows, size=lab.latent.size),
        split=split or default_split(str(source)),
        count=count,
        seed=seed,
        root=root,
        download=download,
        attributes=attributes,
        without=without,
        **{**as_in_training(lab, str(source)), **options},
    )
    return encode_table(
        stream,
        table_plan(lab, stream, seed),
        Place(str(out)),
        # A task of Ray sees no GPU but its own.
        build_opener(lab.run, "cpu" if device is None else device.type if engine == "ray" else str(device)),
        engine=engine,
        workers=workers or ((os.cpu_count() or 1) if on_cpu else 1),
        address=address,
        resume=resume,
        max_bad=max_bad,
        versions=versions(),
        progress=progress,
    )


def table_plan(lab: Lab, stream: Stream, seed: int) -> TablePlan:
    """What decides the bytes of a table of this model and these images."""
    return TablePlan(
        model=lab.name,
        checkpoint=lab.checkpoint,
        preprocessing=stream.preprocessing,
        blocks=lab.latent.blocks,
        source=stream.source,
        split=stream.split,
        classes=stream.classes,
        labelled=stream.labelled,
        attributes=stream.attributes,
        thresholds=stream.thresholds,
        posterior=has_logvar(lab),
        pieces=len(stream.pieces),
        images=stream.fingerprint,
        seed=seed,
    )


def has_logvar(lab: Lab) -> bool:
    """Whether the model's posterior has log-variances."""
    import torch

    from latentlab.latents.encode import codec_device

    if not lab.probabilistic:
        return False
    with torch.inference_mode():
        x = torch.zeros(1, *lab.image.shape, device=codec_device(lab.codec))
        return lab.codec.posterior(x).logvar is not None
