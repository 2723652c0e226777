"""What is not finite stops the training with the step, the term and what to try, and harms nothing on the disk."""

from __future__ import annotations

import dataclasses
import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from latentlab.checkpoints import read_checkpoint
from latentlab.errors import TrainingError
from latentlab.training import CHECKPOINT, HISTORY, loop
from latentlab.training.history import read_history
from latentlab.training.loop import LAST, STATE

ADVICE = "try --set training.learning_rate=0.001, --set training.clip=100, or a longer warm-up"


class Broken:
    """The recipe's objective, broken at one step (from 0, of seven an epoch)."""

    def __init__(self, objective: Any, step: int, how: str) -> None:
        self.objective, self.step, self.how = objective, step, how
        self.seen = objective.seen

    def __call__(self, terms: Any, epoch: float) -> Any:
        on_held_out = epoch == math.inf
        if self.how == "validation":
            broken = on_held_out and self.step == 0
            self.step -= on_held_out
        else:
            broken = not on_held_out and round(7 * epoch) == self.step
        if broken and self.how == "gradient":
            # 0 forwards, and infinity times 0 backwards.
            terms = dataclasses.replace(terms, auxiliary={"odd": (0 * terms.kl["z"]).sqrt()})
        elif broken:
            terms = dataclasses.replace(terms, kl={"z": terms.kl["z"] * math.nan})
        return self.objective(terms, epoch)


def broken(recipe: Any, step: int, how: str = "loss") -> Any:
    setup = recipe()
    return dataclasses.replace(setup, objective=Broken(setup.objective, step, how))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def first_epoch(recipe: Any, run: Any, tmp_path: Path) -> dict[str, bytes]:
    """The checkpoints that a training leaves whose second epoch never ends."""

    def stop(task: str, done: int, total: int, note: str = "") -> None:
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(recipe(), "first", progress=stop)
    return files(tmp_path / "first")


@pytest.mark.parametrize("step", [7, 10])
def test_a_term_that_breaks(recipe: Any, run: Any, tmp_path: Path, first_epoch: dict[str, bytes], step: int):
    with pytest.raises(TrainingError) as caught:
        run(broken(recipe, step))
    assert str(caught.value) == f"the loss is not finite at step {step + 1}: the term 'kl' broke; {ADVICE}"
    left = files(tmp_path / "run")
    assert {name: left[name] for name in (CHECKPOINT, LAST)} == {n: first_epoch[n] for n in (CHECKPOINT, LAST)}
    assert len(read_history(tmp_path / "run" / HISTORY)) == 1
    run(recipe(), resume=True)
    assert len(read_history(tmp_path / "run" / HISTORY)) == 3


@pytest.mark.parametrize("step", [7, 8, 9, 10, 13])
def test_the_step_is_named_where_losses_are_looked_at_in_groups(
    recipe: Any, run: Any, monkeypatch: pytest.MonkeyPatch, step: int
):
    monkeypatch.setattr(loop, "CHECK_EVERY", {"cpu": 3})
    with pytest.raises(TrainingError, match=rf"not finite at step {step + 1}: the term 'kl' broke"):
        run(broken(recipe, step))


def test_a_term_that_breaks_in_the_first_step_leaves_nothing(recipe: Any, run: Any, tmp_path: Path):
    with pytest.raises(TrainingError, match="step 1: the term 'kl' broke"):
        run(broken(recipe, 0))
    assert files(tmp_path / "run") == {}


@pytest.mark.parametrize("held_out", [0, 20])
def test_weights_that_break_in_the_last_step_of_an_epoch(recipe: Any, run: Any, tmp_path: Path, held_out: int):
    """The loss of that step is finite, and only the checkpoint would show what has become of the model."""
    with pytest.raises(TrainingError, match=r"the weights are not finite after step 14: 'encoder.*' broke; try --set"):
        run(broken(recipe, 13, "gradient"), held_out=held_out)
    for name in (CHECKPOINT, LAST):
        read = read_checkpoint(tmp_path / "run" / name)
        assert read.about["epoch"] == 1
        assert all(torch.isfinite(weight).all() for weight in read.model.parameters())


def test_weights_that_break_in_the_step_of_an_interruption_are_not_saved(recipe: Any, run: Any, tmp_path: Path):
    def stop(task: str, done: int, total: int, note: str = "") -> None:
        if done == 10:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingError, match="the weights are not finite after step 10"):
        run(broken(recipe, 9, "gradient"), progress=stop)
    run(recipe(), resume=True)
    assert (tmp_path / "run" / STATE).exists()


def test_a_loss_on_held_out_images_that_breaks(recipe: Any, run: Any, tmp_path: Path):
    with pytest.raises(TrainingError, match="not finite at step 14: the term 'validation_kl' broke; try"):
        run(broken(recipe, 1, "validation"))
    assert read_checkpoint(tmp_path / "run" / CHECKPOINT).about["epoch"] == 1


def test_a_learning_rate_that_is_far_too_large(recipe: Any, run: Any, tmp_path: Path):
    """No stand-in: a real divergence ends in words."""
    setup = recipe("residual", training={"learning_rate": 90.0, "schedule": "constant", "warmup_steps": 0})
    with pytest.raises(TrainingError, match=r"is not finite at step \d+: .*learning_rate=9,|weights are not finite"):
        run(setup)
    assert not list((tmp_path / "run").glob("*.part"))
