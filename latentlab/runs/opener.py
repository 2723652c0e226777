"""A model opened again in another process, or on another machine, by the path of its checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latentlab.errors import CapabilityError
from latentlab.latents.encode_part import Opener
from latentlab.runs.run import Run, open_run

if TYPE_CHECKING:
    from latentlab.codec import Codec


def open_codec(model: str) -> tuple[Codec, str]:
    """The model of a bundled name, a run or a checkpoint, and the checkpoint's hash."""
    checkpoint = open_run(model).checkpoint
    return checkpoint.model, checkpoint.hash


def build_opener(run: Run, device: str) -> Opener:
    """What opens the same model elsewhere.

    Args:
        run: the model as it was opened.
        device: where it is to run.

    Raises:
        CapabilityError: when its files alone do not make it again.
    """
    path = str(run.path.absolute())
    if open_codec(path)[1] != run.checkpoint.hash:
        raise CapabilityError(
            f"expected a model that its files alone tell, got {run.name}, of which more was said, or code made it; "
            "`latentlab adopt` it first and take the run that it writes"
        )
    return Opener(open_codec, path, device, run.checkpoint.hash)
