"""Progress with the time left: a bar on a terminal, now and then a line elsewhere. Always on stderr."""

from __future__ import annotations

import re
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

# Work that is done sooner than this needs no bar.
PATIENCE_SECONDS = 0.7
# Where nobody watches, a line that often is a log, more of them are a flood.
LINE_SECONDS = 20.0
# Epochs shorter than this share a line with those after them.
PHASE_SECONDS = 2.0
NUMBERED = re.compile(r"\d+ of \d+")


class Reporter:
    """Shows `runtime.Progress`. Phases of one job (`epoch 1 of 20`, `epoch 2 of 20`) share a total and one bar.

    Args:
        shown: False shows nothing.
        terminal: whether stderr is one; None looks.
    """

    def __init__(self, shown: bool = True, terminal: bool | None = None) -> None:
        self.shown = shown
        self.terminal = sys.stderr.isatty() if terminal is None else terminal
        self._task, self._done, self._total, self._note = "", 0, 0, ""
        self._began = self._said = time.monotonic()
        self._first = 0
        self._bar: Bar | None = None
        self._row: TaskID | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._phase_ended(last=True)
        self._close()

    def __call__(self, task: str, done: int, total: int, note: str = "") -> None:
        """Take a report of progress."""
        if not self.shown:
            return
        if task != self._task or done < self._done:
            other_job = total != self._total or done < self._done
            self._phase_ended(last=other_job)
            if other_job:
                self._begin(done)
        self._task, self._done, self._total, self._note = task, done, total, note
        now = time.monotonic()
        if self.terminal:
            if self._bar is None and now - self._began > PATIENCE_SECONDS:
                self._open()
            if self._bar is not None and self._row is not None:
                self._bar.update(self._row, description=task, completed=done, total=total or None, note=note)
        elif now - self._said > LINE_SECONDS:
            self._say(f"{task}  {self._share()}  {note}  {self._left(now)}")

    def _begin(self, done: int) -> None:
        self._close()
        self._began = self._said = time.monotonic()
        self._first = done

    def _phase_ended(self, last: bool) -> None:
        """Leave a line where a numbered phase is over, such as an epoch; of quick ones only now and then."""
        if not self.shown or not NUMBERED.search(self._task):
            return
        now = time.monotonic()
        if not last and now - self._said < PHASE_SECONDS:
            return
        text = f"{self._task}  {self._note}"
        if self._bar is not None:
            self._said = now
            self._bar.console.print(text, markup=False, highlight=False)
        elif not self.terminal:
            self._say(f"{text}  {self._left(now)}")

    def _say(self, text: str) -> None:
        self._said = time.monotonic()
        print(text.rstrip(), file=sys.stderr, flush=True)

    def _share(self) -> str:
        return f"{self._done / self._total:.0%}" if self._total else str(self._done)

    def _left(self, now: float) -> str:
        """The time left at the pace so far; "" when nothing is left or known."""
        gone = self._done - self._first
        left = self._total - self._done
        if gone <= 0 or left <= 0:
            return ""
        return f"{clock((now - self._began) / gone * left)} left"

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=Console(stderr=True),
            transient=True,
        )
        self._bar.start()
        self._row = self._bar.add_task(self._task, total=self._total or None, completed=self._done, note=self._note)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._row = None


def clock(seconds: float) -> str:
    """Seconds as a clock shows them.

    >>> clock(75), clock(3700)
    ('1:15', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
