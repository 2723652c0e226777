"""The pictures of a map's points: thumbnails in atlases, as many as a page can hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from latentlab.picture.atlas import MOST_TILES, Atlas, build_atlases

PICTURE_BUDGET_BYTES = 10_000_000
# Cells a side of the grid whose order puts neighbours on a map into one atlas: 2¹⁶.
CELL_BITS = 16


@dataclass(frozen=True)
class Pictures:
    """Thumbnails of some points.

    Args:
        points: the point of each thumbnail, of shape (m,).
        atlases: the thumbnails.
    """

    points: np.ndarray
    atlases: list[Atlas]

    def slots(self, count: int) -> np.ndarray:
        """The thumbnail of each of `count` points, of shape (count,); m where it has none."""
        slots = np.full(count, len(self.points))
        slots[self.points] = np.arange(len(self.points))
        return slots

    def of(self, points: np.ndarray) -> Pictures:
        """The same pictures, where points were counted among `points`."""
        return replace(self, points=points[self.points])


def build_pictures(thumbnails: np.ndarray, coords: np.ndarray) -> Pictures:
    """Pack thumbnails so that neighbours on the map share an atlas: a look round decodes few of them.

    Args:
        thumbnails: of shape (n, c, h, w), or (0, …) for none. Beyond 10 MB evenly spaced points keep theirs.
        coords: of shape (n, 2).
    """
    count = len(thumbnails)
    if count == 0:
        return Pictures(np.arange(0), [])
    kept = np.arange(count)
    if count <= MOST_TILES:
        atlases = build_atlases(thumbnails)
        if _page_bytes(atlases) <= PICTURE_BUDGET_BYTES:
            return Pictures(kept, atlases)
    else:
        atlases = build_atlases(thumbnails[_spaced(count, MOST_TILES)])
    most = max(1, int(PICTURE_BUDGET_BYTES * min(count, MOST_TILES) / _page_bytes(atlases)))
    kept = kept if count <= most else _spaced(count, most)
    kept = kept[np.argsort(morton(coords[kept]), kind="stable")]
    return Pictures(kept, build_atlases(thumbnails[kept]))


def morton(coords: np.ndarray) -> np.ndarray:
    """The place of each point along a Z-shaped curve that keeps neighbours together.

    The bits of the numbers of its column and its row, in turn.

    Args:
        coords: of shape (n, 2), n ≥ 1.

    Returns:
        uint64 of shape (n,).

    References:
        A Computer Oriented Geodetic Data Base and a New Technique in File Sequencing (Morton, 1966).
    """
    low, span = coords.min(axis=0), np.ptp(coords, axis=0)
    cells = ((coords - low) / np.where(span > 0, span, 1) * (2**CELL_BITS - 1)).astype(np.uint64)
    codes = np.zeros(len(coords), np.uint64)
    for bit in range(CELL_BITS):
        for axis in range(2):
            codes |= ((cells[:, axis] >> np.uint64(bit)) & np.uint64(1)) << np.uint64(2 * bit + axis)
    return codes


def _spaced(count: int, most: int) -> np.ndarray:
    return np.linspace(0, count - 1, most).round().astype(int)


def _page_bytes(atlases: list[Atlas]) -> float:
    """What they take in a page, where base64 makes them 4/3 as long."""
    return sum(len(atlas.content) for atlas in atlases) * 4 / 3
