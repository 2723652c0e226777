"""What every result has in common: where it comes from, and how it is written and shown."""

from __future__ import annotations

import html
import importlib.metadata
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from latentlab.files import write_bytes
from latentlab.picture.encode import data_uri, enlarge, png_bytes
from latentlab.picture.grid import grid
from latentlab.report.page import Section, render_page

PAGE = "index.html"
RECORD = "result.json"
# Frames in a notebook cell or a terminal line: more are too small to see.
SHOWN = 16
LONGEST_NAME = 80


@dataclass(frozen=True)
class Origin:
    """Which model made a result, and from what.

    Args:
        command: the verb, such as "morph".
        model: the name of the model.
        checkpoint: its hash.
        seed: that decided everything random.
        inputs: what was asked for, as plain values.
    """

    command: str
    model: str
    checkpoint: str
    seed: int = 0
    inputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """What the result is of: the table of latents that was looked at, else the model."""
        table = self.inputs.get("latents")
        return self.model if table is None else str(table).rstrip("/").rpartition("/")[2]


class Result(Protocol):
    """What the verbs of a Lab return. Every result shows itself in a notebook and can be saved as a folder."""

    @property
    def origin(self) -> Origin:
        """Which model made it, and from what."""

    @property
    def name(self) -> str:
        """The folder that suits it."""

    @property
    def title(self) -> str:
        """The heading of its page."""

    @property
    def scores(self) -> Mapping[str, Any]:
        """Numbers by name."""

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know."""

    def pictures(self) -> dict[str, bytes]:
        """The files beside the page, by name."""

    def sections(self) -> list[Section]:
        """The parts of the page."""

    def strip(self) -> np.ndarray:
        """A few images of shape (n, c, h, w) that stand for the result in a terminal or a notebook."""


def folder_name(*parts: str) -> str:
    """A name that every file system takes, from what people typed.

    >>> folder_name("morph", "1", "my photo.png", "a/b")
    'morph-1-my_photo.png-a_b'
    """
    kept = ["".join(c if c.isalnum() or c in "-_.+" else "_" for c in part).strip("._") or "_" for part in parts]
    return re.sub("_+", "_", "-".join(kept))[:LONGEST_NAME]


def record(result: Result) -> dict[str, Any]:
    """The machine-readable form of a result: inputs, model, versions, scores, notes."""
    origin = result.origin
    return {
        "command": origin.command,
        "inputs": dict(origin.inputs),
        "model": origin.model,
        "checkpoint": origin.checkpoint,
        "seed": origin.seed,
        "versions": {name: importlib.metadata.version(name) for name in ("latentlab", "torch", "numpy")},
        "scores": plain(result.scores),
        "notes": list(result.notes),
    }


def page(result: Result, invocation: str | None = None) -> str:
    """The result as one self-contained HTML page."""
    origin = result.origin
    provenance = {
        "model": origin.model,
        "checkpoint": origin.checkpoint[:12],
        "seed": origin.seed,
        "latentlab": importlib.metadata.version("latentlab"),
        "torch": importlib.metadata.version("torch"),
        "command": invocation,
    }
    # Maps and reports carry the model's decoder; other pages are finished pictures.
    live = getattr(result, "live", None)
    return render_page(result.title, f"{origin.model} · latentlab", result.sections(), provenance, live)


def save(
    result: Result, folder: Path, invocation: str | None = None, beside: Mapping[str, bytes] | None = None
) -> list[Path]:
    """Write a result's pictures, page and record, and the files that come beside them, into a folder.

    Everything is made before the first file is written, and when one cannot be written, those that this call added
    are taken away again.

    Raises:
        LatentlabError: when the folder cannot be written.
    """
    content = {**result.pictures(), **(beside or {})}
    content[PAGE] = page(result, invocation).encode()
    content[RECORD] = (json.dumps(record(result), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    folder = Path(folder)
    fresh = [folder / name for name in content if not (folder / name).exists()]
    existed = folder.exists()
    try:
        return [write_bytes(folder / name, bytes_) for name, bytes_ in content.items()]
    except BaseException:
        for path in fresh:
            # is_file first: below a file that stands in the way, even asking to delete is an error.
            if path.is_file():
                path.unlink()
        if not existed and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise


def one_line(result: Result) -> str:
    """The result as a console shows it: what it is, and its scores, rather than thousands of pixels."""
    scores = ", ".join(f"{key}: {show(value)}" for key, value in plain(result.scores).items() if np.isscalar(value))
    return f"{type(result).__name__}({result.title!r} of {result.origin.model!r}{'; ' + scores if scores else ''})"


def html_strip(result: Result) -> str:
    """The result as a notebook shows it: its title, a strip and the scores."""
    images = result.strip()[:SHOWN]
    title, picture = html.escape(result.title), ""
    # Latents whose model nobody knows have none.
    if len(images):
        source = data_uri(png_bytes(grid(enlarge(images, side=72), columns=len(images))), "image/png")
        picture = f'<br><img src="{source}" alt="{title}" style="max-width:100%">'
    lines = [f"{html.escape(str(key))}: {html.escape(show(value))}" for key, value in plain(result.scores).items()]
    notes = "".join(f"<div><em>{html.escape(note)}</em></div>" for note in result.notes)
    return f"<div><strong>{title}</strong>{picture}<div>{' · '.join(lines)}</div>{notes}</div>"


def show(value: Any) -> str:
    """A number with the figures that matter, anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def plain(value: Any) -> Any:
    """numpy's numbers and arrays as JSON can hold them; numbers that are not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
