"""Maps of more latents than can be fitted, or held: a sample is laid out, and the others find their places among it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from latentlab.errors import DataError, UsageError, unknown_name
from latentlab.latents.moments import Moments
from latentlab.maps.inverse import NEIGHBOURS, weighted_mean
from latentlab.maps.projections import PROJECTIONS, Projection, project
from latentlab.runtime import Progress, silent
from latentlab.statistics.principal import covariance_axes, principal_axes
from latentlab.statistics.sample import stratified_rows

# UMAP with a seed runs on one thread: 11 s for 20,000 latents of digits, 20 s for 50,000. Of points that are placed,
# .92 lie among their own class with 20,000 fitted, .93 with 50,000, and .95 and .97 of those that are fitted.
FIT = 50_000
DIMENSIONS = 50
# Beyond 1024 dimensions moments hold no covariance: as many rows find the axes.
AXES_ROWS = 2_048
# Distances that a thread holds at once: 16 MB of float32.
DISTANCES = 2**22
# Distances of which only the least is looked at, until it is known which k of these are.
STRIP = 64

Blocks = Callable[[], Iterator[np.ndarray]]


@dataclass(frozen=True)
class LargeProjection:
    """A map of which some latents were fitted and the others placed.

    Args:
        projection: with the coordinates of all n.
        fitted: the rows that were fitted, ascending; all where nothing was placed.
        dimensions: the principal axes that fit and placing looked along.
        kept: the share of the variance along these.
    """

    projection: Projection
    fitted: np.ndarray
    dimensions: int
    kept: float

    @property
    def placed(self) -> np.ndarray:
        """The rows that were placed, ascending."""
        left = np.ones(len(self.projection.coords), bool)
        left[self.fitted] = False
        return np.flatnonzero(left)


def project_blocks(
    blocks: Blocks,
    moments: Moments,
    method: str,
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
    fit: int = FIT,
    progress: Progress = silent,
) -> LargeProjection:
    """Draw a map of latents that are given a block at a time, in memory that does not grow with them.

    PCA puts every latent on the plane of the two directions of greatest variance, exactly. UMAP is fitted on a seeded
    sample, stratified by groups, in at most 50 principal dimensions; every other latent is placed there at the mean of
    its 8 nearest fitted ones, weighted by 1/distance².

    Args:
        blocks: starts over with all n rows, in arrays of shape (≤ rows, d).
        moments: of these rows.
        method: a name in PROJECTIONS.
        groups: what each row belongs to, of shape (n,), such as its class; None for a uniform sample.
        seed: of the sample and of UMAP.
        fit: how many are fitted.
        progress: told of the rows.

    Raises:
        UnknownNameError: when `method` is not known.
        UsageError: when `method` cannot draw latents of this dimension.
        DataError: when none of the latents varies, or one is not finite.

    References:
        UMAP: Uniform Manifold Approximation and Projection (McInnes, Healy & Melville, 2018), arXiv:1802.03426; A
        two-dimensional interpolation function for irregularly-spaced data (Shepard, 1968).
    """
    count = moments.count
    if method not in PROJECTIONS:
        raise unknown_name("map", method, PROJECTIONS)
    if method == "latent":
        # Refused there, with the reason, where it cannot be drawn.
        like = project(np.zeros((2, moments.size)), method)
        coords = _mapped(blocks, count, lambda z: z, progress)
        projection = Projection(method, coords, like.axes, inverse=like.inverse)
        return LargeProjection(projection, np.arange(count), moments.size, 1.0)
    axes, shares = _axes(blocks, moments, seed)
    middle = moments.mean()

    def along(z: np.ndarray, most: int) -> np.ndarray:
        return (z - middle) @ axes[:most].T

    if method == "pca":
        plane = np.zeros((2, moments.size))
        plane[: len(axes[:2])] = axes[:2]
        first, second = (float(share) for share in [*shares[:2], 0.0][:2])
        projection = Projection(
            "pca",
            _mapped(blocks, count, lambda z: (z - middle) @ plane.T, progress),
            (f"component 1 ({first:.0%} of the variance)", f"component 2 ({second:.0%} of the variance)"),
            (first, second),
            lambda points: (middle + np.asarray(points, np.float64) @ plane).astype(np.float32),
            (middle, plane),
        )
        return LargeProjection(projection, np.arange(count), len(axes[:2]), min(1.0, float(shares[:2].sum())))
    rows = _sample(groups, count, fit, seed)
    points = _gathered(blocks, rows, lambda z: along(z, DIMENSIONS), progress)
    progress(f"laying out {len(rows):,} latents", 0, 1)
    fitted = project(points, method, seed)
    progress(f"laying out {len(rows):,} latents", 1, 1)
    placer = Placer(points, fitted.coords)
    coords = _mapped(blocks, count, lambda z: placer.place(along(z, DIMENSIONS)), progress, "placing the others")
    # A point of several in one place would be put at the mean of theirs.
    coords[rows] = fitted.coords
    return LargeProjection(
        Projection(method, coords, fitted.axes), rows, points.shape[1], min(1.0, float(shares[:DIMENSIONS].sum()))
    )


class Placer:
    """Puts latents among those that are on a map already.

    Args:
        points: latents that have a place, of shape (m, p).
        coords: their places, of shape (m, 2).
        neighbours: how many of the nearest decide.
    """

    def __init__(self, points: np.ndarray, coords: np.ndarray, neighbours: int = NEIGHBOURS) -> None:
        self._points = np.asarray(points, np.float32)
        self._coords = np.asarray(coords, np.float32)
        self._neighbours = min(neighbours, len(points))
        self._groups = -(-len(points) // STRIP)
        # ½|p|² − zᵀp is least where |z − p|² is; columns beyond the points are never nearest.
        table = np.zeros((self._points.shape[1] + 1, self._groups * STRIP), np.float32)
        table[:-1, : len(points)] = -self._points.T
        table[-1] = np.inf
        table[-1, : len(points)] = 0.5 * np.einsum("md,md->m", self._points, self._points)
        self._table = table

    def place(self, z: np.ndarray) -> np.ndarray:
        """The mean place of the nearest points of latents of shape (n, p), by 1/distance²; float32 of shape (n, 2).

        The work is shared by threads, of which each takes whole chunks, so that the places do not depend on their
        number.
        """
        z = np.asarray(z, np.float32)
        step = max(1, DISTANCES // self._table.shape[1])
        parts = [z[start : start + step] for start in range(0, len(z), step)]
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            return np.concatenate(list(pool.map(self._place, parts)))

    def _place(self, z: np.ndarray) -> np.ndarray:
        near = self.nearest(z)
        far = np.linalg.norm(z[:, None].astype(np.float64) - self._points[near], axis=2)
        return weighted_mean(far, self._coords[near])

    def nearest(self, z: np.ndarray) -> np.ndarray:
        """The numbers of the points nearest to latents of shape (n, p), in no order; of shape (n, k)."""
        between = np.column_stack([z, np.ones(len(z), np.float32)]) @ self._table
        strips = between.reshape(len(z), STRIP, self._groups)
        k = min(self._neighbours, self._groups)
        # The k nearest lie in the k columns of strips with the least minima: one look at all, and the rest is small.
        columns = np.argpartition(strips.min(axis=1), k - 1, axis=1)[:, :k]
        numbers = (columns[:, None] + self._groups * np.arange(STRIP)[:, None]).reshape(len(z), -1)
        candidates = np.take_along_axis(between, numbers, axis=1)
        chosen = np.argpartition(candidates, self._neighbours - 1, axis=1)[:, : self._neighbours]
        return np.take_along_axis(numbers, chosen, axis=1)


def _axes(blocks: Blocks, moments: Moments, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The first principal axes along which latents vary, and the share of the variance along each."""
    raw = moments.raw_covariance()
    total = float(raw.sum() if raw.ndim == 1 else np.trace(raw))
    if raw.ndim == 2:
        axes, deviations = covariance_axes(raw, DIMENSIONS)
    else:
        rows = stratified_rows(np.zeros(moments.count), AXES_ROWS, seed)
        axes, deviations = principal_axes(_gathered(blocks, rows, lambda z: z), DIMENSIONS)
    # What rounding leaves of nothing.
    varies = deviations**2 > 1e-9 * total
    if not varies.any():
        raise DataError("expected latents that differ for a map, got the same one for every image")
    varies[:2] = True
    return axes[varies], deviations[varies] ** 2 / total


