"""Estimators in order: what each reaches, and what else its edits change at equal success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latentlab.evaluation.edits import EditScores, staying
from latentlab.evaluation.trial import AttributeEdit

if TYPE_CHECKING:
    from latentlab.directions.direction import Direction
    from latentlab.latents.table import Latents


@dataclass(frozen=True)
class Ranked:
    """One estimator, over the attributes that every ranked estimator finds and a fair judge reads.

    α, leakage and change are compared at equal success: over those attributes alone whose edits succeed with every
    estimator that succeeds with any; None for one that succeeds with none, or where there is no such attribute.

    Args:
        method: its name in ESTIMATORS.
        reached: the attributes whose edit reaches the success asked for, in pictures.
        asked: how many attributes are compared.
        alpha: the median α of success in pictures, in class gaps.
        leak_latents: the mean absolute leakage onto other attributes at equal success in latents, in class gaps; None
            also where no other could stay: classes give way to each other.
        leak_pictures: the same at equal success in pictures, read from them.
        change: the mean rms change of a pixel value.
        angle: between its directions and those of the mean difference (or, without it, of the first estimator), the
            median, in degrees.
    """

    method: str
    reached: int
    asked: int
    alpha: float | None
    leak_latents: float | None
    leak_pictures: float | None
    change: float | None
    angle: float


@dataclass(frozen=True)
class Tried:
    """One estimator's directions, and what edits along them do."""

    found: Mapping[str, Direction]
    quality: EditScores
    left_out: Mapping[str, str]

    def edit(self, name: str) -> AttributeEdit:
        return next(one for one in self.quality.attributes if one.name == name)

    def lack(self, name: str) -> str:
        """Why an attribute cannot be compared, or ""."""
        for reasons in (self.left_out, self.quality.left_out):
            if name in reasons:
                return reasons[name]
        edit = self.edit(name)
        return "" if edit.fair else f"its judge reads {100 * edit.accuracy:.0f} % of held-out images right, too few"


def comparable_attributes(tried: Mapping[str, Tried]) -> tuple[list[str], list[str]]:
    """The attributes that every estimator finds and fair judges read, and a line for each other one."""
    every = dict.fromkeys(name for one in tried.values() for name in [*one.found, *one.left_out])
    names, said = [], []
    for name in every:
        reasons: dict[str, list[str]] = {}
        for method, one in tried.items():
            reasons.setdefault(one.lack(name), []).append(method)
        if list(reasons) == [""]:
            names.append(name)
            continue
        reasons.pop("", None)
        whose = [r if len(who) == len(tried) else f"{', '.join(who)}: {r}" for r, who in reasons.items()]
        said.append(f"{name} is not compared: {'; '.join(whose)}")
    return names, said


@dataclass(frozen=True)
class Comparable:
    """Estimators, the K attributes that they are compared on, and the held-out images."""

    tried: Mapping[str, Tried]
    names: Sequence[str]
    judges: Latents

    def alphas(self, method: str, kind: str) -> list[float | None]:
        """The α of success of each attribute, in `latents` or `pictures`."""
        return [getattr(self.tried[method].edit(name), f"alpha_{kind}") for name in self.names]

    def equal(self, kind: str = "pictures") -> list[int]:
        """The attributes, as numbers in `names`, whose edits succeed with every estimator that succeeds with any."""
        succeeds = [[alpha is not None for alpha in self.alphas(method, kind)] for method in self.tried]
        reaching = [row for row in succeeds if any(row)]
        return [t for t in range(len(self.names)) if reaching and all(row[t] for row in reaching)]

    def staying(self) -> np.ndarray:
        """Which attributes should stay when another changes, bool of shape (K, K)."""
        edits = [next(iter(self.tried.values())).edit(name) for name in self.names]
        apart = np.zeros((len(edits), len(edits)), dtype=bool)
        for t in range(len(edits)):
            apart[t, staying(self.judges, edits, t)] = True
        return apart

    def leak(self, method: str, kind: str) -> float | None:
        """The mean absolute leakage at equal success; None where the method succeeds with none, or nothing can leak."""
        rows, quality = self.equal(kind), self.tried[method].quality
        if not rows or self.alphas(method, kind)[rows[0]] is None:
            return None
        order = [quality.names.index(name) for name in self.names]
        gaps = getattr(quality, kind).gaps[np.ix_(order, order)][rows]
        leaks = np.abs(gaps[self.staying()[rows]])
        return float(leaks.mean()) if leaks.size else None


def rank(method: str, shared: Comparable) -> Ranked:
    one, found = shared.tried[method], shared.tried[method].found
    base = shared.tried.get("mean", next(iter(shared.tried.values()))).found
    reached = [alpha is not None for alpha in shared.alphas(method, "pictures")]
    edits = [one.edit(shared.names[t]) for t in shared.equal()] if any(reached) else []
    alphas = [edit.alpha_pictures for edit in edits if edit.alpha_pictures is not None]
    changes = [edit.change for edit in edits if edit.change is not None]
    return Ranked(
        method=method,
        reached=sum(reached),
        asked=len(shared.names),
        alpha=float(np.median(alphas)) if alphas else None,
        leak_latents=shared.leak(method, "latents"),
        leak_pictures=shared.leak(method, "pictures"),
        change=float(np.mean(changes)) if changes else None,
        angle=float(np.median([_angle(found[name].vector, base[name].vector) for name in shared.names])),
    )


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64) / np.linalg.norm(a), b.astype(np.float64) / np.linalg.norm(b)
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b))))


def best_first(one: Ranked) -> tuple[float, ...]:
    """More edits that succeed, then less leakage in pictures, then less change."""
    leak, change = (np.inf if value is None else value for value in (one.leak_pictures, one.change))
    return (-one.reached, leak, change)
