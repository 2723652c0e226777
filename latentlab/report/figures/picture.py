"""Images in a page, each with words for those who cannot see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from latentlab.picture.encode import SMOOTH_SIDE, TILE_SIDE, data_uri, enlarge, png_bytes, webp_bytes
from latentlab.report.template import fill


@dataclass(frozen=True)
class Frame:
    """One picture as a page carries it.

    Args:
        src: a `data:` address.
        alt: what it shows, in words.
        caption: what stands under it; may be empty.
    """

    src: str
    alt: str
    caption: str = ""


def cells(images: np.ndarray) -> bool:
    """Whether images are so small that their pixels are to be seen as cells."""
    return min(images.shape[-2:]) < SMOOTH_SIDE


def shown_size(images: np.ndarray, side: int = TILE_SIDE) -> tuple[int, int]:
    """Width and height in CSS pixels at which the shorter side of the images is `side`."""
    height, width = images.shape[-2:]
    return round(side * width / min(height, width)), round(side * height / min(height, width))


def picture_uri(image: np.ndarray, side: int = TILE_SIDE) -> str:
    """Write one image of shape (c, h, w) as a `data:` address.

    Cells stay exact (PNG) and the browser enlarges them; anything larger is enlarged smoothly to at
    least `side` pixels here, since browsers differ in how they do it, and then takes about 1 kB (WebP).
    """
    if cells(image):
        return data_uri(png_bytes(image), "image/png")
    return data_uri(webp_bytes(enlarge(image[None], side=side)[0]), "image/webp")


def gallery(
    images: np.ndarray, alts: Sequence[str], captions: Sequence[str] | None = None, side: int = TILE_SIDE
) -> Markup:
    """Show images of shape (n, c, h, w) one after another, in as many rows as the window needs."""
    frames = [
        Frame(picture_uri(image, side), alt, caption)
        for image, alt, caption in zip(images, alts, captions or [""] * len(images), strict=True)
    ]
    width, height = shown_size(images, side)
    return fill("gallery.html.jinja", frames=frames, width=width, height=height, cells=cells(images))


def sheet(image: np.ndarray, alt: str, width: int, caption: str = "") -> Markup:
    """Show one large picture of shape (c, h, w), at most `width` CSS pixels wide."""
    frame = Frame(data_uri(webp_bytes(image), "image/webp"), alt, caption)
    return fill("sheet.html.jinja", frame=frame, width=width)
