"""Images in a terminal that shows 24-bit colour: two pixels a character."""

from __future__ import annotations

import numpy as np
from PIL import Image

from latentlab.picture.encode import SMOOTH_SIDE, as_pillow

UPPER_HALF = "▀"
RESET = "\x1b[0m"
# Fewer columns than this and a digit is no longer a digit: rather show fewer images.
LEAST_TILE, MOST_TILE = 12, 32


def terminal_strip(images: np.ndarray, width: int = 80) -> str:
    """Draw images side by side with half blocks: the upper pixel is ink, the lower one paper.

    Where not all fit into the width, evenly spaced ones are shown, the first and the last among them.

    Args:
        images: of shape (n, c, h, w) in [0, 1].
        width: columns of the terminal.

    Returns:
        Lines with colour codes, without a line end after the last; "" for no images or no room.
    """
    count = min(len(images), (width + 1) // (LEAST_TILE + 1))
    if count < 1:
        return ""
    shown = np.unique(np.linspace(0, len(images) - 1, count).round().astype(int))
    height, wide = images.shape[-2:]
    columns = min((width + 1) // count - 1, MOST_TILE, wide if min(height, wide) >= SMOOTH_SIDE else MOST_TILE)
    lines = max(1, round(columns * height / wide / 2))
    tiles = np.stack([_resized(images[index], columns, 2 * lines) for index in shown])
    return "\n".join(" ".join(_line(tile[2 * line : 2 * line + 2]) for tile in tiles) for line in range(lines))


def _resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    picture = as_pillow(image).convert("RGB")
    cells = min(picture.size) < SMOOTH_SIDE and picture.width <= width
    how = Image.Resampling.NEAREST if cells else Image.Resampling.LANCZOS
    return np.asarray(picture.resize((width, height), how))


def _line(pixels: np.ndarray) -> str:
    upper, lower = pixels.tolist()
    parts: list[str] = []
    before = None
    for colours in zip(upper, lower, strict=True):
        if colours != before:
            ink, paper = (";".join(map(str, colour)) for colour in colours)
            parts.append(f"\x1b[38;2;{ink};48;2;{paper}m")
            before = colours
        parts.append(UPPER_HALF)
    return "".join(parts) + RESET
