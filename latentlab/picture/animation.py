"""Frames as a moving picture: GIF, WebP or APNG."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from latentlab.errors import DataError, unknown_name
from latentlab.picture.encode import as_pillow

# Pillow's names of the formats, by the ending of the file.
FORMATS = {"gif": "GIF", "webp": "WEBP", "apng": "PNG"}


def animation_bytes(
    frames: np.ndarray,
    format: str = "gif",
    seconds_per_frame: float = 0.08,
    boomerang: bool = True,
    hold_seconds: float = 0.5,
) -> bytes:
    """Encode frames as an endless animation.

    Args:
        frames: of shape (n, c, h, w) in [0, 1], already as large as they are to be seen.
        format: "gif" (256 colours a frame), "webp" or "apng" (exact).
        seconds_per_frame: how long each frame stands.
        boomerang: play back again from the last frame to the first, so that the loop has no jump.
        hold_seconds: how much longer the first and the last frame stand.

    Returns:
        The bytes of the file.

    Raises:
        UnknownNameError: when the format is another.
        DataError: when there is no frame.
    """
    if format not in FORMATS:
        raise unknown_name("animation format", format, FORMATS)
    if len(frames) == 0:
        raise DataError("expected at least one frame to animate, got none")
    pictures = [as_pillow(frame) for frame in frames]
    milliseconds = [round(1000 * seconds_per_frame)] * len(pictures)
    milliseconds[0] += round(1000 * hold_seconds)
    if len(pictures) > 1:
        milliseconds[-1] += round(1000 * hold_seconds)
    if boomerang:
        pictures += pictures[-2:0:-1]
        milliseconds += milliseconds[-2:0:-1]
    if format == "gif":
        pictures = [_indexed(picture) for picture in pictures]
    options: dict[str, object] = {"duration": milliseconds, "loop": 0, "save_all": True}
    options |= {"gif": {"disposal": 1, "optimize": False}, "webp": {"quality": 88, "method": 2}, "apng": {}}[format]
    buffer = io.BytesIO()
    pictures[0].save(buffer, FORMATS[format], append_images=pictures[1:], **options)
    return buffer.getvalue()


def _indexed(picture: Image.Image) -> Image.Image:
    if picture.mode == "L":
        return picture
    # Without dithering: its noise would flicker from frame to frame.
    return picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
