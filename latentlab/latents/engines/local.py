"""`local`: processes of this machine, a task each; one that dies is replaced, and its task is asked again."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from latentlab.errors import LatentlabError, UsageError
from latentlab.latents.engines import Report
from latentlab.runtime import keep_memory

# How often a task may end its worker before it is taken for the reason.
TRIES = 3
PATIENCE_SECONDS = 5.0


def map_tasks(
    function: Callable[[Any, Report], Any],
    tasks: Sequence[Any],
    *,
    workers: int,
    report: Report,
    address: str | None = None,
    gpus: int = 0,
) -> Generator[tuple[int, Any]]:
    """Run a function on every task in spawned processes; with one worker, in this one. See `Engine`.

    GPUs are not handed out: the device of a task says which it is.
    """
    if address is not None:
        raise UsageError(f"expected no address with the engine local, got {address!r}; use the engine ray")
    workers = min(workers, len(tasks))
    if workers <= 1:
        yield from ((at, function(task, report)) for at, task in enumerate(tasks))
        return
    waiting = list(range(len(tasks)))[::-1]
    tries = [0] * len(tasks)
    crew: list[_Worker] = []
    try:
        crew = [_Worker(function) for _ in range(workers)]
        for worker in crew:
            worker.begin(waiting.pop(), tasks)
        while busy := [worker for worker in crew if worker.number is not None]:
            ready = wait([worker.connection for worker in busy])
            for worker in (one for one in busy if one.connection in ready):
                number = worker.number
                assert number is not None
                message = worker.hear()
                if message is None:
                    tries[number] += 1
                    report(-worker.images)
                    code = worker.stop()
                    if tries[number] >= TRIES:
                        raise LatentlabError(_died(tasks[number], code))
                    crew[crew.index(worker)] = worker = _Worker(function)
                    worker.begin(number, tasks)
                    continue
                kind, value = message
                if kind == "images":
                    worker.images += value
                    report(value)
                    continue
                if kind == "failed":
                    raise value
                worker.number = None
                if waiting:
                    worker.begin(waiting.pop(), tasks)
                yield number, value
    finally:
        for worker in crew:
            worker.stop()


class _Worker:
    """A process that waits for tasks."""

    def __init__(self, function: Callable[[Any, Report], Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self.number: int | None = None
        # Of its task, done so far: they are to be done again if it dies.
        self.images = 0
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, function), daemon=True)
        self.process.start()
        # Held here too, it would never end when the worker does.
        theirs.close()

    def begin(self, number: int, tasks: Sequence[Any]) -> None:
        """Give it a task; one that has died is found out when it is listened to."""
        self.number, self.images = number, 0
        try:
            self.connection.send(tasks[number])
        except (BrokenPipeError, ConnectionResetError):
            return

    def hear(self) -> tuple[str, Any] | None:
        """What it says, or None when it is gone."""
        try:
            message: tuple[str, Any] = self.connection.recv()
        except (EOFError, ConnectionResetError):
            return None
        return message

    def stop(self) -> int | None:
        """End it; returns its exit code."""
        self.connection.close()
        self.process.terminate()
        self.process.join(PATIENCE_SECONDS)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        return self.process.exitcode


def _serve(connection: Connection, function: Callable[[Any, Report], Any]) -> None:
    """The life of a worker: a task after the other, until whoever gave them is gone."""
    # Ctrl-C goes to the whole group; the parent hears it, and ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    keep_memory()

    def report(images: int) -> None:
        connection.send(("images", images))

    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = ("done", function(task, report))
        except LatentlabError as error:
            answer = ("failed", error)
        except Exception as error:
            # A mistake of ours: as text, since not every error survives being sent, with the place, which none keeps.
            told = RuntimeError(f"{type(error).__name__}: {error}")
            told.add_note(traceback.format_exc())
            answer = ("failed", told)
        connection.send(answer)


def _end_with_parent() -> None:
    """Leave when the parent is gone, however it went: what a worker without one does, nobody waits for."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _died(task: Any, code: int | None) -> str:
    how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
    reason = "; memory may be short: take fewer --workers" if code == -signal.SIGKILL else ""
    return f"{task} ended its worker {TRIES} times ({how}){reason}; what is done stays: go on with --resume"
