"""The training loop: it leaves a checkpoint and a history in a folder, no more."""

from __future__ import annotations

import dataclasses
import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentlab.checkpoints import write_checkpoint
from latentlab.errors import DataError, LatentlabError, TrainingError
from latentlab.models import Conditional, Model
from latentlab.nn.quantizer import Quantizer
from latentlab.processes import ALONE, Processes
from latentlab.runtime import Progress, as_tensor, silent, torch_generator
from latentlab.training.batch import Batches
from latentlab.training.history import read_history, write_history
from latentlab.training.precision import pick_precision
from latentlab.training.recipe import Recipe, TrainingRecipe
from latentlab.training.state import Position, read_state, write_state
from latentlab.training.step import Step

CHECKPOINT = "checkpoint.safetensors"
LAST = "last.safetensors"
STATE = "resume.safetensors"
HISTORY = "history.jsonl"

# On a GPU every look at a loss waits for the device, so that losses are looked at in groups.
CHECK_EVERY = {"cpu": 1}
CHECK_EVERY_ELSEWHERE = 50

# What is told of training and of validation images, of shape (n, k) each.
Conditions = tuple[np.ndarray, np.ndarray]

# What a closed form is computed in, whatever the device.
FITTED_IN = "float64"


class Interrupted(LatentlabError):
    """Training was stopped by Ctrl-C after it had saved."""

    exit_code = 130


@dataclass(frozen=True)
class Trained:
    """What a finished training left: the history, seconds spent, and the number format it ran in."""

    history: list[dict[str, Any]]
    seconds: float
    precision: str


def train(
    recipe: Recipe,
    pixels: np.ndarray,
    validation: np.ndarray,
    folder: Path,
    *,
    device: torch.device,
    about: Mapping[str, Any],
    conditions: Conditions | None = None,
    resume: bool = False,
    progress: Progress = silent,
    processes: Processes = ALONE,
) -> Trained:
    """Train the recipe's model on images in memory; a model that has `fit` is fitted in closed form instead.

    `folder` gets `checkpoint.safetensors` (the best epoch on the validation images, or the last where there are
    none), `last.safetensors`, `history.jsonl`, and `resume.safetensors`, from which a stopped training goes on bit for
    bit. The same recipe and images give the same bytes on the same machine with the same number of threads. A fit
    leaves no state: to resume is to fit again, and Ctrl-C leaves nothing.

    Several processes that are each given the same train together: each computes its rows of every batch, the first
    writes. A step is that of the whole batch whatever their number, but for the noise, which each draws on its own: the
    same number gives the same bytes, another goes on from the same state with other noise. A fit is the first's alone.

    Args:
        recipe: with its model made for these images (`Recipe.for_images`).
        pixels: training images of shape (n, c, h, w), uint8 or float32.
        validation: images of the same kind that choose the best epoch; none: the last epoch is taken.
        folder: where files go; it exists.
        device: where to train.
        about: goes into the checkpoint's header.
        conditions: what a conditional model is told of each training and validation image; None for others.
        resume: go on from the state in `folder`.
        progress: told of every step.
        processes: that train together.

    Raises:
        Interrupted: after Ctrl-C, once everything is saved.
        TrainingError: when a loss is not finite; the files of the last good epoch stay.
        FileFormatError: when there is nothing to resume, or it does not fit.
        DataError: when a conditional model is told nothing, or a batch has no image for some process.
    """
    convolutions = recipe.model.convolutions
    recipe = _told_of(len(pixels), recipe)
    torch.manual_seed(recipe.seed)
    model = recipe.model.build().to(device)
    told, told_held_out = conditions or (None, None)
    if isinstance(model, Conditional):
        if told is None:
            raise DataError("expected a condition of each image to train a conditional model on, got none; give labels")
        model.count_conditions(as_tensor(told))
    if hasattr(model, "fit"):
        if not processes.first:
            return Trained([], 0.0, FITTED_IN)
        return _fit(recipe, model, pixels, validation, folder, device, about, progress)
    if convolutions:
        model = model.to(memory_format=torch.channels_last)
    settings = recipe.training
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=device.type != "mps"
    )
    position = read_state(folder / STATE, model, optimizer) if resume else Position()
    history = read_history(folder / HISTORY)[: position.epoch] if resume else []
    batches = Batches(pixels, settings.batch, recipe.seed, device, convolutions, told)
    if batches.smallest < processes.count:
        raise DataError(
            f"expected an image of every batch for each of {processes.count} processes, got {batches.smallest} in the "
            "smallest; start fewer processes, or make training.batch larger"
        )
    steps = settings.epochs * len(batches)
    precision = pick_precision(settings.precision, device, model)
    for module in model.modules():
        if isinstance(module, Quantizer):
            module.processes = processes
    step = processes.parallel(Step(model, recipe.objective, precision, device, processes))
    check_every = CHECK_EVERY.get(device.type, CHECK_EVERY_ELSEWHERE)
    started = time.perf_counter() - position.seconds

    with _interruptions(processes) as interrupted, processes.connected():
        while position.epoch < settings.epochs:
            model.train()
            pending: list[dict[str, Tensor]] = []
            for rows in batches.rows(position.epoch, position.batch):
                own = processes.share(rows)
                x, condition = batches.images(own), batches.conditions(own)
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(settings, position.step, steps)
                generator = torch_generator(_step_seed(recipe.seed, position.step, processes.rank))
                total, losses = step(x, condition, generator, position.step / len(batches), len(rows))
                optimizer.zero_grad(set_to_none=True)
                total.backward()
                if settings.clip:
                    torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
                optimizer.step()
                pending.append(losses)
                position.step += 1
                position.batch += 1
                looked = len(pending) >= check_every or position.batch == len(batches)
                if looked or (processes.alone and interrupted.is_set()):
                    _collect(pending, position, settings)
                    note = f"loss {position.sums['loss'] / position.batch:.2f}"
                    progress(f"epoch {position.epoch + 1} of {settings.epochs}", position.step, steps, note)
                # Several have to stop after the same step, and ask one another when they look at losses.
                if interrupted.is_set() if processes.alone else looked and processes.any(interrupted.is_set()):
                    # Ctrl-C may have come since the losses were looked at.
                    _collect(pending, position, settings)
                    _check_weights(model, position, settings)
                    position.seconds = time.perf_counter() - started
                    processes.once(partial(write_state, folder / STATE, model, optimizer, position))
                    raise Interrupted(
                        f"stopped in epoch {position.epoch + 1} after step {position.step}; saved: go on with --resume"
                    )
            _check_weights(model, position, settings)
            position.seconds = time.perf_counter() - started
            epoch: dict[str, float] = {"epoch": position.epoch + 1, "step": position.step}
            epoch |= {name: value / position.batch for name, value in position.sums.items()}
            if len(validation):
                held_out = processes.once(partial(evaluate, recipe, model, validation, device, told_held_out))
                epoch |= {f"validation_{name}": value for name, value in held_out.items()}
                _check_losses({k: v for k, v in epoch.items() if k.startswith("validation_")}, position.step, settings)
            epoch |= {"learning_rate": learning_rate(settings, position.step - 1, steps), "seconds": position.seconds}
            history.append(epoch)
            position.epoch, position.batch, position.sums = position.epoch + 1, 0, {}
            described = {**about, "epoch": position.epoch, "step": position.step, "precision": precision}
            score = epoch.get("validation_loss")
            best = score is None or position.best is None or score < position.best
            if best:
                position.best = score
            processes.once(partial(_save, folder, model, optimizer, position, history, described, best))
    return Trained(history, position.seconds, precision)


