"""Attribute vectors of a table of latents on disk, from what was summed while it was encoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.directions.estimate import Estimate, estimate_directions, left_out_notes
from latentlab.directions.estimate_summed import estimate_summed, judging_halves
from latentlab.directions.summed import SUMMED
from latentlab.errors import DataError, UsageError
from latentlab.lab.attribute import TRIED, Attributes, build_attributes
from latentlab.lab.score import measure
from latentlab.lab.table import require_like, require_numbers, table_notes, table_origin
from latentlab.latents.name import match_name
from latentlab.latents.summary import is_finding
from latentlab.latents.table import Latents
from latentlab.runtime import Progress, silent
from latentlab.statistics.sample import random_rows

if TYPE_CHECKING:
    from latentlab.lab.lab import Lab
    from latentlab.latents.store import StoredLatents

# Rows that readouts are fitted and judged on, and that angles come from: of wide latents as many as 128 MB hold.
SAMPLED = 100_000
SAMPLED_VALUES = 2**25


def table_attributes(
    stored: StoredLatents,
    lab: Lab | None = None,
    names: Sequence[str] | None = None,
    *,
    method: str = "mean",
    seed: int = 0,
    progress: Progress = silent,
) -> Attributes:
    """Find the direction of each attribute and class of a table.

    Directions come from sums over three quarters of all rows, which the table carries: no row is read for them. What
    needs rows (readouts, AUC, intervals, edits) takes a sample, of the other quarter where it judges.

    Args:
        stored: the table.
        lab: the model that made it, on which edits are tried; None where it is not there.
        names: attributes or classes; None for all.
        method: a name in SUMMED; `logistic`, which sums do not give, is found on the sample.
        seed: of the sample, the splits and the intervals.
        progress: told of the work.

    Raises:
        CapabilityError: when the latent holds codes, or sums cannot give the method.
        UnknownNameError, DataError: for a name that is not known, or has too few images with or without it.
        UsageError: for a method that finds directions which nobody named.
    """
    require_numbers(stored, "attribute vectors")
    if lab is not None:
        require_like(lab, stored)
    known = stored.property_names()
    asked = None if names is None else [match_name(name, known) or name for name in names]
    sample = draw_rows(stored, seed)
    unseen = sample.take(np.flatnonzero(~is_finding(sample.ids)))
    judges = unseen.take(judging_halves(unseen.ids, seed)[1])
    notes = table_notes(stored, lab)
    if len(sample) < len(stored):
        notes.append(
            f"directions are of all {stored.summary.finding.count:,} rows that find them; readouts, AUC, intervals and "
            f"angles come from {len(sample):,} of {len(stored):,} rows, drawn at random"
        )
    estimate = _estimate(stored, sample, asked, method, seed, notes)
    if not estimate.directions:
        raise DataError("; ".join(estimate.left_out.values()))
    notes += left_out_notes(estimate.left_out)
    measured = None
    if lab is not None:
        try:
            measured = measure(
                lab, judges, list(estimate.directions), estimate.covariance, count=TRIED, seed=seed, progress=progress
            )
        except DataError as error:
            notes.append(f"edits were not tried: {error}")
    described: dict[str, Any] = {
        "source": stored.plan.source,
        "split": stored.plan.split,
        "images": stored.summary.finding.count,
        "table": stored.plan.digest,
        "seed": seed,
    }
    found = [direction.name for direction in estimate.directions]
    origin = table_origin(stored, "attrs", seed, data=described, names=found, method=method)
    return build_attributes(origin, lab, estimate, described, notes, measured)


def draw_rows(stored: StoredLatents, seed: int) -> Latents:
    """A random sample of the rows of a table, in their order; all of them where they are few."""
    return stored.take(random_rows(len(stored), min(SAMPLED, max(1, SAMPLED_VALUES // stored.size)), seed))


def _estimate(
    stored: StoredLatents, sample: Latents, names: Sequence[str] | None, method: str, seed: int, notes: list[str]
) -> Estimate:
    if method in SUMMED:
        return estimate_summed(stored.summary, sample, names=names, method=method, seed=seed)
    if method != "logistic":
        raise UsageError(
            f"expected a method of named attributes for a table of latents ({', '.join(SUMMED)}, logistic), got "
            f"{method}; for that give images with --data"
        )
    notes.append(f"logistic needs rows: it was found on {len(sample):,} of {len(stored):,}")
    finding = is_finding(sample.ids)
    return estimate_directions(
        sample.take(np.flatnonzero(finding)),
        sample.take(np.flatnonzero(~finding)),
        names=names,
        method=method,
        seed=seed,
    )
