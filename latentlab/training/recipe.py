"""A recipe: one experiment as data. TOML in, frozen dataclasses out, with all mistakes reported at once."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from latentlab import schema
from latentlab.codec import ImageSpec
from latentlab.errors import FileFormatError, LatentlabError, UsageError
from latentlab.models import MODELS, ConditionalConfig, ModelConfig
from latentlab.objectives import ELBO, Objective

# A recipe's size has to end somewhere: a typing slip in an exponent should not allocate a machine's memory.
LARGEST = 10**9
LONGEST_NAME = 100

# What a source is told of beside its options: by the recipe's other keys, or by the command line.
RESERVED = {"source", "split", "count", "seed", "image", "root", "download", "attributes"}


@dataclass(frozen=True)
class DataRecipe:
    """What to train on.

    Args:
        source: a name of SOURCES, `folder:PATH`, `npz:PATH`, `tar:PATTERN`, or a path.
        count: how many training images, 0 for all that the source has.
        validation: how many of them are held out to choose the best epoch.
        size: (height, width) that images are fitted to, empty for their own.
        channels: 1 for grey, 3 for colour, 0 for their own.
        attributes: a CSV of attributes or labels beside a folder of images, "" for none.
        options: further options of the source.
    """

    source: str
    count: int = 0
    validation: int = 0
    size: tuple[int, ...] = ()
    channels: int = 0
    attributes: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.count < 0 or self.validation < 0:
            raise ValueError(f"count, validation: expected 0 or more, got {self.count} and {self.validation}")
        if len(self.size) not in (0, 2) or any(not 1 <= side <= 4096 for side in self.size):
            raise ValueError(f"size: expected [height, width] between 1 and 4096, got {list(self.size)}")
        named = sorted(RESERVED & set(self.options))
        if named:
            raise ValueError(f"options: expected options of the source, got {', '.join(named)}; they stand elsewhere")
        if self.channels not in (0, 1, 3):
            raise ValueError(f"channels: expected 1 or 3, got {self.channels}")
        if bool(self.size) != bool(self.channels):
            raise ValueError("size, channels: expected both or neither")

    @property
    def image(self) -> ImageSpec | None:
        """The images asked for, or None for those that the source has."""
        if not self.size:
            return None
        height, width = self.size
        return ImageSpec(self.channels, height, width)


@dataclass(frozen=True)
class TrainingRecipe:
    """How to train.

    Args:
        epochs: passes over the training images.
        batch: images a step.
        learning_rate: of Adam, after warm-up.
        schedule: what follows the warm-up: `cosine` to zero, or `constant`.
        warmup_steps: steps over which the learning rate rises linearly from 0.
        weight_decay: decoupled (AdamW).
        clip: the largest gradient norm, 0 for no bound.
        precision: `auto` takes bfloat16 for convolutions and wide layers where the processor has units for it.
    """

    epochs: int = 20
    batch: int = 128
    learning_rate: float = 1e-3
    schedule: Literal["cosine", "constant"] = "constant"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    clip: float = 0.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            if not 1 <= getattr(self, name) <= LARGEST:
                raise ValueError(f"{name}: expected 1 to {LARGEST}, got {getattr(self, name)}")
        if not 0 < self.learning_rate < 100:
            raise ValueError(f"learning_rate: expected a number above 0 and below 100, got {self.learning_rate}")
        for name in ("warmup_steps", "weight_decay", "clip"):
            if not 0 <= getattr(self, name) <= LARGEST:
                raise ValueError(f"{name}: expected 0 to {LARGEST}, got {getattr(self, name)}")


@dataclass(frozen=True)
class Recipe:
    """One experiment. `seed` decides the weights at the start, the order of the images and the noise."""

    name: str
    data: DataRecipe
    model: ModelConfig
    objective: Objective = field(default_factory=ELBO)
    training: TrainingRecipe = field(default_factory=TrainingRecipe)
    seed: int = 0

    def __post_init__(self) -> None:
        printable = self.name.isprintable() and len(self.name) <= LONGEST_NAME
        if not self.name or not printable or set(self.name) & set("/\\") or self.name.startswith("."):
            raise ValueError(f"name: expected a name that can be a folder's, got {self.name[:LONGEST_NAME]!r}")
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"seed: expected 0 to 2147483647, got {self.seed}")

    def for_images(self, image: ImageSpec, classes: tuple[str, ...] = ()) -> Recipe:
        """The same recipe with its model made for these images, and for their classes where it is told of them.

        Raises:
            ValueError: when the model cannot be made for them.
        """
        model = dataclasses.replace(self.model, image=image)
        if isinstance(model, ConditionalConfig) and model.condition == "class":
            model = dataclasses.replace(model, classes=classes)
        return dataclasses.replace(self, model=model)


# The images are known when the data are; until then the model stands for the smallest that all networks take.
UNKNOWN_IMAGE = {"channels": 1, "height": 64, "width": 64}


def read_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe.

    Args:
        path: a TOML file.
        overrides: `key=value` with a dotted key, such as `training.epochs=2`; values as in TOML, or bare words.

    Raises:
        FileFormatError: when the file cannot be read or is not TOML.
        LatentlabError: with every mistake of the recipe, its key, what was expected and the nearest known name.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FileFormatError(f"cannot read {path}: {error.strerror or error}; give a recipe's TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FileFormatError(f"{path} is not TOML: {error}") from error
    for override in overrides:
        _override(table, override)
    return build_recipe(table, str(path))


def build_recipe(table: Mapping[str, Any], where: str) -> Recipe:
    """Check a recipe that is a plain mapping already; `where` names it in messages."""
    model = table.get("model")
    problems = []
    if isinstance(model, Mapping) and model.get("family") == "adopted":
        raise LatentlabError(
            f"{where}: model.family: expected {' or '.join(MODELS)}, got 'adopted', which is how models that were "
            "trained elsewhere are opened, and is not trained here"
        )
    if isinstance(model, Mapping):
        if "image" in model:
            problems.append("model.image: unknown key; size and channels stand under [data]")
        if "classes" in model:
            problems.append("model.classes: unknown key; the classes come with the images")
        table = {**table, "model": {**model, "image": UNKNOWN_IMAGE}}
    recipe, found = schema.read(Recipe, table)
    problems += found
    if problems or recipe is None:
        raise LatentlabError(f"{where}: {'; '.join(problems)}")
    return recipe


def recipe_table(recipe: Recipe) -> dict[str, Any]:
    """The plain mapping that `build_recipe` makes the recipe from."""
    table = schema.plain(recipe)
    for known_with_the_data in ("image", "classes"):
        table["model"].pop(known_with_the_data, None)
    return table


def _override(table: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise UsageError(f"expected --set key=value, got {override!r}; for example --set training.epochs=5")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *folders, last = key.split(".")
    for folder in folders:
        table = table.setdefault(folder, {})
        if not isinstance(table, dict):
            raise UsageError(f"cannot set {key!r}: {folder!r} is a value, not a table")
    table[last] = value
