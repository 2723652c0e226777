"""The models that come with the package, in the order in which they are asked whether they know a name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from latentlab.errors import UnknownNameError, unknown_name
from latentlab.files import read_json
from latentlab.latents.name import match_name

BUNDLED = ("mnist", "faces", "digits", "mnist-2d", "digits-ae")

ZOO = Path(__file__).parent.parent / "zoo"


def bundled_folder(name: str) -> Path:
    """The folder of a bundled model.

    Raises:
        UnknownNameError: when no bundled model is called so.
    """
    if name not in BUNDLED:
        raise unknown_name("model", name, BUNDLED, "or give the path of a checkpoint or a run")
    return ZOO / name


def bundled_names(name: str) -> list[str]:
    """The attributes and classes that a bundled model knows, read without its weights."""
    return list(read_json(bundled_folder(name) / "metrics.json")["directions"])


def pick_bundled(names: Iterable[str]) -> str:
    """The first bundled model that knows all the names; the first of all where no name is asked for.

    Raises:
        UnknownNameError: when none knows them all; says which name, or which models know which.
    """
    asked = list(dict.fromkeys(names))
    known: dict[str, list[str]] = {}
    for model in BUNDLED:
        known[model] = bundled_names(model) if asked else []
        if all(match_name(name, known[model]) for name in asked):
            return model
    everything = [name for there in known.values() for name in there]
    for name in asked:
        if match_name(name, everything) is None:
            raise unknown_name("attribute or class", name, everything, "an image file has to exist")
    listed = "; ".join(f"{name}: {', '.join(m for m in BUNDLED if match_name(name, known[m]))}" for name in asked)
    raise UnknownNameError(
        f"expected names that one bundled model knows, got {' and '.join(asked)} ({listed}); ask for each by itself"
    )


def bundled_cards() -> list[dict[str, Any]]:
    """What each bundled model is and how good it is, as its run wrote it."""
    return [{"name": name, **read_json(bundled_folder(name) / "metrics.json")} for name in BUNDLED]
