"""The latents that a question is about: of images given, of the gallery, or of a table on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from latentlab.errors import UsageError
from latentlab.lab.table import block_rows, require_like, require_numbers
from latentlab.latents.moments import Moments
from latentlab.runtime import Progress, silent
from latentlab.statistics.covariance import Covariance, fit_covariance

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.latents.store import StoredLatents
    from latentlab.latents.table import Latents


@dataclass(frozen=True)
class Ground:
    """Latents that are all in memory, or are read where they lie.

    Args:
        count: the rows n.
        blocks: all rows in order, some at a time.
        means: their means alone, in arrays of shape (≤ rows, d).
        take: some rows as a table in memory.
        truth: whether each row has an attribute or is of a class, as `Latents.truth`.
        moments: of all means.
        covariance: of all means.
        names: of attributes and classes.
        posterior: whether rows have log-variances.
        images: pictures of rows, of shape (m, c, h, w): real ones where there are any; None without a model.
        words: what it is, as "the 500 test images that digits carries".
    """

    count: int
    blocks: Callable[[], Iterator[Latents]]
    means: Callable[[], Iterator[np.ndarray]]
    take: Callable[[np.ndarray], Latents]
    truth: Callable[[str], np.ndarray]
    moments: Callable[[], Moments]
    covariance: Callable[[], Covariance]
    names: list[str]
    posterior: bool
    images: Callable[[np.ndarray], np.ndarray] | None
    words: str


def ground_of(
    lab: Lab | None,
    data: Dataset | None,
    latents: StoredLatents | None,
    what: str,
    progress: Progress = silent,
) -> Ground:
    """What is looked at.

    Args:
        lab: the model; None for a table whose model is not there.
        data: images; else the gallery.
        latents: a table on disk instead.
        what: is asked, for messages: "neighbours".
        progress: told of the encoding.

    Raises:
        UsageError: when there are images and a table, or nothing at all.
        CapabilityError: for a table of codes.
        LatentlabError: for a table of another model.
    """
    if data is not None and latents is not None:
        raise UsageError(f"expected data or latents for {what}, got both; leave one out")
    if latents is not None:
        return _stored(latents, lab, what)
    if lab is None:
        raise UsageError(f"expected a model or a table of latents for {what}, got neither")
    return _held(lab, data, progress)


def _held(lab: Lab, data: Dataset | None, progress: Progress) -> Ground:
    """Images given, or the gallery."""
    table = lab.known(data, progress)

    def images(rows: np.ndarray) -> np.ndarray:
        return lab.decode(table.mean[rows]) if data is None else data.take(rows).images

    return Ground(
        count=len(table),
        blocks=lambda: iter([table]),
        means=lambda: iter([table.mean]),
        take=table.take,
        truth=table.truth,
        moments=lambda: Moments(table.mean.shape[1], 0).add(table.mean, np.zeros((len(table), 0), np.float32)),
        covariance=lambda: fit_covariance(table.mean),
        names=table.property_names(),
        posterior=table.logvar is not None,
        images=images,
        words=f"the {len(table):,} test images that {lab.name} carries"
        if data is None
        else f"{len(table):,} images of {data.source}",
    )


def _stored(stored: StoredLatents, lab: Lab | None, what: str) -> Ground:
    """A table on disk."""
    require_numbers(stored, what)
    if lab is not None:
        require_like(lab, stored)
    rows = block_rows(stored.size)
    return Ground(
        count=len(stored),
        blocks=lambda: stored.blocks(rows),
        means=lambda: stored.means(rows),
        take=stored.take,
        truth=stored.truth,
        moments=lambda: stored.summary.whole(),
        covariance=stored.covariance,
        names=stored.property_names(),
        posterior=stored.plan.posterior,
        images=None if lab is None else lambda rows: lab.decode(stored.take(rows).mean),
        words=f"the {len(stored):,} latents of {stored.name}",
    )
