"""The images that a model was trained on, and others of their kind, loaded again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlab.errors import CapabilityError

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset, Split
    from latentlab.lab.lab import Lab

# What training says of its data that is no option of the source.
SAID = ("source", "split", "images", "fingerprint")


def home_source(lab: Lab) -> str | None:
    """The source that the model was trained on, as `load_data` takes it; None where the checkpoint does not say."""
    source = lab.run.checkpoint.about.get("data", {}).get("source")
    return None if source is None else str(source)


def home_options(lab: Lab) -> dict[str, Any]:
    """The options of the source that the model was trained with, such as the classes that were left out."""
    data = lab.run.checkpoint.about.get("data", {})
    return {name: value for name, value in data.items() if name not in SAID}


def as_in_training(lab: Lab, source: str) -> dict[str, Any]:
    """The options that make images of a source like those of training, such as `binarise`; none for another source.

    Which images were left out of training is none of them: they are there to be looked at.
    """
    if source != home_source(lab):
        return {}
    return {name: value for name, value in home_options(lab).items() if name != "without"}


def home_objective(lab: Lab) -> dict[str, Any]:
    """The objective that the model was trained with, as its recipe has it; empty where no recipe lies beside it."""
    from latentlab.files import read_json
    from latentlab.runs.run import RECIPE

    if lab.run.folder is None or not (lab.run.folder / RECIPE).is_file():
        return {}
    recipe = read_json(lab.run.folder / RECIPE)
    found = recipe.get("objective") if isinstance(recipe, dict) else None
    return dict(found) if isinstance(found, dict) else {}


def home_data(
    lab: Lab, split: Split, *, count: int | None = None, root: str | Path | None = None, download: bool = False
) -> Dataset:
    """Load a split of the source that the model was trained on, with the same options, made to fit the model.

    Args:
        lab: the model.
        split: which part.
        count: how many images, or None for all.
        root: where data that was downloaded before lies.
        download: whether the network may be asked.

    Raises:
        CapabilityError: when the checkpoint does not say what it was trained on.
        LatentlabError: when the data is not there.
    """
    from latentlab.data import load_data

    source = home_source(lab)
    if source is None:
        raise CapabilityError(f"expected a model that says what it was trained on, got {lab.name}, which does not")
    seed = lab.run.checkpoint.about.get("seed", 0)
    return load_data(
        source, split=split, count=count, seed=seed, image=lab.image, root=root, download=download, **home_options(lab)
    )
