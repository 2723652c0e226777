"""From somebody else's model to a run of one's own: a native checkpoint with directions, gallery and scores."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlab import schema
from latentlab.errors import CapabilityError, LatentlabError
from latentlab.files import cannot_write, write_json
from latentlab.runs.run import CHECKPOINT, PROGRAM, PROGRAM_FILES, Run, open_run
from latentlab.runs.train import versions
from latentlab.runtime import Progress, silent

if TYPE_CHECKING:
    from latentlab.checkpoints.foreign.opened import Claims
    from latentlab.data.dataset import Dataset


def adopt(
    run: Run,
    name: str,
    folder: Path,
    *,
    claims: Claims | None = None,
    train: Dataset | None = None,
    test: Dataset | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write a model as a run, with everything that was told of it and said of it; whole or not at all.

    What it was trained on stays unknown: the images are those that its directions are found in. A program (TorchScript,
    ONNX) has no layers that could be written down: its own files are copied, and what was said of them.

    Args:
        run: the model as it was opened.
        name: what it is called from now on.
        folder: the run; it must not be there yet.
        claims: what the user said when it was opened.
        train: images with labels that directions are found in; None writes the checkpoint alone.
        test: other images, on which it is scored and directions are judged.
        seed: of splits and posterior samples.
        progress: told of the work.

    Returns:
        The metrics; empty without images.

    Raises:
        CapabilityError: when the user's own code made the model: a folder must not run code when it is opened.
        LatentlabError: when something stands at `folder`, or it cannot be written.
    """
    from latentlab.checkpoints import write_checkpoint
    from latentlab.models import ModelConfig
    from latentlab.runs.describe import describe

    if folder.exists():
        raise LatentlabError(f"expected {folder} not to be there yet, got one; choose another --name or --out")
    model = run.checkpoint.model
    about = {**run.checkpoint.about, "name": name, "seed": seed, "versions": versions()}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f".{folder.name[:40]}.", dir=folder.parent))
    except OSError as error:
        raise cannot_write(folder, error) from error
    try:
        if isinstance(model.config, ModelConfig):
            write_checkpoint(making / CHECKPOINT, model, about)
        else:
            _copy_program(run, making, about, claims)
        metrics = {}
        if train is not None and test is not None:
            written = open_run(making).checkpoint
            metrics = describe(making, written, train, test, seed=seed, training={}, progress=progress)
        making.chmod(0o755)
        making.rename(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return metrics


def _copy_program(run: Run, folder: Path, about: dict[str, Any], claims: Claims | None) -> None:
    """The files of a program, and how they were opened.

    Raises:
        CapabilityError: when no file is the program.
    """
    from latentlab.checkpoints.container import open_container
    from latentlab.checkpoints.foreign.open import read_foreign
    from latentlab.checkpoints.foreign.opened import Claims as Said

    if getattr(run.checkpoint.model.config, "origin", "") == "loader":
        raise CapabilityError(
            "expected a model that a file tells, got one that code of yours makes: a folder must not run code when it "
            "is opened; make it a file with `latentlab export --model PATH --loader … --format torchscript`, and adopt "
            "that"
        )
    files = folder / PROGRAM_FILES
    files.mkdir()
    for part in open_container(run.path).parts:
        shutil.copyfile(part.file, files / part.file.name)
        # ONNX may keep the numbers of a graph beside it.
        for beside in part.file.parent.glob(f"{part.file.name}?*"):
            if beside.is_file():
                shutil.copyfile(beside, files / beside.name)
    kept = read_foreign(files, claims)
    write_json(folder / PROGRAM, {"claims": schema.plain(claims or Said()), "hash": kept.hash, "about": about})
