from __future__ import annotations

import dataclasses
import json
import math
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latentlab.checkpoints import read_checkpoint
from latentlab.codec import ImageSpec
from latentlab.data import load_data
from latentlab.errors import FileFormatError
from latentlab.training import CHECKPOINT, HISTORY, build_recipe, loop, read_recipe
from latentlab.training.history import read_history, write_history
from latentlab.training.loop import LAST, STATE, evaluate, learning_rate, train
from latentlab.training.recipe import TrainingRecipe

CPU = torch.device("cpu")


def test_training_lowers_the_loss_on_patterns(tmp_path: Path):
    data, held_out = load_data("patterns", split="train", count=1500), load_data("patterns", split="test", count=300)
    path = Path(__file__).parents[2] / "recipes" / "patterns-vae.toml"
    recipe = read_recipe(path, ["training.epochs=15", "training.learning_rate=0.01"]).for_images(data.image)
    history = train(recipe, data.pixels, held_out.pixels, tmp_path, device=CPU, about={}).history
    assert history[-1]["validation_loss"] < history[0]["validation_loss"] - 0.3
    assert history[-1]["loss"] < history[0]["loss"] - 0.3
    # Below what the best one picture for all of them costs: the latent says which pattern it is, and pays for it.
    mean = data.images.mean(axis=0)
    constant = -(held_out.images * np.log(mean) + (1 - held_out.images) * np.log(1 - mean)).sum(axis=(1, 2, 3)).mean()
    assert history[-1]["validation_loss"] < constant - 0.3


def test_training_lowers_the_loss_on_digits(tmp_path: Path):
    data = load_data("digits", split="train")
    table = {
        "name": "digits", "data": {"source": "digits"},
        "model": {"family": "vae", "latent": 6, "network": {"kind": "mlp", "hidden": [64]}},
        "training": {"epochs": 6, "batch": 32, "learning_rate": 3e-3},
    }  # fmt: skip
    recipe = build_recipe(table, "digits").for_images(data.image)
    history = train(recipe, data.pixels, data.pixels[:200], tmp_path, device=CPU, about={}).history
    assert history[0]["validation_loss"] > 28 and history[-1]["validation_loss"] < 26
    # Images come back as themselves: nearer to their own than to the next one.
    model = read_checkpoint(tmp_path / CHECKPOINT).model
    x = torch.from_numpy(data.images[:200])
    with torch.no_grad():
        again = model.decode(model.encode(x))
    own, others = ((again - x) ** 2).mean(), ((again - x.roll(1, 0)) ** 2).mean()
    assert own < 0.6 * others


@pytest.mark.parametrize("network", ["mlp", "residual"])
def test_the_same_seed_gives_the_same_bytes(recipe: Any, run: Any, tmp_path: Path, network: str):
    for number, folder in enumerate(("a", "b")):
        torch.manual_seed(number)
        np.random.default_rng(number)
        run(recipe(network), folder)
    run(recipe(network, seed=4), "c")
    for name in (CHECKPOINT, LAST):
        first, second, other = ((tmp_path / folder / name).read_bytes() for folder in "abc")
        assert first == second != other


def test_the_history_has_a_line_an_epoch(recipe: Any, run: Any, tmp_path: Path):
    setup = recipe(objective={"kind": "elbo", "beta": 0.5})
    told: list[tuple[str, int, int, str]] = []
    trained = run(setup, progress=lambda task, done, total, note="": told.append((task, done, total, note)))
    lines = (tmp_path / "run" / HISTORY).read_text().splitlines()
    assert [json.loads(line) for line in lines] == trained.history == read_history(tmp_path / "run" / HISTORY)
    assert [(epoch["epoch"], epoch["step"]) for epoch in trained.history] == [(1, 7), (2, 14), (3, 21)]
    for epoch in trained.history:
        for prefix in ("", "validation_"):
            parts = epoch[prefix + "reconstruction"] + 0.5 * epoch[prefix + "kl"]
            assert epoch[prefix + "loss"] == pytest.approx(parts, rel=1e-5)
        assert epoch["learning_rate"] == learning_rate(setup.training, epoch["step"] - 1, 21)
    assert 0 < trained.history[0]["seconds"] <= trained.history[2]["seconds"] <= trained.seconds
    assert [done for _, done, _, _ in told] == list(range(1, 22))
    assert told[7][:3] == ("epoch 2 of 3", 8, 21) and told[7][3].startswith("loss ")


