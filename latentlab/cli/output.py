"""What a command prints: the model and why, a strip, the numbers that matter, notes, and what was written."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlab.errors import LatentlabError

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from latentlab.cli.progress import Reporter
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.lab.result import Result

OUTPUTS = Path("outputs")
# Longer names of folders are hard to type, and some file systems refuse them.
LONGEST_NAME = 80
# Where nobody watches, tables take what room they need.
PIPE_WIDTH = 200
SHOWN_SKIPPED = 3


class Output:
    """Prints for one command.

    Args:
        quiet: only the paths of what was written.
        as_json: only one JSON document.
        open_page: open the page when it is written.
    """

    def __init__(self, quiet: bool = False, as_json: bool = False, open_page: bool = False) -> None:
        self.as_json = as_json
        self.silent = quiet or as_json
        self.open_page = open_page
        self.notes: list[str] = []

    @cached_property
    def console(self) -> Console:
        """rich's console on stdout, which knows NO_COLOR, TERM=dumb and pipes."""
        from rich.console import Console

        console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        if not console.is_terminal:
            console.width = PIPE_WIDTH
        return console

    def progress(self) -> Reporter:
        """The progress of long work, on stderr."""
        from latentlab.cli.progress import Reporter

        return Reporter(shown=not self.silent)

    def line(self, text: str = "", style: str = "") -> None:
        """Print one line."""
        if not self.silent:
            self.console.print(text, style=style or None)

    def note(self, text: str) -> None:
        """Something the user should know; goes into the JSON too."""
        self.notes.append(text)

    def open(self, model: str | None, device: str, names: Iterable[str] = ()) -> Lab:
        """Open a model, and say which and why where nobody chose it."""
        from latentlab.lab.lab import load

        asked = list(dict.fromkeys(names))
        lab = load(model, device, names=asked)
        why = ""
        if model is None:
            why = f" (bundled; knows {', '.join(asked)})" if asked else " (bundled; --model opens another)"
        self.line(f"model: {lab.name}{why}", "bold")
        return lab

    def data(self, source: str | None, lab: Lab, **options: Any) -> Dataset | None:
        """Load the images that were asked for, fitted to the model; None where none were."""
        from latentlab.errors import UsageError

        if source is None:
            given = [name for name in ("root", "attributes", "download") if options.get(name)]
            if given:
                raise UsageError(f"--{given[0]} says where --data SOURCE is found; give --data too")
            return None
        from latentlab.data import load_data

        data = load_data(source, image=lab.image, **options)
        if data.skipped:
            shown = ", ".join(f"{bad.name} ({bad.reason})" for bad in data.skipped[:SHOWN_SKIPPED])
            more = ", …" if len(data.skipped) > SHOWN_SKIPPED else ""
            self.note(f"skipped {len(data.skipped)} files that cannot be read: {shown}{more}")
        what = "image" if len(data) == 1 else "images"
        self.line(f"data: {source}, {len(data)} {what} of the {data.split} split")
        return data

    def result(self, result: Any, out: Path | None, extra: Sequence[Path] = ()) -> None:
        """Save a result and show it."""
        from latentlab.lab.result import record

        folder = OUTPUTS / folder_name(result.name) if out is None else out
        paths = [*result.save(folder, invocation()), *extra]
        paths.sort(key=lambda path: (path.parent != folder, path.suffix != ".html", path.name))
        page = paths[0]
        opened = self._opened(page)
        notes = [
            *self.notes,
            *result.notes,
            *([] if opened else [f"no browser was found; open {shown(page)} yourself"]),
        ]
        if self.as_json:
            self.json({**record(result), "notes": notes, "folder": shown(folder), "files": [shown(p) for p in paths]})
            return
        self.strip(result.strip())
        self.scores(result.scores)
        self.say_notes(notes)
        self.paths(paths)

    def json(self, value: Any) -> None:
        """Print a value as JSON, the only thing on stdout."""
        from latentlab.lab.result import plain

        ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
        print(json.dumps(plain(value), indent=2, ensure_ascii=ascii_only, allow_nan=False))

    def say_notes(self, notes: Iterable[str]) -> None:
        """Print notes, each once."""
        for note in dict.fromkeys(notes):
            self.line(f"note: {note}", "yellow")

    def paths(self, paths: Sequence[Path]) -> None:
        """Print what was written, as the user would type it."""
        for path in paths:
            print(shown(path))

    def scores(self, scores: Mapping[str, Any]) -> None:
        """Print numbers: a line each, and as a table those that have several by the same name."""
        if self.silent:
            return
        nested = {name: value for name, value in scores.items() if isinstance(value, Mapping)}
        self.pairs({name: value for name, value in scores.items() if name not in nested})
        if nested:
            columns = list(dict.fromkeys(key for row in nested.values() for key in row))
            self.table(["", *columns], [[name, *(row.get(key) for key in columns)] for name, row in nested.items()])

    def pairs(self, pairs: Mapping[str, Any]) -> None:
        """Print names and values in two columns."""
        named = {str(name).replace("_", " "): figure(value) for name, value in pairs.items()}
        width = max(map(len, named), default=0)
        for name, value in named.items():
            self.line(f"{name:<{width}}  {value}")

    def table(self, headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Print a table; columns of numbers are aligned to the right."""
        if self.silent:
            return
        from rich.table import Table
        from rich.text import Text

        rows = [list(row) for row in rows]
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        for i, header in enumerate(headers):
            numeric = bool(rows) and all(row[i] is None or isinstance(row[i], int | float) for row in rows)
            table.add_column(Text(str(header).replace("_", " ")), justify="right" if numeric else "left")
        for row in rows:
            table.add_row(*(Text(figure(value)) for value in row))
        self.console.print(table, soft_wrap=False)

    def strip(self, images: np.ndarray) -> None:
        """Draw images in the terminal, where it can."""
        console = self.console
        colours = console.color_system
        if self.silent or not console.is_terminal or console.no_color or colours not in ("truecolor", "256"):
            return
        from latentlab.picture.terminal import terminal_strip

        drawn = terminal_strip(images, shutil.get_terminal_size().columns)
        if drawn:
            print(drawn if colours == "truecolor" else fewer_colours(drawn))

    def _opened(self, page: Path) -> bool:
        if not self.open_page or page.suffix != ".html":
            return True
        import webbrowser

        return webbrowser.open(page.resolve().as_uri())


def check_folder(out: Path | None) -> None:
    """Refuse a folder that cannot be written before any work is done for it.

    Raises:
        LatentlabError: when a file stands in the way, or writing is not allowed.
    """
    from latentlab.files import cannot_write

    path = OUTPUTS if out is None else out
    there = next(place for place in (path, *path.absolute().parents) if place.exists() or place.is_symlink())
    if not there.is_dir():
        raise cannot_write(path, NotADirectoryError(20, f"{shown(there)} is a file"))
    if not os.access(there, os.W_OK | os.X_OK):
        raise cannot_write(path, PermissionError(13, f"{shown(there)} may not be written"))


def folder_name(name: str) -> str:
    """A name that every file system takes: `morph-1 (no. 3)-7` becomes `morph-1-no.-3-7`."""
    return re.sub(r"[^\w.+@-]+", "-", name)[:LONGEST_NAME].strip("-.") or "result"


def invocation() -> str:
    """The command as it was typed, for the page."""
    return shlex.join(["latentlab", *sys.argv[1:]])


def shown(path: Path) -> str:
    """A path as the user would type it: relative where it lies below the current directory."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def figure(value: Any) -> str:
    """A number with the figures that matter, a list with commas, a dash for what is not known."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    if isinstance(value, list | tuple):
        return ", ".join(figure(item) for item in value)
    return str(value)


def fewer_colours(drawn: str) -> str:
    """The same strip for a terminal of 256 colours: each moves to the nearest of the 6 × 6 × 6 cube."""

    def nearest(match: re.Match[str]) -> str:
        red, green, blue = (round(int(value) / 255 * 5) for value in match.groups()[1:])
        return f"{match[1]};5;{16 + 36 * red + 6 * green + blue}"

    return re.sub(r"\b(38|48);2;(\d+);(\d+);(\d+)", nearest, drawn)


def require(condition: bool, message: str) -> None:
    """Refuse words that do not fit together.

    Raises:
        UsageError: with the message, when the condition does not hold.
    """
    from latentlab.errors import UsageError

    if not condition:
        raise UsageError(message)


__all__ = ["LatentlabError", "Output", "check_folder", "require", "shown"]
