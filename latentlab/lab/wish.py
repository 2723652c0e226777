"""What a conditional model is asked to show: conditions by the names that people write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latentlab.errors import CapabilityError, UsageError, unknown_name
from latentlab.latents.name import find_name, match_name

if TYPE_CHECKING:
    from latentlab.codec import ConditionSpec
    from latentlab.lab.lab import Lab

ALL = "all"
NOT = "not "


@dataclass(frozen=True)
class Wish:
    """One condition that pictures shall have.

    Args:
        name: as it is shown, such as `7` or `not smile`.
        values: 0 or 1 for the places of the condition that are asked for; the others stay as they are.
    """

    name: str
    values: Mapping[int, float]

    @property
    def places(self) -> list[int]:
        """Which numbers of the condition are asked for."""
        return list(self.values)

    def put(self, conditions: np.ndarray) -> np.ndarray:
        """Conditions of shape (n, k) with what is asked for in its place."""
        changed = conditions.copy()
        for place, value in self.values.items():
            changed[:, place] = value
        return changed


def condition_of(lab: Lab) -> ConditionSpec:
    """What a model is told, where its latent carries it.

    Raises:
        CapabilityError: for a model that knows no conditions.
    """
    condition = getattr(lab.codec, "condition", None)
    if condition is None or not condition.block:
        raise CapabilityError(
            f"expected a model of the family 'conditional', got {lab.name} of the family {lab.codec.config.family!r}, "
            "which is told no condition; train recipes/digits-conditional.toml and open it with --model, or move "
            "along a direction with edit --attr"
        )
    return condition


def read_wish(lab: Lab, text: str) -> Wish:
    """Read one condition of a model.

    Raises:
        CapabilityError, UnknownNameError, UsageError: as `condition_of` and `read_wishes`, and for `all`.
    """
    wishes = read_wishes(condition_of(lab), [text])
    if len(wishes) > 1:
        raise UsageError(f"expected one condition, got {text!r}, which are {len(wishes)}; name one")
    return wishes[0]


def read_wishes(condition: ConditionSpec, texts: Sequence[str]) -> list[Wish]:
    """Read conditions such as `7`, `smile`, `not smile`, `smile, not hat` (both at once), or `all`.

    Args:
        condition: the names that the model knows.
        texts: as they were written.

    Returns:
        Each condition once, in the order in which they are asked for; `all` stands for every class, or for every
        attribute with and without.

    Raises:
        UsageError: when nothing is asked for, a class is asked not to be, or an attribute to be and not to be.
        UnknownNameError: for a name that the model was not told of.
    """
    if isinstance(texts, str) or not texts or not all(isinstance(text, str) for text in texts):
        raise UsageError(f"expected conditions as a list of names, such as [{condition.names[0]!r}], got {texts!r}")
    asked: list[str] = []
    for text in texts:
        if text.strip().casefold() != ALL or ALL in condition.names:
            asked.append(text)
        elif condition.kind == "class":
            asked += condition.names
        else:
            asked += [wanted for name in condition.names for wanted in (name, NOT + name)]
    read = _class if condition.kind == "class" else _attributes
    wishes = {wish.name: wish for wish in (read(condition.names, text) for text in asked)}
    return list(wishes.values())


def put_condition(lab: Lab, latents: np.ndarray, wish: Wish) -> np.ndarray:
    """Latents of shape (n, d) with z as it is and y as it is asked for."""
    moved = latents.copy()
    block = lab.latent.slices()[condition_of(lab).block]
    moved[:, block] = wish.put(latents[:, block])
    return moved


def _class(names: Sequence[str], text: str) -> Wish:
    found = match_name(text, names)
    if found is not None:
        return Wish(found, {place: float(name == found) for place, name in enumerate(names)})
    if text.strip().casefold().startswith(NOT):
        raise UsageError(f"expected a class to take the place of another, got {text!r}; name the one that shall be")
    raise unknown_name("condition", text, names, "or all")


def _attributes(names: Sequence[str], text: str) -> Wish:
    values: dict[int, float] = {}
    for part in text.split(","):
        name, value = part.strip(), 1.0
        if match_name(name, names) is None and name.casefold().startswith(NOT):
            name, value = name[len(NOT) :], 0.0
        found = find_name("condition", name, names, "or all; 'not NAME' takes one away")
        place = list(names).index(found)
        if values.setdefault(place, value) != value:
            raise UsageError(f"expected {found!r} either to be or not to be, got both in {text!r}")
    shown = [(names[place] if value else NOT + names[place]) for place, value in values.items()]
    return Wish(", ".join(shown), values)
