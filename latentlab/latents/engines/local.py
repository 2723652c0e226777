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

from latentlab.errors import UNREACHABLE, LatentlabError, UsageError
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
    _refuse_address(address)
    if min(workers, len(tasks)) <= 1:
        yield from ((at, function(task, report)) for at, task in enumerate(tasks))
        return
    with Crew() as crew:
        yield from crew.map_tasks(function, tasks, workers=workers, report=report)


class Crew:
    """Spawned processes that stay between one map and the next, with what they have opened; a context that ends them.

    Whoever asks needs nothing of what they work with: a process that has imported torch keeps 300 MB of it.
    """

    def __init__(self) -> None:
        self._workers: list[_Worker] = []

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes; who asks again gets new ones."""
        for worker in self._workers:
            worker.stop()
        self._workers = []

    def ask(self, function: Callable[[Any, Report], Any], task: Any) -> Any:
        """The result of one task.

        Raises:
            LatentlabError: as `map_tasks`.
        """
        ((_, answer),) = self.map_tasks(function, [task], workers=1, report=lambda images: None)
        return answer

    def map_tasks(
        self,
        function: Callable[[Any, Report], Any],
        tasks: Sequence[Any],
        *,
        workers: int,
        report: Report,
        address: str | None = None,
        gpus: int = 0,
    ) -> Generator[tuple[int, Any]]:
        """Run a function on every task in the crew's processes, which become as many as are asked for. See `Engine`."""
        _refuse_address(address)
        waiting = list(range(len(tasks)))[::-1]
        tries = [0] * len(tasks)
        wanted = min(workers, len(tasks))
        try:
            while len(self._workers) < wanted:
                self._workers.append(_Worker())
            for worker in self._workers[:wanted]:
                worker.begin(waiting.pop(), function, tasks)
            while busy := [worker for worker in self._workers if worker.number is not None]:
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
                        self._workers[self._workers.index(worker)] = worker = _Worker()
                        worker.begin(number, function, tasks)
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
                        worker.begin(waiting.pop(), function, tasks)
                    yield number, value
        finally:
            # One that is still at work would answer the next question with this one's result.
            for worker in [one for one in self._workers if one.number is not None]:
                worker.stop()
                self._workers.remove(worker)


def _refuse_address(address: str | None) -> None:
    if address is not None:
        raise UsageError(f"expected no address with the engine local, got {address!r}; use the engine ray")


class _Worker:
    """A process that waits for tasks."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.number: int | None = None
        # Of its task, done so far: they are to be done again if it dies.
        self.images = 0
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        # Held here too, it would never end when the worker does.
        theirs.close()

    def begin(self, number: int, function: Callable[[Any, Report], Any], tasks: Sequence[Any]) -> None:
        """Give it a task; one that has died is found out when it is listened to."""
        self.number, self.images = number, 0
        try:
            self.connection.send((function, tasks[number]))
        except (BrokenPipeError, ConnectionResetError):
            return

    def hear(self) -> tuple[str, Any] | None:
        """What it says, or None when it is gone."""
        try:
            message: tuple[str, Any] = self.connection.recv()
        except (EOFError, OSError):
            # Also in the middle of a message.
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


def _serve(connection: Connection) -> None:
    """The life of a worker: a task after the other, until whoever gave them is gone."""
    # Ctrl-C goes to the whole group; the parent hears it, and ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_parent()
    keep_memory()

    def report(images: int) -> None:
        connection.send(("images", images))

    while True:
        try:
            function, task = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = ("done", function(task, report))
        except LatentlabError as error:
            answer = ("failed", error)
        except Exception as error:
            # A mistake of ours: as text, since not every error survives being sent, with the place, which none keeps.
            told: Exception = RuntimeError(f"{type(error).__name__}: {error}")
            if isinstance(error, OSError) and error.errno in UNREACHABLE and error.filename is not None:
                # Or a path of the user's that nobody can ask about, who is told so.
                told = OSError(error.errno, error.strerror, str(error.filename))
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
    reason = "; memory may be short" if code == -signal.SIGKILL else ""
    return f"{task} ended its worker {TRIES} times ({how}){reason}{getattr(task, 'advice', '')}"
