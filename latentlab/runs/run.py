"""A trained model with what is known about it: checkpoint, directions, gallery, scores, history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlab.directions.file import read_directions
from latentlab.errors import FileFormatError, LatentlabError, UsageError, unknown_name
from latentlab.files import read_json
from latentlab.latents.gallery import read_gallery
from latentlab.runs.bundled import BUNDLED, bundled_folder

if TYPE_CHECKING:
    from latentlab.checkpoints import Checkpoint
    from latentlab.checkpoints.foreign.opened import Claims
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
# A model that is a program has no checkpoint of ours: a folder with its own files, and what was said of it.
PROGRAM = "program.json"
PROGRAM_FILES = "program"


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
        return self.path.parent if self.path.name in (CHECKPOINT, PROGRAM) else None

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

    A folder without a checkpoint of latentlab's own stands for itself: it may be somebody else's.

    Raises:
        UnknownNameError: when it is neither a bundled name nor a path that exists.
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
        own = (path / name for name in (CHECKPOINT, PROGRAM))
        return path.resolve().name, next((file for file in own if file.is_file()), path)
    if is_file:
        return path.stem, path
    raise unknown_name("model", str(model), BUNDLED, "or give the path of a checkpoint or a run that exists")


def open_run(model: str | Path, claims: Claims | None = None, loader: str | None = None) -> Run:
    """Open a bundled model, a run's folder, or a checkpoint, ours or somebody else's, with the files beside it.

    Args:
        model: its name, or where it lies.
        claims: what the user says of somebody else's model; None leaves all to its file.
        loader: `module:factory`, code that makes such a model.

    Raises:
        UnknownNameError, FileFormatError, CapabilityError: as `find_checkpoint` and the readers of each file.
        UsageError: when claims are made of a checkpoint of latentlab's own.
    """
    from latentlab.checkpoints import is_native, read_checkpoint
    from latentlab.training.history import read_history

    name, path = find_checkpoint(model)
    adopted = path.name == PROGRAM
    if loader is not None or path.is_dir() or not (adopted or is_native(path)):
        return Run(name, path, _read_foreign(path, claims, loader))
    if claims is not None:
        raise UsageError(f"expected nothing to be said of {name}, whose checkpoint tells all itself; leave that out")
    checkpoint = _read_program(path) if adopted else read_checkpoint(path)
    bare = Run(name, path, checkpoint)
    # Only the run's own checkpoint: directions beside last.safetensors belong to the best epoch.
    folder = bare.folder
    if folder is None:
        return bare
    directions = folder / DIRECTIONS
    gallery = folder / GALLERY
    metrics = folder / METRICS
    found = read_directions(directions, checkpoint.hash) if directions.is_file() else None
    return replace(
        bare,
        directions={} if found is None else found.by_name,
        gallery=read_gallery(gallery, checkpoint.hash) if gallery.is_file() else None,
        metrics=_read_metrics(metrics, checkpoint.hash) if metrics.is_file() else {},
        history=tuple(read_history(folder / HISTORY)),
        covariance=None if found is None else found.covariance,
    )


def _read_foreign(path: Path, claims: Claims | None, loader: str | None) -> Checkpoint:
    """As `read_foreign`; where nothing was said, an error says which commands take what is to be said."""
    from latentlab.checkpoints.foreign.open import read_foreign

    try:
        return read_foreign(path, claims, loader)
    except LatentlabError as error:
        if claims is not None or loader is not None or " --" not in str(error):
            raise
        raise type(error)(f"{error} (options of `latentlab info` and `latentlab adopt`)") from error


def _read_program(path: Path) -> Checkpoint:
    """A program that was adopted, as it was opened then.

    Raises:
        FileFormatError: when its description is not what `adopt` wrote, or its files were changed.
    """
    from latentlab import schema
    from latentlab.checkpoints.foreign.open import read_foreign
    from latentlab.checkpoints.foreign.opened import Claims

    described = read_json(path)
    if not isinstance(described, dict) or not isinstance(described.get("about"), dict):
        raise FileFormatError(f"{path}: expected what adopt wrote, got something else; adopt the model again")
    claims, problems = schema.read(Claims, described.get("claims"), "claims")
    if claims is None:
        raise FileFormatError(f"{path}: {problems[0]}; adopt the model again")
    found = read_foreign(path.parent / PROGRAM_FILES, claims)
    if found.hash != described.get("hash"):
        raise FileFormatError(
            f"{path}: expected files of hash {str(described.get('hash'))[:12]}, got {found.hash[:12]}; they were "
            "changed: adopt the model again"
        )
    return replace(found, about=described["about"])


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
