"""What a person at a terminal sees: a strip where it can be shown, and progress with the time left."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable

import pytest

from latentlab.cli.output import fewer_colours, figure
from latentlab.cli.progress import Reporter, clock

pty = pytest.importorskip("pty")


@pytest.mark.parametrize(
    ("settings", "drawn"),
    [
        ({"COLORTERM": "truecolor", "TERM": "xterm-256color"}, r"\x1b\[38;2;"),
        ({"COLORTERM": "", "TERM": "xterm-256color"}, r"\x1b\[38;5;"),
        ({"NO_COLOR": "1", "TERM": "xterm-256color", "COLORTERM": "truecolor"}, None),
        ({"TERM": "dumb", "COLORTERM": ""}, None),
    ],
    ids=["truecolor", "256", "no-color", "dumb"],
)
def test_strip_where_the_terminal_can(tiny_run, monkeypatch, settings, drawn):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    shown = in_terminal("morph", "1", "7", "--model", str(tiny_run))
    assert "model: tiny" in shown
    if drawn is None:
        assert "▀" not in shown
        assert "38;" not in shown
    else:
        assert "▀" in shown
        assert re.search(drawn, shown)


def in_terminal(*words: str) -> str:
    """The command's output, as a terminal of 80 columns gets it."""
    read: list[bytes] = []

    def keep(descriptor: int) -> bytes:
        part = os.read(descriptor, 65536)
        read.append(part)
        return part

    code = (
        "import pty, sys, os\n"
        "os.environ['COLUMNS'] = '80'\n"
        "sys.exit(os.waitstatus_to_exitcode(pty.spawn([sys.executable, '-m', 'latentlab', *sys.argv[1:]])))"
    )
    import subprocess
    from pathlib import Path

    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def epochs(report: Reporter, count: int, tick: Callable[[], None]) -> None:
    for epoch in range(1, count + 1):
        for step in range(1, 6):
            tick()
            report(f"epoch {epoch} of {count}", 5 * (epoch - 1) + step, 5 * count, f"loss {10 - epoch}.00")
    report("encoding digits", 1, 2)
    report("encoding digits", 2, 2)


@pytest.fixture
def clockwork(monkeypatch):
    """A clock that moves only when it is told to."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_progress_without_a_terminal_is_a_line_an_epoch(capsys, clockwork):
    def tick():
        clockwork[0] += 1

    with Reporter(terminal=False) as report:
        epochs(report, 3, tick)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("  ")[:2] for line in lines] == [[f"epoch {i} of 3", f"loss {10 - i}.00"] for i in (1, 2, 3)]
    assert [line.endswith("left") for line in lines] == [True, True, False]


def test_quick_epochs_share_a_line(capsys, clockwork):
    with Reporter(terminal=False) as report:
        epochs(report, 5, lambda: None)
    assert capsys.readouterr().err == "epoch 5 of 5  loss 5.00\n"


def test_progress_that_nobody_asked_for_is_silent(capsys):
    with Reporter(shown=False, terminal=False) as report:
        report("epoch 1 of 1", 1, 1, "loss 1.00")
    assert capsys.readouterr().err == ""


def test_progress_of_slow_work_says_the_time_left(capsys, clockwork):
    report = Reporter(terminal=False)
    report("encoding mnist", 0, 100)
    clockwork[0] = 30.0
    report("encoding mnist", 25, 100)
    assert capsys.readouterr().err == "encoding mnist  25%    1:30 left\n"


def test_clock():
    assert [clock(seconds) for seconds in (0, 59.6, 75, 3700)] == ["0:00", "1:00", "1:15", "1:01:40"]


def test_figures():
    values = [None, True, 3, 0.123456, 12345.6, [1, 2.5], "text"]
    assert [figure(value) for value in values] == ["–", "yes", "3", "0.1235", "12,346", "1, 2.5", "text"]


def test_fewer_colours():
    assert fewer_colours("\x1b[38;2;255;0;0;48;2;0;0;255m▀") == "\x1b[38;5;196;48;5;21m▀"
