"""Images as bytes of a picture file, and large enough to look at."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np
from PIL import Image

from latentlab.errors import DataError

# Below this side an image is a pattern of cells, and smoothing it would invent what is not there.
SMOOTH_SIDE = 24
# The side that a picture is enlarged to, so that a strip of small images is big enough to look at.
TILE_SIDE = 112


def as_pixels(images: np.ndarray) -> np.ndarray:
    """Turn images in [0, 1] into bytes, rounding to the nearest of 256 levels.

    Args:
        images: of shape (..., c, h, w), c being 1 or 3.

    Returns:
        uint8 of shape (..., h, w) for grey images and (..., h, w, 3) for RGB ones.

    Raises:
        DataError: when the array is of another shape.
    """
    images = np.asarray(images)
    if images.ndim < 3 or images.shape[-3] not in (1, 3):
        raise DataError(f"expected images of shape (..., 1 or 3, h, w), got {images.shape}")
    pixels = (np.nan_to_num(np.clip(images, 0.0, 1.0)) * 255.0 + 0.5).astype(np.uint8)
    return pixels[..., 0, :, :] if images.shape[-3] == 1 else np.moveaxis(pixels, -3, -1)


def as_pillow(image: np.ndarray) -> Image.Image:
    """Turn one image of shape (c, h, w) into a Pillow image, grey ("L") or "RGB"."""
    pixels = as_pixels(image)
    if pixels.ndim != 2 + (np.shape(image)[0] == 3):
        raise DataError(f"expected one image of shape (c, h, w), got {np.shape(image)}")
    return Image.fromarray(np.ascontiguousarray(pixels))


def png_bytes(image: np.ndarray) -> bytes:
    """Encode one image of shape (c, h, w) as PNG: exact to the byte."""
    return _saved(image, "PNG")


def webp_bytes(image: np.ndarray, quality: int = 90) -> bytes:
    """Encode one image of shape (c, h, w) as lossy WebP: a few hundred bytes for a page."""
    return _saved(image, "WEBP", quality=quality, method=2)


def jpeg_bytes(image: np.ndarray, quality: int = 92) -> bytes:
    """Encode one image of shape (c, h, w) as JPEG."""
    return _saved(image, "JPEG", quality=quality)


def data_uri(content: bytes, mime: str) -> str:
    """Write bytes as a `data:` address, which a page carries inside itself.

    >>> data_uri(b"hi", "image/png")
    'data:image/png;base64,aGk='
    """
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"


def enlarge(images: np.ndarray, scale: int | None = None, side: int = TILE_SIDE) -> np.ndarray:
    """Enlarge images by a whole factor: cells stay cells below 24 pixels, above it the curve is smooth.

    Args:
        images: of shape (n, c, h, w).
        scale: the factor; None takes the smallest that makes the shorter side at least `side`.
        side: pixels.

    Returns:
        float32 images of shape (n, c, h·scale, w·scale) in [0, 1].
    """
    images = np.asarray(images, dtype=np.float32)
    height, width = images.shape[-2:]
    scale = max(1, math.ceil(side / min(height, width))) if scale is None else scale
    if scale == 1:
        return images
    if min(height, width) < SMOOTH_SIDE:
        return images.repeat(scale, axis=-2).repeat(scale, axis=-1)
    size = (width * scale, height * scale)
    planes = images.reshape(-1, height, width)
    smooth = [np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC)) for plane in planes]
    large = np.stack(smooth).reshape(*images.shape[:-2], height * scale, width * scale)
    return np.clip(large, 0.0, 1.0)


def _saved(image: np.ndarray, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    as_pillow(image).save(buffer, kind, **options)
    return buffer.getvalue()
