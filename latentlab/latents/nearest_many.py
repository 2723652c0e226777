"""The nearest of very many latents at once: exact where that is quick, else by an index whose recall is measured.

References:
    W. Dong, M. Charikar, K. Li: Efficient K-Nearest Neighbor Graph Construction for Generic Similarity Measures. 2011.
    WWW 2011, doi 10.1145/1963405.1963487
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latentlab.errors import DataError, UsageError
from latentlab.latents.nearest import nearest_rows
from latentlab.runtime import Progress, silent
from latentlab.statistics.covariance import Covariance

# An exact answer takes 5 ns a pair, so many of them a minute; an index 20 s for pynndescent to be compiled, and 15 to
# 40 µs a row, so that it pays from some thousands of latents on.
PAIRS, MANY = 10**10, 10_000
# Latents whose neighbours are looked for exactly as well, to know the share that was found.
SAMPLE = 200
# Neighbours of each row that the index keeps, at least, and for each that is wanted.
KEPT, KEPT_EACH = 20, 1.5
# A share below this is tried again with three times as many.
ENOUGH, MORE = 0.95, 3
# Neighbours that an index may keep in all: 1 GB.
MOST_KEPT = 1 << 27
# Latents that are looked for in an index at once, and that are placed.
AT_ONCE = 1 << 14
# Latents whose distances from all rows are measured at once: where very many rows are equally far, each of these takes
# 80 bytes for each of 8,192 rows.
MEASURED = 1 << 10
# Numbers that are taken apart at once: 32 MB of float64.
DIFFERENCES = 1 << 22
# How far a search in an index looks beyond the best that it has.
EPSILON = 0.3
# Distances that are one but for rounding.
ROUNDING = 1e-6


@dataclass(frozen=True)
class ManyNearest:
    """The rows nearest to each of many latents.

    Args:
        rows: int64 of shape (m, k), nearest first.
        distances: of shape (m, k), measured in float64 whatever found them.
        recall: the share of the true neighbours that were found, among 200 of the latents; None where all were.
        recall_error: the standard error of that.
    """

    rows: np.ndarray
    distances: np.ndarray
    recall: float | None = None
    recall_error: float | None = None


def nearest_of_many(
    z: np.ndarray,
    queries: np.ndarray | None,
    count: int,
    *,
    covariance: Covariance | None = None,
    exact: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> ManyNearest:
    """Find the rows nearest to each of many latents, or to each row among the others.

    From 10,000 latents and 10¹⁰ pairs on by an index (pynndescent), which finds most of the neighbours in a fraction of
    the time: of a million rows in two minutes instead of hours. How many it finds is measured each time; where fewer
    than .95, and there is room for it, it is built again three times as large.
    The same seed gives the same answer on one machine; another number of threads may give another.

    Args:
        z: the rows, float32 of shape (n, d).
        queries: the latents, of shape (m, d); None for the rows themselves, of which none is its own neighbour.
        count: how many neighbours of each, k.
        covariance: of the Mahalanobis distance; None for the Euclidean.
        exact: measure every distance, whatever time that takes.
        seed: of the index, and of the sample that is looked for exactly.
        progress: told of the work.

    Raises:
        UsageError: when there are not as many neighbours, or too many for an index and exactness was not asked for.
        DataError: when latents are not finite, or not of one size.
    """
    others = len(z) - (queries is None)
    if not 1 <= count <= others:
        raise UsageError(f"expected 1 to {others:,} neighbours, the rows that are searched, got {count:,}")
    for values in (z, z if queries is None else queries):
        if values.ndim != 2 or values.shape[1] != z.shape[1]:
            raise DataError(f"expected latents of {z.shape[1]} dimensions, got shape {values.shape}")
        if not np.isfinite(values).all():
            raise DataError("expected finite latents, got NaN or infinity; encode them again")
    # Measured where both are put so that the distance is the plain one.
    z, queries = (None if values is None else _placed(values, covariance) for values in (z, queries))  # type: ignore[assignment]
    asked = z if queries is None else queries
    kept = max(KEPT, int(np.ceil(KEPT_EACH * (count + 1))))
    if exact or len(asked) < MANY or len(asked) * len(z) < PAIRS:
        rows, distances = _exact(z, asked, np.arange(len(asked)), count, queries is None, progress)
        return ManyNearest(rows, distances)
    if kept * len(z) > MOST_KEPT:
        raise UsageError(
            f"expected at most {MOST_KEPT // kept:,} latents for an index of {count:,} neighbours each, got "
            f"{len(z):,}; take fewer neighbours, or --exact, which measures {len(asked) * len(z):.0e} distances"
        )
    sample = np.sort(np.random.default_rng(seed).choice(len(asked), SAMPLE, replace=False))
    _, known = _exact(z, asked, sample, count, queries is None, progress)
    best: ManyNearest | None = None
    for size in (kept, MORE * kept):
        if size * len(z) > MOST_KEPT or (best is not None and best.recall is not None and best.recall >= ENOUGH):
            break
        rows, distances = _indexed(z, queries, count, size, seed, progress)
        # By distance: of rows that are equally far one is as good as another.
        hits = (distances[sample] <= known[:, -1:] * (1 + ROUNDING)).mean(axis=1)
        found = ManyNearest(rows, distances, float(hits.mean()), float(hits.std(ddof=1) / np.sqrt(SAMPLE)))
        if best is None or found.recall > best.recall:  # type: ignore[operator]
            best = found
    assert best is not None
    return best


def _placed(z: np.ndarray, covariance: Covariance | None) -> np.ndarray:
    if covariance is None:
        return np.ascontiguousarray(z, np.float32)
    starts = range(0, len(z), AT_ONCE)
    return np.concatenate([covariance.whiten(z[start : start + AT_ONCE]).astype(np.float32) for start in starts])


def _exact(
    z: np.ndarray, asked: np.ndarray, which: np.ndarray, count: int, own: bool, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """The neighbours of some of the latents, by every distance there is."""
    found = []
    task = "measuring distances"
    progress(task, 0, len(which))
    for start in range(0, len(which), MEASURED):
        some = which[start : start + MEASURED]
        rows, distances = nearest_rows([z], asked[some], min(count + own, len(z)))
        found.append(_others(rows, distances, some) if own else (rows, distances))
        progress(task, min(start + MEASURED, len(which)), len(which))
    return np.concatenate([rows for rows, _ in found]), np.concatenate([far for _, far in found])


def _others(rows: np.ndarray, distances: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All but the row itself; all but the last where many rows are the same and it is not among them."""
    order = np.argsort(rows == own[:, None], axis=1, kind="stable")[:, :-1]
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1)


