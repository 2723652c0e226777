"""Latents that are there already, made a table by the name of the model that made them, or without one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlab.latents.store.given import write_given
from latentlab.latents.store.place import Place
from latentlab.runtime import Progress, silent

if TYPE_CHECKING:
    from latentlab.latents.store import StoredLatents


def adopt_latents(
    path: str | Path,
    out: str | Path,
    *,
    attributes: str | Path | None = None,
    model: str | Path | None = None,
    progress: Progress = silent,
) -> StoredLatents:
    """Make a table of latents of your own.

    Args:
        path: an .npy of shape (n, d), or an .npz with `latents`, `mean` or `z`, and perhaps `logvar`, `ids`, `labels`,
            `classes` and attributes.
        out: the folder of the table.
        attributes: a CSV of labels and attributes.
        model: the model that made them, whose decoder then draws what is found; None where nobody knows.
        progress: told of the work.

    Raises:
        LatentlabError: one line that says what was expected, what came and what to do.
    """
    from latentlab.runs.train import versions

    made: dict[str, Any] = {}
    if model is not None:
        from latentlab.lab.lab import load

        lab = load(model, "cpu")
        made = {"model": lab.name, "checkpoint": lab.checkpoint, "blocks": lab.latent.blocks}
    table = None if attributes is None else Path(attributes).expanduser()
    place = Place(str(out))
    return write_given(Path(path).expanduser(), place, table=table, versions=versions(), progress=progress, **made)