def test_a_history_is_read_as_it_was_written_or_refused(tmp_path: Path):
    path = tmp_path / HISTORY
    assert read_history(path) == []
    write_history(path, [{"epoch": 1, "loss": 2.5}, {"epoch": 2}])
    assert read_history(path) == [{"epoch": 1, "loss": 2.5}, {"epoch": 2}]
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(FileFormatError, match="not JSON lines"):
        read_history(path)


class Shifted:
    """The recipe's objective with a loss on held-out images that is told beforehand."""

    def __init__(self, objective: Any, shifts: list[float]) -> None:
        self.objective, self.shifts = objective, iter(shifts)
        self.seen = objective.seen

    def __call__(self, terms: Any, epoch: float) -> Any:
        loss = self.objective(terms, epoch)
        shift = next(self.shifts) if epoch == math.inf else 0.0
        return dataclasses.replace(loss, total=loss.total + shift)


def test_the_checkpoint_is_that_of_the_best_epoch_on_held_out_images(recipe: Any, run: Any, tmp_path: Path):
    setup = recipe(training={"epochs": 4})
    trained = run(dataclasses.replace(setup, objective=Shifted(setup.objective, [30, 10, 40, 20])))
    losses = [epoch["validation_loss"] for epoch in trained.history]
    assert losses.index(min(losses)) == 1
    best, last = (read_checkpoint(tmp_path / "run" / name) for name in (CHECKPOINT, LAST))
    assert (best.about["epoch"], best.about["step"], last.about["epoch"]) == (2, 14, 4)
    assert best.about["name"] == "tiny" and best.about["precision"] == "float32"
    # It is the model of that epoch and not merely called so.
    run(recipe(training={"epochs": 4}), "plain")
    two = run(dataclasses.replace(setup, objective=Shifted(setup.objective, [3, 1, 2, 4])), "again")
    assert two.history[1]["validation_kl"] == trained.history[1]["validation_kl"]
    assert best.hash == read_checkpoint(tmp_path / "again" / CHECKPOINT).hash != last.hash


def test_the_history_says_what_the_checkpoint_scores(recipe: Any, run: Any, patterns: Any, tmp_path: Path):
    setup = recipe()
    history = run(setup).history
    read = read_checkpoint(tmp_path / "run" / CHECKPOINT)
    scores = evaluate(setup, read.model, patterns(20, seed=1), CPU)
    best = min(history, key=lambda epoch: epoch["validation_loss"])
    assert best["epoch"] == read.about["epoch"]
    assert scores == {name: pytest.approx(best[f"validation_{name}"], rel=1e-6) for name in scores}


def test_without_held_out_images_the_last_epoch_is_taken(recipe: Any, run: Any, tmp_path: Path):
    history = run(recipe(), held_out=0).history
    assert not [key for epoch in history for key in epoch if key.startswith("validation")]
    assert (tmp_path / "run" / CHECKPOINT).read_bytes() == (tmp_path / "run" / LAST).read_bytes()
    assert read_checkpoint(tmp_path / "run" / CHECKPOINT).about["epoch"] == 3


def test_held_out_images_change_nothing_in_what_is_learned(recipe: Any, run: Any, tmp_path: Path):
    run(recipe(), "with")
    run(recipe(), "without", held_out=0)
    first, second = (read_checkpoint(tmp_path / folder / LAST).hash for folder in ("with", "without"))
    assert first == second


def test_beta_warms_up_over_epochs_while_held_out_images_meet_all_of_it(recipe: Any, run: Any):
    warm = run(recipe(objective={"kind": "elbo", "beta": 2.0, "warmup_epochs": 2.0}), "warm").history[0]
    assert warm["validation_loss"] == pytest.approx(warm["validation_reconstruction"] + 2 * warm["validation_kl"])
    assert warm["loss"] < warm["reconstruction"] + 2 * 0.5 * warm["kl"]