def _save(
    folder: Path,
    model: Model,
    optimizer: torch.optim.Optimizer,
    position: Position,
    history: list[dict[str, Any]],
    described: Mapping[str, Any],
    best: bool,
) -> None:
    """Write all that an epoch leaves; the checkpoint that training is for only where the epoch is the best so far."""
    with _all_or_nothing(folder):
        for name in (CHECKPOINT, LAST) if best else (LAST,):
            write_checkpoint(folder / name, model, described)
        write_history(folder / HISTORY, history)
        write_state(folder / STATE, model, optimizer, position)


def _fit(
    recipe: Recipe,
    model: Any,
    pixels: np.ndarray,
    validation: np.ndarray,
    folder: Path,
    device: torch.device,
    about: Mapping[str, Any],
    progress: Progress,
) -> Trained:
    """Fit a model in closed form: one epoch of one step, whose losses are those after it."""
    started = time.perf_counter()
    progress("fitting", 0, 1)
    model.fit(as_tensor(pixels))
    epoch: dict[str, float] = {"epoch": 1, "step": 1}
    for prefix, images in (("", pixels), ("validation_", validation)):
        losses = evaluate(recipe, model, images, device) if len(images) else {}
        epoch |= {f"{prefix}{name}": value for name, value in losses.items()}
    epoch["seconds"] = time.perf_counter() - started
    progress("fitting", 1, 1, f"loss {epoch['loss']:.2f}")
    with _all_or_nothing(folder):
        for name in (CHECKPOINT, LAST):
            write_checkpoint(folder / name, model, {**about, "epoch": 1, "step": 1, "precision": FITTED_IN})
        write_history(folder / HISTORY, [epoch])
    return Trained([epoch], epoch["seconds"], FITTED_IN)