def _sample(groups: np.ndarray | None, count: int, fit: int, seed: int) -> np.ndarray:
    try:
        return stratified_rows(np.zeros(count) if groups is None else groups, fit, seed)
    except UsageError:
        # More groups than are fitted.
        return stratified_rows(np.zeros(count), fit, seed)


def _gathered(
    blocks: Blocks, rows: np.ndarray, look: Callable[[np.ndarray], np.ndarray], progress: Progress = silent
) -> np.ndarray:
    """What `look` makes of some rows, given ascending; float32."""
    found, start = [], 0
    for block in blocks():
        low, high = np.searchsorted(rows, [start, start + len(block)])
        found.append(np.asarray(look(block[rows[low:high] - start]), np.float32))
        start += len(block)
        progress("reading latents", int(high), len(rows))
    return np.concatenate(found)


def _mapped(
    blocks: Blocks,
    count: int,
    look: Callable[[np.ndarray], np.ndarray],
    progress: Progress,
    task: str = "laying out the map",
) -> np.ndarray:
    """What `look` makes of every row, float32 of shape (n, 2)."""
    coords, start = np.empty((count, 2), np.float32), 0
    progress(task, 0, count)
    for block in blocks():
        coords[start : start + len(block)] = look(block)
        start += len(block)
        progress(task, start, count)
    return coords
