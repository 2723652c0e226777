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

from latentlab.errors import visible

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console

    from latentlab.cli.progress import Reporter

Table = tuple[Sequence[str], Sequence[Sequence[Any]]]

OUTPUTS = Path("outputs")
# Where nobody watches, tables take what room they need.
PIPE_WIDTH = 200
SHOWN_PATHS = 20


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

        return Reporter(shown=not self.silent or (self.as_json and sys.stderr.isatty()))

    def line(self, text: str = "", style: str = "") -> None:
        """Print one line."""
        if not self.silent:
            self.console.print(visible(text), style=style or None)

    def note(self, text: str) -> None:
        """Something the user should know; goes into the JSON too."""
        self.notes.append(text)

    def result(self, result: Any, out: Path | None, table: Table | None = None) -> None:
        """Save a result and show it.

        Args:
            result: what a verb of the lab returned.
            out: where to, or None for `outputs/` and the result's own name.
            table: headers and rows that show the scores better than their names and values.
        """
        folder = OUTPUTS / result.name if out is None else out
        paths = sorted(result.save(folder, invocation()), key=lambda path: (path.suffix != ".html", path.name))
        if self.open_page and not _open(paths[0]):
            self.note(f"no browser was found; open {shown(paths[0])} yourself")
        self._show(result, folder, paths, table)

    def files(self, result: Any, folder: Path, paths: Sequence[Path]) -> None:
        """Show a result that was written as single files."""
        self._show(result, folder, paths)

    def _show(self, result: Any, folder: Path, paths: Sequence[Path], table: Table | None = None) -> None:
        notes = list(dict.fromkeys([*self.notes, *result.notes]))
        if self.as_json:
            from latentlab.lab.result import record

            self.json({**record(result), "notes": notes, "folder": shown(folder), "files": [shown(p) for p in paths]})
            return
        self.strip(result.strip())
        if table is None:
            self.scores(result.scores)
        else:
            self.table(*table)
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
        """Print what was written, as the user would type it; of very many the first and the last."""
        if len(paths) > SHOWN_PATHS and not self.silent:
            print(f"{len(paths):,} files: {shown(paths[0])} … {shown(paths[-1])}")
            return
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
        from rich.table import Table as RichTable
        from rich.text import Text

        rows = [list(row) for row in rows]
        table = RichTable(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        for i, header in enumerate(headers):
            numeric = bool(rows) and all(row[i] is None or isinstance(row[i], int | float) for row in rows)
            table.add_column(Text(visible(str(header)).replace("_", " ")), justify="right" if numeric else "left")
        for row in rows:
            table.add_row(*(Text(visible(figure(value))) for value in row))
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


def _open(page: Path) -> bool:
    """Whether a browser took the page."""
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