def _told_of(images: int, recipe: Recipe) -> Recipe:
    """The recipe, whose objective knows the number of training images where it asks for it and was not told."""
    if getattr(recipe.objective, "images", None) != 0:
        return recipe
    return dataclasses.replace(recipe, objective=dataclasses.replace(recipe.objective, images=images))  # type: ignore


def learning_rate(settings: TrainingRecipe, step: int, steps: int) -> float:
    """The learning rate of step `step` (from 0) of `steps`: linear warm-up, then constant or a cosine to 0."""
    warm = min(1.0, (step + 1) / (settings.warmup_steps + 1))
    if settings.schedule == "constant":
        return settings.learning_rate * warm
    return settings.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / steps))


@torch.no_grad()
def evaluate(
    recipe: Recipe, model: Model, pixels: np.ndarray, device: torch.device, conditions: np.ndarray | None = None
) -> dict[str, float]:
    """The mean loss and parts on images, in nats, at the full weight of every term; noise from the recipe's seed."""
    model.eval()
    generator = torch_generator(recipe.seed)
    batches = Batches(pixels, 500, recipe.seed, device, recipe.model.convolutions, conditions)
    sums: dict[str, float] = {}
    for rows in torch.arange(len(pixels)).split(500):
        x = batches.images(rows)
        seen = recipe.objective.seen(x, generator)
        terms = model.terms(x, batches.conditions(rows), generator, seen=seen)
        loss = recipe.objective(terms, math.inf)
        for name, values in {"loss": loss.total, **loss.parts}.items():
            sums[name] = sums.get(name, 0.0) + float(values.double().sum())
    return {name: value / len(pixels) for name, value in sums.items()}


def _collect(pending: list[dict[str, Tensor]], position: Position, settings: TrainingRecipe) -> None:
    """Add the losses of finished steps to the epoch's sums, and stop at the first that is not finite."""
    if not pending:
        return
    names = list(pending[0])
    rows = torch.stack([torch.stack([step[name] for name in names]) for step in pending]).double().tolist()
    first = position.step - len(pending) + 1
    pending.clear()
    for number, row in enumerate(rows):
        losses = dict(zip(names, row, strict=True))
        _check_losses(losses, first + number, settings)
        for name, value in losses.items():
            position.sums[name] = position.sums.get(name, 0.0) + value


def _check_losses(losses: Mapping[str, float], step: int, settings: TrainingRecipe) -> None:
    """Stop at a loss that is not finite, and name the term that broke before the total that it is part of."""
    broken = [name for name, value in losses.items() if not math.isfinite(value)]
    if broken:
        term = next((name for name in broken if not name.endswith("loss")), broken[0])
        raise _not_finite(f"the loss is not finite at step {step}: the term {term!r} broke", settings)


def _check_weights(model: Model, position: Position, settings: TrainingRecipe) -> None:
    """Stop before weights that a last step broke replace good ones on the disk."""
    broken = [name for name, weight in model.named_parameters() if not weight.isfinite().all()]
    if broken:
        raise _not_finite(f"the weights are not finite after step {position.step}: {broken[0]!r} broke", settings)


def _not_finite(what: str, settings: TrainingRecipe) -> TrainingError:
    return TrainingError(
        f"{what}; try --set training.learning_rate={settings.learning_rate / 10:g}, "
        "--set training.clip=100, or a longer warm-up"
    )


def _step_seed(seed: int, step: int, rank: int) -> int:
    """A seed of its own for the noise of each step and process, so that a resumed training needs no generator's state.

    A 0 at the end changes nothing: the noise of the first of several is that of one alone.
    """
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> 1)


@contextmanager
def _all_or_nothing(folder: Path) -> Iterator[None]:
    """Leave nothing of a first epoch that could not be saved whole: it could neither be resumed nor begun again."""
    resumable = (folder / STATE).exists()
    try:
        yield
    except BaseException:
        for name in () if resumable else (CHECKPOINT, LAST, HISTORY):
            (folder / name).unlink(missing_ok=True)
        raise


@contextmanager
def _interruptions(processes: Processes) -> Iterator[threading.Event]:
    """Turn Ctrl-C into a flag: an exception in the middle of an optimizer's step would leave half of it done.

    A second Ctrl-C stops at once; not so with several processes, of which none can stop alone. torchrun passes on that
    it was asked to end, and kills those that take too long.
    """
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def raise_flag(number: int, frame: object) -> None:
        if flag.is_set() and processes.alone:
            raise KeyboardInterrupt
        flag.set()

    asked = (signal.SIGINT,) if processes.alone else (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, raise_flag) for number in asked}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
