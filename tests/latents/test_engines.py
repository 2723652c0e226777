"""Engines: every task once, whatever dies; the first error comes out; nothing stays behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from pathlib import Path
from types import ModuleType

import pytest

from latentlab.errors import DataError, LatentlabError, UnknownNameError, UsageError
from latentlab.latents.engines import ENGINES, find_engine
from latentlab.latents.engines.local import Crew, map_tasks
from latentlab.latents.engines.ray import map_tasks as map_with_ray

# Sent to processes by the name of its module.
TASKS = '''
import os, signal
from pathlib import Path
from latentlab.errors import DataError

def double(task, report):
    for _ in range(task % 3):
        report(1)
    return 2 * task

def once(task, report):
    """Dies the first time that it is asked."""
    number, folder = task
    report(5)
    mark = Path(folder) / str(number)
    if number == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number

def deadly(task, report):
    os.kill(os.getpid(), signal.SIGKILL)

def refuse(task, report):
    if task == 2:
        raise DataError("task 2 is wrong")
    return task

def threads(task, report):
    return os.getpid()

def reach(task, report):
    return os.stat(task)

class Advised(int):
    advice = "; do something else"

class Odd(OSError):
    """One that cannot be sent."""
    def __init__(self, first, second):
        super().__init__(28, first + second)

def odd(task, report):
    raise BrokenPipeError(32, "Broken pipe") if task else Odd("no", "where")
'''


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "engine_tasks.py").write_text(TASKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("engine_tasks", None)
    import engine_tasks  # type: ignore[import-not-found]

    return engine_tasks


@pytest.mark.parametrize("workers", [1, 3])
def test_every_task_is_done_once(tasks: ModuleType, workers: int) -> None:
    reported: list[int] = []
    found = dict(map_tasks(tasks.double, range(10), workers=workers, report=reported.append))
    assert found == {number: 2 * number for number in range(10)}
    assert sum(reported) == sum(number % 3 for number in range(10))
    assert multiprocessing.active_children() == []


def test_work_is_shared_by_other_processes(tasks: ModuleType) -> None:
    found = {value for _, value in map_tasks(tasks.threads, range(6), workers=2, report=lambda images: None)}
    assert os.getpid() not in found and 1 <= len(found) <= 2
    assert dict(map_tasks(tasks.threads, [0], workers=2, report=lambda images: None)) == {0: os.getpid()}


def test_a_crew_stays_between_two_maps_and_ends_with_its_context(tasks: ModuleType) -> None:
    with Crew() as crew:
        first = crew.ask(tasks.threads, 0)
        assert first == crew.ask(tasks.threads, 1) != os.getpid()
        shared = {value for _, value in crew.map_tasks(tasks.threads, range(9), workers=2, report=lambda images: None)}
        assert first in shared and len(shared) <= 2
        os.kill(first, signal.SIGKILL)
        # Whoever has died meanwhile is replaced.
        assert crew.ask(tasks.double, 21) == 42
        crew.close()
        assert multiprocessing.active_children() == []
        assert crew.ask(tasks.double, 4) == 8
    assert multiprocessing.active_children() == []


def test_what_a_crew_left_unanswered_is_no_answer_to_the_next_question(tasks: ModuleType) -> None:
    with Crew() as crew:
        with pytest.raises(DataError):
            list(crew.map_tasks(tasks.refuse, range(5), workers=2, report=lambda images: None))
        begun = crew.map_tasks(tasks.double, range(50, 60), workers=2, report=lambda images: None)
        next(begun)
        begun.close()
        assert dict(crew.map_tasks(tasks.double, range(5), workers=2, report=lambda images: None)) == {
            number: 2 * number for number in range(5)
        }


def test_a_path_that_nobody_can_ask_about_is_told_as_it_is(tasks: ModuleType) -> None:
    with Crew() as crew, pytest.raises(OSError, match="too long") as kept:
        crew.ask(tasks.reach, "x" * 5000)
    assert kept.value.filename == "x" * 5000 and "in reach" in kept.value.__notes__[0]


@pytest.mark.parametrize("task", [0, 1])
def test_other_errors_of_the_system_are_ours_and_keep_their_place(tasks: ModuleType, task: int) -> None:
    # Taken for those of this process, they would be misread: as a full disk, or a pipe that nobody reads.
    with Crew() as crew, pytest.raises(RuntimeError, match=r"BrokenPipeError|Odd") as kept:
        crew.ask(tasks.odd, task)
    assert "in odd" in kept.value.__notes__[0]


def test_what_to_do_about_a_task_that_ends_its_workers_is_its_own_advice(tasks: ModuleType) -> None:
    with (
        Crew() as crew,
        pytest.raises(LatentlabError, match=r"7 ended its worker 3 times \(by signal 9\); memory") as kept,
    ):
        crew.ask(tasks.deadly, 7)
    assert str(kept.value).endswith("memory may be short")
    with Crew() as crew, pytest.raises(LatentlabError, match=r"memory may be short; do something else$"):
        crew.ask(tasks.deadly, tasks.Advised(7))


def test_a_task_whose_worker_dies_is_asked_again(tasks: ModuleType, tmp_path: Path) -> None:
    reported: list[int] = []
    given = [(number, str(tmp_path)) for number in range(4)]
    found = dict(map_tasks(tasks.once, given, workers=2, report=reported.append))
    assert found == {number: number for number in range(4)}
    assert (tmp_path / "1").exists()
    # What the dead one had reported is taken back.
    assert sum(reported) == 20 and min(reported) == -5


def test_a_task_that_always_kills_its_worker_is_named(tasks: ModuleType) -> None:
    with pytest.raises(LatentlabError, match=r"7 ended its worker 3 times \(by signal 9\); memory may be short"):
        list(map_tasks(tasks.deadly, [7, 7], workers=2, report=lambda images: None))
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_comes_out_as_it_was(tasks: ModuleType, workers: int) -> None:
    with pytest.raises(DataError, match="task 2 is wrong"):
        list(map_tasks(tasks.refuse, range(5), workers=workers, report=lambda images: None))
    assert multiprocessing.active_children() == []


def test_names_and_addresses() -> None:
    assert set(ENGINES) == {"local", "ray"}
    assert find_engine("local") is map_tasks
    with pytest.raises(UnknownNameError, match="known: local, ray"):
        find_engine("dask")
    with pytest.raises(UsageError, match="no address with the engine local"):
        list(map_tasks(print, [1], workers=1, report=print, address="x:1"))


def test_a_cluster_that_does_not_answer_is_one_line() -> None:
    pytest.importorskip("ray")
    with pytest.raises(LatentlabError, match=r"expected Ray to answer at 127\.0\.0\.1:9, got .*ray start --head"):
        list(map_with_ray(print, [1], workers=1, report=print, address="127.0.0.1:9"))
    with pytest.raises(UsageError, match="host:port, ray://host:port or auto, got 'somewhere'"):
        list(map_with_ray(print, [1], workers=1, report=print, address="somewhere"))


def test_ray_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'latentlab\[ray\]'"):
        list(map_with_ray(print, [1], workers=1, report=print))


@pytest.mark.slow
def test_ray_runs_the_same_function(tasks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    reported: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    found = dict(map_with_ray(tasks.double, range(10), workers=2, report=reported.append))
    assert found == {number: 2 * number for number in range(10)}
    assert sum(reported) == 9
    # A worker that dies is replaced, and an error comes out as it was.
    given = [(number, str(tmp_path)) for number in range(4)]
    assert dict(map_with_ray(tasks.once, given, workers=2, report=reported.append)) == {n: n for n in range(4)}
    assert (tmp_path / "1").exists()
    with pytest.raises(DataError, match="task 2 is wrong"):
        list(map_with_ray(tasks.refuse, range(5), workers=2, report=lambda images: None))
    assert signal.getsignal(signal.SIGINT) is before
