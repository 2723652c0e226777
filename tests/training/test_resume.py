"""A training that was stopped, in whatever way, and goes on, ends as if it had never been stopped."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from latentlab.checkpoints import read_checkpoint
from latentlab.errors import FileFormatError, LatentlabError
from latentlab.training import CHECKPOINT, HISTORY, Interrupted
from latentlab.training.history import read_history
from latentlab.training.loop import LAST, STATE

# Seven steps an epoch: the first, the middle of one, its last, the first of the next, and the last but one of all.
STEPS = [1, 4, 7, 8, 20]


def ctrl_c_at(*steps: int, times: int = 1) -> Callable[..., None]:
    def progress(task: str, done: int, total: int, note: str = "") -> None:
        if done in steps:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)

    return progress


def timeless(folder: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in read_history(folder / HISTORY)]


def assert_equal_runs(first: Path, second: Path) -> None:
    for name in (CHECKPOINT, LAST):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    assert timeless(first) == timeless(second)
    states = [load_file(folder / STATE) for folder in (first, second)]
    assert states[0].keys() == states[1].keys()
    assert all((states[0][key] == states[1][key]).all() for key in states[0])
    assert not [path.name for path in second.iterdir() if path.name.endswith(".part")]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("network", ["mlp", "residual"])
@pytest.mark.parametrize("step", STEPS)
def test_stopped_by_ctrl_c_and_resumed(recipe: Any, run: Any, tmp_path: Path, network: str, precision: str, step: int):
    learned = {"likelihood": {"kind": "gaussian", "sigma": "learned"}}
    setup = recipe(network, training={"precision": precision, "clip": 5.0}, model=learned)
    run(setup, "whole")
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match=rf"stopped in epoch {(step + 6) // 7} after step {step}; saved: .*--resume"):
        run(setup, "stopped", progress=ctrl_c_at(step))
    assert signal.getsignal(signal.SIGINT) is before
    seen: list[int] = []
    run(setup, "stopped", resume=True, progress=lambda task, done, total, note="": seen.append(done))
    assert seen == list(range(step + 1, 22))
    assert_equal_runs(tmp_path / "whole", tmp_path / "stopped")


def test_stopped_again_and_again(recipe: Any, run: Any, tmp_path: Path):
    setup = recipe("residual")
    run(setup, "whole")
    resume = False
    for step in (2, 3, 9, 14, 15):
        with pytest.raises(Interrupted):
            run(setup, "stopped", resume=resume, progress=ctrl_c_at(step))
        resume = True
    run(setup, "stopped", resume=True)
    assert_equal_runs(tmp_path / "whole", tmp_path / "stopped")


def test_a_finished_training_that_is_resumed_stays_as_it_is(recipe: Any, run: Any, tmp_path: Path):
    setup = recipe()
    first = run(setup)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    assert run(setup, resume=True).history == first.history
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_an_interruption_exits_as_the_shell_expects():
    assert Interrupted.exit_code == 130


def test_a_second_ctrl_c_stops_at_once_and_leaves_whole_files(recipe: Any, run: Any, tmp_path: Path):
    setup = recipe()
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(setup, "stopped", progress=ctrl_c_at(10, times=2))
    assert signal.getsignal(signal.SIGINT) is before
    assert read_checkpoint(tmp_path / "stopped" / LAST).about["epoch"] == 1
    run(setup, "whole")
    run(setup, "stopped", resume=True)
    assert_equal_runs(tmp_path / "whole", tmp_path / "stopped")


@pytest.mark.parametrize("writes", range(9))
def test_a_full_disk_at_any_write(recipe: Any, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int):
    """Each epoch writes the best and the last checkpoint, the history and the state; the disk is full after some."""
    setup = recipe(training={"learning_rate": 0.001})
    run(setup, "whole")
    flush, count = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal count
        # A folder is flushed after each file, which is no write of its own.
        count += not stat.S_ISDIR(os.fstat(descriptor).st_mode)
        if count > writes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(descriptor)

    folder = tmp_path / "full"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(LatentlabError, match=r"cannot write .*: the disk is full; make room and run it again"):
            run(setup, "full")
    assert not [path.name for path in folder.iterdir() if path.name.endswith(".part")]
    for name in (CHECKPOINT, LAST):
        if (folder / name).exists():
            read_checkpoint(folder / name)
    # A first epoch that could not be saved whole leaves nothing that would be in the way of the next attempt.
    assert bool(list(folder.iterdir())) == (folder / STATE).exists() == (writes > 3)
    run(setup, "full", resume=(folder / STATE).exists())
    assert_equal_runs(tmp_path / "whole", folder)


@pytest.fixture
def stopped(recipe: Any, run: Any, tmp_path: Path) -> Path:
    """The folder of a training that was stopped in its second epoch."""
    with pytest.raises(Interrupted):
        run(recipe(), progress=ctrl_c_at(10))
    return tmp_path / "run"


def test_nothing_to_resume(recipe: Any, run: Any):
    with pytest.raises(FileFormatError, match=r"nothing to resume: cannot read .*; train without --resume"):
        run(recipe(), resume=True)


def test_a_state_cut_short(recipe: Any, run: Any, stopped: Path):
    content = (stopped / STATE).read_bytes()
    for length in (0, 7, 100, len(content) // 2, len(content) - 1):
        (stopped / STATE).write_bytes(content[:length])
        with pytest.raises(FileFormatError, match="cannot resume from") as caught:
            run(recipe(), resume=True)
        assert "\n" not in str(caught.value)


def test_the_state_of_another_model(recipe: Any, run: Any, stopped: Path):
    for other in (recipe("residual"), recipe(model={"latent": 3})):
        with pytest.raises(FileFormatError, match="cannot resume from") as caught:
            run(other, resume=True)
        assert "\n" not in str(caught.value)


EDITS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a key more": lambda p: p.update(extra=1),
    "a key less": lambda p: p.update(step="7") or p.pop("epoch"),
    "another type": lambda p: p.update(epoch="1"),
    "a list": lambda p: p.update(sums=[1]),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_position(name: str, recipe: Any, run: Any, stopped: Path):
    with safe_open(stopped / STATE, framework="pt") as file:
        position = json.loads(file.metadata()["position"])
    EDITS[name](position)
    save_file(load_file(stopped / STATE), stopped / STATE, {"position": json.dumps(position)})
    with pytest.raises(FileFormatError, match="cannot resume from"):
        run(recipe(), resume=True)


def test_an_edited_optimizer(recipe: Any, run: Any, stopped: Path):
    with safe_open(stopped / STATE, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(stopped / STATE)
    tensors["optimizer.0.exp_avg"] = tensors["optimizer.0.exp_avg"].flatten()[:3].clone()
    save_file(tensors, stopped / STATE, metadata)
    with pytest.raises(FileFormatError, match="cannot resume from"):
        run(recipe(), resume=True)