def _indexed(
    z: np.ndarray, queries: np.ndarray | None, count: int, kept: int, seed: int, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """The rows that an index finds, nearest first, and their distances, of shape (m, count)."""
    from pynndescent import NNDescent

    task = f"building an index of {len(z):,} latents"
    progress(task, 0, 1)
    index = NNDescent(z, n_neighbors=kept, random_state=seed % 2**32)
    progress(task, 1, 1)
    if queries is None:
        rows, distances = index.neighbor_graph
        rows, _ = _others(rows[:, : count + 1], distances[:, : count + 1], np.arange(len(z)))
    else:
        task = "looking into the index"
        progress(task, 0, len(queries))
        parts = []
        for start in range(0, len(queries), AT_ONCE):
            parts.append(index.query(queries[start : start + AT_ONCE], k=count, epsilon=EPSILON)[0])
            progress(task, min(start + AT_ONCE, len(queries)), len(queries))
        rows = np.concatenate(parts)
    rows = rows.astype(np.int64)
    # An index that found too few of a latent says −1.
    short = np.flatnonzero((rows < 0).any(axis=1))
    if len(short):
        rows[short], _ = _exact(z, z if queries is None else queries, short, count, queries is None, silent)
    far = _measured(z, z if queries is None else queries, rows)
    order = np.lexsort((rows, far), axis=1)
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(far, order, axis=1)


def _measured(z: np.ndarray, asked: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The distances of latents from rows, float64 of the shape of the rows."""
    found = np.empty(rows.shape)
    step = max(1, DIFFERENCES // (rows.shape[1] * z.shape[1]))
    for start in range(0, len(rows), step):
        some = slice(start, start + step)
        away = z[rows[some]].astype(np.float64) - asked[some, None]
        found[some] = np.sqrt(np.einsum("mkd,mkd->mk", away, away))
    return found
