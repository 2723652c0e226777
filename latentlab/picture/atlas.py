"""Thousands of thumbnails in a few WebP pictures, so that a page can show any of them at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from latentlab.errors import DataError
from latentlab.picture.encode import as_pillow, webp_bytes
from latentlab.picture.grid import grid

MOST_TILES = 1024


@dataclass(frozen=True)
class Atlas:
    """Some thumbnails in one picture, in rows from left to right.

    Args:
        content: the picture as WebP.
        first: the index of its first image among all.
        count: how many images it holds.
        columns: thumbnails in a row.
        height: pixels of a thumbnail.
        width: pixels of a thumbnail.
    """

    content: bytes
    first: int
    count: int
    columns: int
    height: int
    width: int

    def box(self, index: int) -> tuple[int, int, int, int]:
        """Where image `index` (among all) stands: left, top, right, bottom in pixels."""
        row, column = divmod(index - self.first, self.columns)
        left, top = column * self.width, row * self.height
        return left, top, left + self.width, top + self.height


def build_atlases(
    images: np.ndarray, tile: int = 64, columns: int | None = None, max_side: int = 2048, quality: int = 85
) -> list[Atlas]:
    """Pack images into WebP atlases of at most 1024 thumbnails and `max_side` pixels a side.

    Args:
        images: of shape (n, c, h, w) in [0, 1].
        tile: the longer side of a thumbnail in pixels; images that are smaller stay as they are.
        columns: thumbnails in a row; None takes up to 32.
        max_side: pixels.
        quality: of the WebP, from 0 to 100.

    Returns:
        The atlases, which follow one another without gaps; none for no images.

    Raises:
        DataError: when a thumbnail is larger than `max_side`.
    """
    images = np.asarray(images, dtype=np.float32)
    if images.ndim != 4:
        raise DataError(f"expected images of shape (n, c, h, w), got {images.shape}")
    height, width = images.shape[-2:]
    if max(height, width) > tile:
        height, width = (max(1, round(side * tile / max(height, width))) for side in (height, width))
    if max(height, width) > max_side:
        raise DataError(f"expected thumbnails of at most {max_side} pixels, got {height}×{width}")
    columns = min(columns or math.isqrt(MOST_TILES), max_side // width)
    capacity = min(columns * (max_side // height), MOST_TILES)
    atlases = []
    for first in range(0, len(images), capacity):
        part = _thumbnails(images[first : first + capacity], height, width)
        sheet = grid(part, columns=columns, padding=0)
        atlases.append(Atlas(webp_bytes(sheet, quality), first, len(part), min(columns, len(part)), height, width))
    return atlases


def _thumbnails(images: np.ndarray, height: int, width: int) -> np.ndarray:
    if images.shape[-2:] == (height, width):
        return images
    small = [as_pillow(image).resize((width, height), Image.Resampling.LANCZOS) for image in images]
    pixels = np.stack([np.asarray(picture, dtype=np.float32) / 255.0 for picture in small])
    return pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
