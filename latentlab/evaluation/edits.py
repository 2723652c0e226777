"""How well edits work: how far α has to go, what else changes, and how far it may go.

Judges are the readouts of the directions, fitted on other images. Each edit is read twice: on the latents it makes,
and on what the encoder says of their pictures; so a direction that fails is told apart from a decoder that does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentlab.directions.direction import Direction
from latentlab.errors import DataError, UsageError
from latentlab.evaluation.identity import cycle_errors, latent_spread, nearest_distance
from latentlab.evaluation.leakage import Judge, Leakage, judge_attribute, stack_leakage
from latentlab.evaluation.safe import GRID, PERCENTILE, SafeRange, cycle_limit
from latentlab.evaluation.trial import SUCCESS, AttributeEdit, Transform, Trial, Yard, try_attribute
from latentlab.latents.table import Latents
from latentlab.runtime import Progress, silent
from latentlab.statistics.covariance import Covariance, fit_covariance
from latentlab.statistics.split import draw_order
from latentlab.statistics.support import Support

COUNT = 200
# Images whose pictures are made unedited, to see how well those come back.
UNEDITED = 500


@dataclass(frozen=True)
class EditScores:
    """How well edits work, attribute by attribute.

    Args:
        success: the share of images that an edit has to change.
        attributes: one an attribute that could be judged, in the order of the directions.
        latents: the leakage matrix at each attribute's `alpha_latents`, read from edited latents.
        pictures: that at `alpha_pictures`, read from encode(decode(z')) against encode(decode(z)).
        floor: encode(decode(z)) against z: what decode → encode alone does to the images without the attribute.
        left_out: the reason for each direction that could not be judged.
    """

    success: float
    attributes: tuple[AttributeEdit, ...]
    latents: Leakage
    pictures: Leakage
    floor: Leakage
    left_out: Mapping[str, str]

    @property
    def names(self) -> list[str]:
        """The attributes, in the order of rows and columns of the matrices."""
        return [attribute.name for attribute in self.attributes]

    def doubts(self) -> list[str]:
        """A line for each attribute whose edit does not work as it should, and for each that was left out."""
        failing = [one.verdict(self.success) for one in self.attributes if not one.works]
        return failing + [f"{name}: left out: {reason}" for name, reason in self.left_out.items()]

    def record(self) -> dict[str, Any]:
        """Everything as plain values for JSON; NaN becomes None."""
        return {
            "success": self.success,
            "names": self.names,
            "attributes": [
                {**vars(one), "safe": vars(one.safe), "verdict": one.verdict(self.success)} for one in self.attributes
            ],
            **{
                kind: {"gaps": _plain(matrix.gaps), "flips": _plain(matrix.flips)}
                for kind, matrix in (("latents", self.latents), ("pictures", self.pictures), ("floor", self.floor))
            },
            "left_out": dict(self.left_out),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> EditScores:
        """The scores that `record` wrote.

        Raises:
            KeyError, TypeError, ValueError: when it is something else.
        """
        attributes = []
        for one in record["attributes"]:
            values = {name: value for name, value in one.items() if name != "verdict"}
            curves = {name: tuple(values[name]) for name in ("alphas", "success_latents", "success_pictures")}
            attributes.append(AttributeEdit(**{**values, **curves, "safe": SafeRange(**one["safe"])}))
        matrices = {
            kind: Leakage(np.array(record[kind]["gaps"], np.float64), np.array(record[kind]["flips"], np.float64))
            for kind in ("latents", "pictures", "floor")
        }
        return cls(record["success"], tuple(attributes), left_out=record["left_out"], **matrices)


def score_edits(
    latents: Latents,
    directions: Sequence[Direction],
    *,
    decode: Transform,
    encode: Transform,
    success: float = SUCCESS,
    alphas: Sequence[float] = GRID,
    count: int = COUNT,
    seed: int = 0,
    covariance: Covariance | None = None,
    progress: Progress = silent,
) -> EditScores:
    """Measure the edit z' = z + αv of each direction, on held-out images without its attribute.

    Args:
        latents: held-out images: neither directions nor readouts were made of them.
        directions: with readouts; those without, or whose attribute is not labelled, are left out with the reason.
        decode: latents (n, d) to pictures (n, c, h, w).
        encode: pictures to latents (posterior means).
        success: the share of images to change, between 0 and 1; leakage is compared at equal success.
        alphas: in class gaps; 0 is added. The α of success is looked for up to the last, between them too.
        count: images that each edit is tried on, at most.
        seed: of the images chosen.
        covariance: of the latents that the directions were found on; None takes that of `latents`.
        progress: told of every attribute.

    Returns:
        The scores.

    Raises:
        UsageError: when `success` is not between 0 and 1, `count` is not positive, or no α is.
        DataError: when a latent is not finite, or no direction can be judged.
    """
    grid = np.unique(np.append(np.asarray(alphas, np.float64), 0.0))
    if not 0 < success < 1 or count < 1 or not np.isfinite(grid).all() or grid[-1] <= 0:
        raise UsageError(
            "expected a success between 0 and 1, at least 1 image and an α above 0, got "
            f"success {success:g}, count {count}, alphas {', '.join(f'{alpha:g}' for alpha in alphas)}"
        )
    if not np.isfinite(latents.mean).all():
        raise DataError("expected finite latents to edit, got NaN or infinity; encode them again or leave those out")
    found = {one.name: judge_attribute(one, latents) for one in directions}
    judges = [judge for judge in found.values() if isinstance(judge, Judge)]
    left_out = {name: reason for name, reason in found.items() if isinstance(reason, str)}
    if not judges:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items()) or "no directions"
        raise DataError(f"expected a direction that held-out images can judge, got none: {reasons}")
    support = Support(latents.mean, fit_covariance(latents.mean) if covariance is None else covariance)
    spread = latent_spread(latents.mean)
    order = draw_order(latents.ids, seed)
    shuffled = latents.mean[np.argsort(order, kind="stable")]
    unedited = shuffled[:UNEDITED]
    usual = float(np.percentile(cycle_errors(unedited, encode(decode(unedited)), spread), PERCENTILE))
    yard = Yard(support, spread, cycle_limit(usual, nearest_distance(shuffled, spread)))
    vectors = {one.name: one.vector for one in directions}
    tried = []
    for number, judge in enumerate(judges):
        progress("score edits", number, len(judges))
        without = np.flatnonzero(latents.truth(judge.name) == 0)
        rows = without[np.argsort(order[without], kind="stable")][:count]
        trial = Trial(latents.mean[rows], vectors[judge.name], tuple(judges), number, decode, encode)
        tried.append(try_attribute(trial, grid.tolist(), success, yard, staying(latents, judges, number)))
    progress("score edits", len(judges), len(judges))
    return EditScores(
        success=success,
        attributes=tuple(attribute for attribute, *_ in tried),
        latents=stack_leakage([row for _, row, _, _ in tried]),
        pictures=stack_leakage([row for _, _, row, _ in tried]),
        floor=stack_leakage([row for *_, row in tried]),
        left_out=left_out,
    )


def staying(latents: Latents, judges: Sequence[Judge | AttributeEdit], number: int) -> list[int]:
    """The judges whose attributes should stay when that of `number` changes: fair ones, and no class where one changes.

    A class gives way to another; an attribute that is labelled as such stays, whatever its name.
    """
    exclusive = set(latents.classes) - set(latents.attributes)
    changes_class = judges[number].name in exclusive
    return [
        k
        for k, judge in enumerate(judges)
        if k != number and judge.fair and not (changes_class and judge.name in exclusive)
    ]


def _plain(matrix: np.ndarray) -> list[list[float | None]]:
    """Rows of numbers for JSON, None for NaN."""
    return [[float(value) if np.isfinite(value) else None for value in row] for row in matrix]
