"""A trained model with what is known about it: checkpoint, directions, gallery, scores, history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlab.directions.file import read_directions
from latentlab.errors import FileFormatError, unknown_name
from latentlab.files import read_json
from latentlab.latents.gallery import read_gallery
from latentlab.runs.bundled import BUNDLED, bundled_folder

if TYPE_CHECKING:
    from latentlab.checkpoints import Checkpoint
    from latentlab.directions.direction import Direction
    from latentlab.latents.table import Latents
    from latentlab.report.live import Program
    from latentlab.statistics.covariance import Covariance

CHECKPOINT = "checkpoint.safetensors"
DIRECTIONS = "directions.safetensors"
GALLERY = "gallery.safetensors"
METRICS = "metrics.json"
HISTORY = "history.jsonl"
RECIPE = "recipe.json"
LIVE = "live.json"


@dataclass(frozen=True)
class Run:
    """A trained model and the files beside it; a bare checkpoint has none of them.

    Args:
        name: of the bundled model, the run's folder, or the file.
        path: the checkpoint.
        checkpoint: the model, its hash, and what training wrote of itself.
        directions: by attribute or class.
        gallery: latents of test images, or None.
        metrics: scores on the test split.
        history: one entry an epoch.
        covariance: of the latents that directions were found from, or None.
    """

    name: str
    path: Path
    checkpoint: Checkpoint
    directions: Mapping[str, Direction] = field(default_factory=dict)
    gallery: Latents | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()
    covariance: Covariance | None = None

    @property
    def folder(self) -> Path | None:
        """Where the files of the run lie; None for a bare checkpoint, or one of another epoch than they are of."""
        return self.path.parent if self.path.name == CHECKPOINT else None

    @cached_property
    def program(self) -> Program | None:
        """The decoder as a program for pages, made when the run was described; None where there is none.

        Raises:
            FileFormatError: when the file is not whole, or belongs to another checkpoint.
        """
        from latentlab.report.live import read_program

        if self.folder is None or not (self.folder / LIVE).is_file():
            return None
        return read_program(self.folder / LIVE, self.checkpoint.hash)


def find_checkpoint(model: str | Path) -> tuple[str, Path]:
    """The name and the checkpoint file of a bundled model, a run's folder, or a checkpoint.

    Raises:
        UnknownNameError: when it is neither a bundled name nor a path that exists.
        FileFormatError: when a folder holds no checkpoint.
    """
    path = Path(model)
    if str(model) in BUNDLED:
        return str(model), bundled_folder(str(model)) / CHECKPOINT
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError:
        # A name too long for a file is no file.
        is_folder = is_file = False
    if is_folder:
        if not (path / CHECKPOINT).is_file():
            raise FileFormatError(f"{path} holds no {CHECKPOINT}; give a run that train has finished an epoch of")
        return path.resolve().name, path / CHECKPOINT
    if is_file:
        return path.stem, path
    raise unknown_name("model", str(model), BUNDLED, "or give the path of a checkpoint or a run that exists")


def open_run(model: str | Path) -> Run:
    """Open a bundled model, a run's folder, or a checkpoint, with the files that lie beside it.

    Raises:
        UnknownNameError, FileFormatError: as `find_checkpoint` and the readers of each file.
    """
    from latentlab.checkpoints import read_checkpoint
    from latentlab.training.history import read_history

    name, path = find_checkpoint(model)
    checkpoint = read_checkpoint(path)
    # Only the run's own checkpoint: directions beside last.safetensors belong to the best epoch.
    folder = path.parent if path.name == CHECKPOINT else None
    if folder is None:
        return Run(name, path, checkpoint)
    directions = folder / DIRECTIONS
    gallery = folder / GALLERY
    metrics = folder / METRICS
    found = read_directions(directions, checkpoint.hash) if directions.is_file() else None
    return Run(
        name=name,
        path=path,
        checkpoint=checkpoint,
        directions={} if found is None else found.by_name,
        gallery=read_gallery(gallery, checkpoint.hash) if gallery.is_file() else None,
        metrics=_read_metrics(metrics, checkpoint.hash) if metrics.is_file() else {},
        history=tuple(read_history(folder / HISTORY)),
        covariance=None if found is None else found.covariance,
    )


def _read_metrics(path: Path, checkpoint: str) -> dict[str, Any]:
    """The scores of a checkpoint.

    Raises:
        FileFormatError: when they are not what training wrote, or are those of another checkpoint.
    """
    metrics = read_json(path)
    tables = ("test", "training", "directions")
    if not isinstance(metrics, dict) or not all(isinstance(metrics.get(name), dict) for name in tables):
        raise FileFormatError(f"{path}: expected tables {', '.join(tables)}, got something else; it was edited")
    if metrics.get("checkpoint") != checkpoint:
        raise FileFormatError(
            f"{path}: expected scores of checkpoint {checkpoint[:12]}, got those of "
            f"{str(metrics.get('checkpoint'))[:12]}; take the ones that were written with it"
        )
    return metrics
