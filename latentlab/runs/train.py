"""From a recipe to a run: data, training, and what is said about the model that comes out."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.data import load_data
from latentlab.data.condition import read_conditions
from latentlab.data.dataset import Dataset
from latentlab.errors import DataError, LatentlabError
from latentlab.files import cannot_write, read_json, write_json
from latentlab.processes import ALONE, Processes
from latentlab.runs.run import CHECKPOINT, HISTORY, METRICS, RECIPE
from latentlab.runtime import Progress, pick_device, silent

if TYPE_CHECKING:
    from latentlab.training import Recipe

# Training keeps each weight four times (itself, its gradient, two moments): 16 GB at most.
MOST_WEIGHTS = 10**9


def train_recipe(
    recipe_path: Path,
    *,
    overrides: Sequence[str] = (),
    folder: Path | None = None,
    resume: bool = False,
    device: str = "auto",
    root: Path | None = None,
    attributes: Path | None = None,
    download: bool = False,
    progress: Progress = silent,
    processes: Processes = ALONE,
) -> Path:
    """Train a recipe and describe the model that comes out.

    Args:
        recipe_path: a TOML file.
        overrides: `key=value` pairs that change it.
        folder: the run's folder; `outputs/train-<name>` by default, with a number behind it where one stands already.
        resume: go on with the run in `folder` (by default the newest of the recipe's).
        device: where to train.
        root: where data that was downloaded before lies.
        attributes: a CSV of attributes or labels beside a folder of images.
        download: whether the data may be downloaded.
        progress: told of the work.
        processes: that train together, each of which was asked for the same; the first writes and describes, the
            others are done when it begins to describe.

    Returns:
        The run's folder.

    Raises:
        LatentlabError: for mistakes in the recipe, missing data, a folder that holds a run already or cannot be
            written, Ctrl-C (after saving), and losses that are not finite.
    """
    from latentlab.checkpoints import read_checkpoint
    from latentlab.runs.describe import describe
    from latentlab.training import build_recipe, read_recipe, recipe_table, train
    from latentlab.training.loop import LAST

    recipe = read_recipe(recipe_path, overrides)
    folder = processes.once(partial(_pick_folder, recipe.name, folder, resume))
    if resume:
        if not (folder / RECIPE).is_file():
            raise LatentlabError(f"nothing to resume in {folder}: it holds no {RECIPE}; train without --resume")
        kept = build_recipe(read_json(folder / RECIPE), str(folder / RECIPE))
        if kept != recipe:
            raise LatentlabError(
                f"the recipe is not the one that {folder} was begun with; train without --resume into another folder"
            )
    where = pick_device(processes.device(device))
    if attributes is None and recipe.data.attributes:
        attributes = Path(recipe.data.attributes)
    request: dict[str, Any] = {"root": root, "download": download, "seed": recipe.seed, "attributes": attributes}
    source, options = recipe.data.source, dict(recipe.data.options)
    load = partial(load_data, source, split="train", count=recipe.data.count or None, image=recipe.data.image)
    if download and not processes.alone:
        # What the first has fetched the others find; all at once they would write the same files.
        processes.once(lambda: bool(load(**request, **options)))
    everything = load(**request, **options)
    test = load_data(source, split="test", image=everything.image, **request, **options)
    fit, held_out = _hold_out(everything, recipe.data.validation, recipe.seed)
    conditions = _conditions(recipe, fit, held_out)
    recipe = _fitted(recipe, everything, recipe_path)
    images = fingerprint(fit)
    if resume and (folder / LAST).is_file():
        begun = read_checkpoint(folder / LAST).about.get("data", {}).get("fingerprint")
        if begun != images:
            raise LatentlabError(
                f"the images are not the ones that {folder} was begun with; train without --resume into another folder"
            )
    processes.once(partial(_begin, folder, recipe_table(recipe)))
    about = {
        "name": recipe.name,
        "data": {"source": source, "split": "train", "images": len(fit), "fingerprint": images, **options},
        "seed": recipe.seed,
        "versions": versions(),
    }
    trained = train(
        recipe,
        fit.pixels,
        held_out.pixels,
        folder,
        device=where,
        about=about,
        conditions=conditions,
        resume=resume,
        progress=progress,
        processes=processes,
    )
    processes.leave()
    if not processes.first:
        return folder
    describe(
        folder,
        read_checkpoint(folder / CHECKPOINT),
        fit,
        test,
        seed=recipe.seed,
        training={
            "recipe": recipe.name,
            "epochs": len(trained.history),
            "seconds": round(trained.seconds, 1),
            "images": len(fit),
            "precision": trained.precision,
            "device": where.type,
        },
        progress=progress,
    )
    return folder


def fingerprint(data: Dataset) -> str:
    """16 hexadecimal digits over the pixels of a set of images, in order."""
    digest = hashlib.sha256(f"{data.pixels.dtype} {data.pixels.shape}".encode())
    digest.update(np.ascontiguousarray(data.pixels).data.cast("B"))
    return digest.hexdigest()[:16]


def versions() -> dict[str, str]:
    """The versions that decide what bytes come out."""
    return {name: importlib.metadata.version(name) for name in ("latentlab", "torch", "numpy")}


def _conditions(recipe: Recipe, fit: Dataset, held_out: Dataset) -> tuple[np.ndarray, np.ndarray] | None:
    """What a conditional model is told of training and validation images; None for others."""
    from latentlab.models import ConditionalConfig

    if not isinstance(recipe.model, ConditionalConfig):
        return None
    condition = replace(recipe.model.spec, names=recipe.model.names or fit.classes)
    return read_conditions(fit, condition), read_conditions(held_out, condition)


def _fitted(recipe: Recipe, data: Dataset, path: Path) -> Recipe:
    """The recipe for these images; what its networks cannot take has to show before a folder is made."""
    import torch

    # Without memory: a slip in a width should be a message, not an allocation.
    try:
        recipe = recipe.for_images(data.image, data.classes)
        with torch.device("meta"):
            weights = sum(weight.numel() for weight in recipe.model.build().parameters())
    except ValueError as error:
        within = "model.network" if hasattr(recipe.model, "network") else "model"
        raise DataError(f"{path}: {within}.{error}") from error
    if weights > MOST_WEIGHTS:
        raise DataError(
            f"{path}: model: expected at most {MOST_WEIGHTS} weights, got {weights}; make its layers smaller"
        )
    return recipe


def _hold_out(data: Dataset, count: int, seed: int) -> tuple[Dataset, Dataset]:
    """Part `count` images from the others, seeded."""
    if count >= len(data):
        raise DataError(f"data.validation: expected less than the {len(data)} training images, got {count}")
    order = np.random.default_rng([seed, 1]).permutation(len(data))
    return data.take(np.sort(order[count:])), data.take(np.sort(order[:count]))


def _begin(folder: Path, table: dict[str, Any]) -> None:
    """Make the run's folder, and keep the recipe there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    write_json(folder / RECIPE, table)


def _pick_folder(name: str, folder: Path | None, resume: bool) -> Path:
    if folder is not None:
        if not resume and any((folder / file).exists() for file in (CHECKPOINT, HISTORY, METRICS)):
            raise LatentlabError(f"{folder} holds a run already; go on with --resume, or choose another --out")
        return folder
    base = Path("outputs") / f"train-{name}"
    taken = [base] if base.exists() else []
    while (following := base.with_name(f"{base.name}-{len(taken) + 1}")).exists() and taken:
        taken.append(following)
    if resume:
        if not taken:
            raise LatentlabError(f"nothing to resume: {base} does not exist; train without --resume")
        return taken[-1]
    return following if taken else base
