"""What an edit changes: which directions, how far, and what has to stay as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from latentlab.directions.keep import keep_still
from latentlab.editing.edits import sweep
from latentlab.editing.unit import WITHOUT_READOUT, gaps_per_unit, gaps_to_levels
from latentlab.errors import CapabilityError, UsageError, unknown_name
from latentlab.latents.name import match_name

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.directions.direction import Direction
    from latentlab.lab.lab import Lab
    from latentlab.lab.verbs import Alpha
    from latentlab.statistics.covariance import Covariance


@dataclass(frozen=True)
class Change:
    """One attribute that an edit changes.

    Args:
        direction: along which; it already spares what has to stay.
        alphas: in the edit's unit.
        level: the probability that the readout gives at α = 1, or None.
    """

    direction: Direction
    alphas: tuple[float, ...]
    level: float | None = None

    @property
    def name(self) -> str:
        """The attribute or class."""
        return self.direction.name

    @property
    def sign(self) -> int:
        """1 where the attribute is added, −1 where it is taken away, 0 where both are shown."""
        if min(self.alphas) < 0 < max(self.alphas):
            return 0
        forward = 1 if max(self.alphas) > 0 else -1
        return forward if self.level is None or self.level >= 0.5 else -forward

    def caption(self, step: int) -> str:
        """How far a step goes, as in `+1.5`."""
        alpha = self.alphas[step if len(self.alphas) > 1 else 0]
        if self.level is None:
            return f"{alpha:+.3g}".replace("-", "−") if alpha else "0"
        return f"= {self.level:g}" if alpha == 1 else f"{alpha:.0%} of the way to {self.level:g}"


def find_changes(
    lab: Lab,
    attributes: Mapping[str, Alpha],
    levels: Mapping[str, float],
    keep: Sequence[str],
    data: Dataset | None,
    directions: Mapping[str, Direction] | None,
    covariance: Covariance | None,
) -> list[Change]:
    """The changes that were asked for, with the directions that they go along.

    Args:
        lab: the model.
        attributes: α of each attribute or class.
        levels: the level of some; one that stands only here has α = 1.
        keep: attributes or classes whose readouts are to stay as they are.
        data: where directions are found for names that the model lacks.
        directions: those of a directions file, which come before the run's own.
        covariance: of the latents, or None where it is not known.

    Raises:
        UsageError: when nothing is asked for, an α is no number, or an attribute is to change and to stay.
        UnknownNameError: for a name that is not known.
        CapabilityError: when there is no readout to keep still.
        DataError: when what is to stay cannot be told from what is to change.
    """
    if not isinstance(attributes, Mapping) or not all(isinstance(name, str) for name in [*attributes, *levels]):
        raise UsageError(f"expected attributes as names with alphas, such as {{'7': 1.5}}, got {attributes!r}")
    if not attributes and not levels:
        raise UsageError("expected at least one attribute to change; for example --attr smile --alpha 1.5")
    asked = {**dict.fromkeys(levels, 1.0), **attributes}
    changes = {}
    for name, alpha in asked.items():
        change = Change(_direction(lab, name, data, directions), _alphas(alpha), levels.get(name))
        changes[change.name] = change
    kept = find_directions(lab, keep, data, directions)
    both = [direction.name for direction in kept if direction.name in changes]
    if both:
        raise UsageError(f"expected {both[0]!r} either to change or to stay, got both")
    return [_sparing(change, kept, covariance) for change in changes.values()]


def find_directions(
    lab: Lab, names: Sequence[str], data: Dataset | None, directions: Mapping[str, Direction] | None
) -> list[Direction]:
    """The directions of attributes that are to stay, each once."""
    if isinstance(names, str):
        raise UsageError(f"expected names to keep as a list, such as ['glasses'], got {names!r}")
    found = {}
    for name in names:
        direction = _direction(lab, name, data, directions)
        found[direction.name] = direction
    return list(found.values())


def find_steps(
    changes: Sequence[Change], z: np.ndarray, unit: str, covariance: Covariance | None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Each change as a vector and its alphas in class gaps, (1, k) for all latents alike or (n, k).

    A level is reached from where the changes without one have moved the latents.

    Args:
        changes: what is asked for.
        z: the latents that will be moved, of shape (n, d).
        unit: of the alphas of changes without a level.
        covariance: of the latents, or None where it is not known.

    Raises:
        UnknownNameError, CapabilityError, DataError, UsageError: when a unit or a level cannot be had.
    """
    steps = {}
    for change in changes:
        if change.level is None:
            scale = gaps_per_unit(unit, change.direction, covariance)
            steps[change.name] = (change.direction.vector, scale * np.asarray(change.alphas)[None])
    levelled = [change for change in changes if change.level is not None]
    if levelled:
        start = sweep(z, steps)
        count = max(start.shape[1], *(len(change.alphas) for change in levelled))
        goals = [change.level for change in levelled if change.level is not None]
        gaps = np.stack(
            [
                gaps_to_levels(start[:, min(step, start.shape[1] - 1)], [one.direction for one in levelled], goals)
                for step in range(count)
            ],
            axis=1,
        )
        for index, change in enumerate(levelled):
            if len(change.alphas) not in (1, count):
                raise UsageError(
                    f"expected 1 or {count} alphas for {change.name!r}, got {len(change.alphas)}; "
                    "give each attribute as many"
                )
            steps[change.name] = (change.direction.vector, gaps[:, :, index] * np.asarray(change.alphas)[None])
    return {change.name: steps[change.name] for change in changes}


def _sparing(change: Change, kept: Sequence[Direction], covariance: Covariance | None) -> Change:
    """The same change along a direction that leaves the readouts of others alone."""
    if not kept:
        return change
    if covariance is None:
        raise CapabilityError(
            "expected latents of images to know what may change while others stay, got a model without a gallery; "
            "give --data, or --directions with a file that attrs wrote"
        )
    vector = keep_still(
        change.direction.vector,
        # A direction that nobody labelled images for has no probe: Σ⁻¹v reads best what moves along it.
        covariance.solve(change.direction.vector) if change.direction.readout is None else change.direction.readout,
        np.stack([_readout(direction) for direction in kept], axis=1),
        covariance,
        target=change.name,
        kept=[direction.name for direction in kept],
    )
    return replace(change, direction=replace(change.direction, vector=vector))


def _readout(direction: Direction) -> np.ndarray:
    if direction.readout is None:
        raise CapabilityError(
            f"{direction.name!r} has no readout, so that nobody can tell whether it stays: {WITHOUT_READOUT}"
        )
    return direction.readout


def _direction(lab: Lab, asked: str, data: Dataset | None, directions: Mapping[str, Direction] | None) -> Direction:
    known = {**lab.directions, **(directions or {})}
    name = match_name(asked, known)
    if name is not None:
        return known[name]
    if directions is not None and data is None:
        raise unknown_name("attribute or class", asked, known)
    return lab.direction(asked, data)


def _alphas(alpha: Alpha) -> tuple[float, ...]:
    try:
        values = (float(alpha),) if np.isscalar(alpha) else tuple(float(value) for value in alpha)  # type: ignore
    except (TypeError, ValueError) as error:
        raise UsageError(f"expected a number for alpha, got {alpha!r}") from error
    if not values or not np.isfinite(values).all():
        raise UsageError(f"expected finite numbers for alpha, got {alpha!r}")
    return values