def test_every_step_has_noise_of_its_own(recipe: Any, patterns: Any, tmp_path: Path):
    # One image many times, one batch an epoch, next to no learning: what differs between epochs is the noise.
    still = recipe(training={"batch": 8, "learning_rate": 1e-12, "schedule": "constant"})
    history = train(still, patterns(1).repeat(8, axis=0), patterns(0), tmp_path, device=CPU, about={}).history
    assert [epoch["kl"] for epoch in history] == pytest.approx([history[0]["kl"]] * 3, abs=1e-6)
    losses = sorted(epoch["reconstruction"] for epoch in history)
    assert min(np.diff(losses)) > 1e-4


def test_losses_that_are_looked_at_in_groups_are_the_same(recipe: Any, run: Any, monkeypatch: pytest.MonkeyPatch):
    """As on a GPU, where every look waits for the device."""
    one_by_one = run(recipe(), "one").history
    monkeypatch.setattr(loop, "CHECK_EVERY", {"cpu": 3})
    told: list[int] = []
    grouped = run(recipe(), "groups", progress=lambda task, done, total, note="": told.append(done)).history
    assert told == [3, 6, 7, 10, 13, 14, 17, 20, 21]
    for first, second in zip(one_by_one, grouped, strict=True):
        assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_an_autoencoder_trains(recipe: Any, run: Any, tmp_path: Path):
    model = {"family": "autoencoder", "latent": 3, "network": {"kind": "mlp", "hidden": [12]}}
    setup = recipe(model=model, objective={"kind": "reconstruction"}, training={"epochs": 20})
    history = run(setup).history
    assert history[-1]["validation_loss"] < history[0]["validation_loss"] - 1
    assert read_checkpoint(tmp_path / "run" / CHECKPOINT).model.config.family == "autoencoder"


def test_training_runs_in_a_thread_and_leaves_the_signal_alone(recipe: Any, run: Any):
    before = signal.getsignal(signal.SIGINT)
    run(recipe(training={"epochs": 1}))
    assert signal.getsignal(signal.SIGINT) is before
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(run(recipe(training={"epochs": 1}), "thread")))
    thread.start()
    thread.join()
    assert len(done) == 1


def test_the_largest_gradient_is_bounded(recipe: Any, run: Any, tmp_path: Path):
    run(recipe(), "free")
    run(recipe(training={"clip": 1e9}), "loose")
    run(recipe(training={"clip": 1e-3}), "tight")
    free, loose, tight = (read_checkpoint(tmp_path / f / LAST).hash for f in ("free", "loose", "tight"))
    assert free == loose != tight


@pytest.mark.parametrize("step", [0, 1, 4, 5, 50, 99])
def test_learning_rates_in_closed_form(step: int):
    constant = TrainingRecipe(learning_rate=2.0)
    assert learning_rate(constant, step, 100) == 2.0
    warm = TrainingRecipe(learning_rate=2.0, warmup_steps=4)
    assert learning_rate(warm, step, 100) == pytest.approx(2.0 * min(1, (step + 1) / 5))
    cosine = TrainingRecipe(learning_rate=2.0, schedule="cosine", warmup_steps=4)
    closed = min(1, (step + 1) / 5) * 2.0 * math.cos(math.pi * step / 200) ** 2
    assert learning_rate(cosine, step, 100) == pytest.approx(closed)


def test_the_cosine_begins_at_the_rate_and_ends_near_zero():
    cosine = TrainingRecipe(learning_rate=3.0, schedule="cosine")
    rates = [learning_rate(cosine, step, 200) for step in range(200)]
    assert rates[0] == 3.0 and rates[-1] < 1e-3 and rates == sorted(rates, reverse=True)
    assert sum(rates) / 200 == pytest.approx(1.5, abs=0.01)


def test_images_that_are_read_only_are_trained_on(recipe: Any, tmp_path: Path, patterns: Any):
    pixels = (patterns(16) / 255).astype(np.float32)
    pixels.flags.writeable = False
    setup = recipe(training={"epochs": 1}).for_images(ImageSpec(1, 4, 4))
    assert train(setup, pixels, pixels[:4], tmp_path, device=CPU, about={}).history[0]["step"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([CHECKPOINT, LAST, HISTORY, STATE])
