"""Images side by side in one picture, with or without captions."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from latentlab.errors import DataError
from latentlab.picture.encode import enlarge

# Fonts with Greek and accents that desktops carry; Pillow's own has little more than ASCII.
FONTS = ("DejaVuSans.ttf", "Arial.ttf", "arial.ttf", "LiberationSans-Regular.ttf")
PLAIN = str.maketrans({"−": "-", "α": "alpha", "×": "x", "→": ">", "·": "-", "–": "-", "—": "-", "’": "'"})
PAPER, INK = 1.0, 40
FONT_SIZE = 15
MARGIN = 10


def grid(
    images: np.ndarray, columns: int | None = None, padding: int = 2, background: float = 1.0, scale: int = 1
) -> np.ndarray:
    """Lay images out in rows, from left to right.

    Args:
        images: of shape (n, c, h, w), n ≥ 1.
        columns: how many stand in a row; None makes the picture about as wide as it is high.
        padding: pixels between images and around them, after enlarging.
        background: the grey level in [0, 1] of the padding and of empty places.
        scale: a whole factor to enlarge by.

    Returns:
        One float32 picture of shape (c, H, W).

    Raises:
        DataError: when there are no images, or no columns.
    """
    images = np.asarray(images, dtype=np.float32)
    if images.ndim != 4 or len(images) == 0:
        raise DataError(f"expected at least one image, of shape (n, c, h, w), got {images.shape}")
    images = enlarge(images, scale)
    count, channels, height, width = images.shape
    columns = math.ceil(math.sqrt(count)) if columns is None else min(columns, count)
    if columns < 1:
        raise DataError(f"expected at least one column, got {columns}")
    rows = math.ceil(count / columns)
    cells = np.full((rows * columns, channels, height + padding, width + padding), background, dtype=np.float32)
    cells[:count, :, :height, :width] = images
    cells = cells.reshape(rows, columns, channels, height + padding, width + padding)
    sheet = cells.transpose(2, 0, 3, 1, 4).reshape(channels, rows * (height + padding), columns * (width + padding))
    return np.pad(sheet, ((0, 0), (padding, 0), (padding, 0)), constant_values=background)


def labelled_grid(
    rows: Sequence[tuple[str, np.ndarray]],
    column_captions: Sequence[str] | None = None,
    scale: int | None = None,
    padding: int = 4,
) -> np.ndarray:
    """Lay out rows of images with a caption before each row and above each column.

    Args:
        rows: pairs of a caption and images of shape (n, c, h, w); rows may be of different length.
        column_captions: one text a column, or None.
        scale: a whole factor to enlarge by; None makes tiles of at least 112 pixels.
        padding: pixels between images.

    Returns:
        One float32 picture of shape (c, H, W), dark text on white.

    Raises:
        DataError: when there are no rows or a row is empty.
    """
    if not rows or any(len(images) == 0 for _, images in rows):
        raise DataError("expected at least one row of images, and at least one image a row")
    strips = [enlarge(images, scale) for _, images in rows]
    height, width = strips[0].shape[-2:]
    columns = max(len(strip) for strip in strips)
    font = _font()
    shown = [_drawable(caption, font) for caption, _ in rows]
    left = max((math.ceil(font.getlength(text)) for text in shown), default=0)
    left = left + 2 * MARGIN if left else MARGIN
    heads = [_fitted(_drawable(text, font), width, font) for text in column_captions or ()]
    top = FONT_SIZE + 2 * MARGIN if heads else MARGIN
    size = (left + columns * (width + padding) + MARGIN, top + len(rows) * (height + padding) + MARGIN)
    captions = Image.new("L", size, round(PAPER * 255))
    draw = ImageDraw.Draw(captions)
    for row, text in enumerate(shown):
        draw.text((left - MARGIN, top + row * (height + padding) + height // 2), text, INK, font, anchor="rm")
    for column, text in enumerate(heads[:columns]):
        draw.text((left + column * (width + padding) + width // 2, top - MARGIN), text, INK, font, anchor="ms")
    paper = np.asarray(captions, dtype=np.float32)[None] / 255.0
    sheet = np.repeat(paper, strips[0].shape[1], axis=0)
    for row, strip in enumerate(strips):
        y = top + row * (height + padding)
        for column, image in enumerate(strip):
            x = left + column * (width + padding)
            sheet[:, y : y + height, x : x + width] = image
    return sheet


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for name in FONTS:
        try:
            return ImageFont.truetype(name, FONT_SIZE)
        except OSError:
            continue
    return ImageFont.load_default(FONT_SIZE)


def _drawable(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    text = " ".join(str(text).split())
    if isinstance(font, ImageFont.FreeTypeFont) and font.getname()[0] != "Aileron":
        return text
    plain = unicodedata.normalize("NFKD", text.translate(PLAIN))
    return plain.encode("ascii", "ignore").decode("ascii")


def _fitted(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
