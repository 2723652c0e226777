"""The user's image made to fit a model: turned upright, laid on a ground, cropped, resized, made grey or coloured.

All of it is what a viewer of pictures would do, and nothing is stretched: what lies outside the model's frame is cut
off evenly on both sides. There is one filter, the anti-aliased triangle ("bilinear"), as torchvision's `Resize` has it,
and so most models' training; images of eight bits stay in eight bits, whether they come alone or in a batch.
"""

from __future__ import annotations

import io
import math
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from latentlab.codec import ImageSpec, Ink
from latentlab.data.dataset import as_unit
from latentlab.data.ink import find_ink, turn_ink
from latentlab.errors import DataError
from latentlab.runtime import as_tensor

# The version of what this module does to images: it changes whenever their pixels do.
PREPROCESSING = "fit-2"
# The endings of files that are taken for images.
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
FILTER = Image.Resampling.BILINEAR
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# Larger than any camera's photograph but a scanned mural: a small file that claims more is made to fill the memory.
MOST_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485

# Pillow's decoders raise whatever a broken file leads them to.
BROKEN = (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, MemoryError, NotImplementedError)
# How many times the model's size a picture may have before it is shrunk by whole numbers, to save memory.
PLENTY = 8

# Left, top, right and bottom edge, in pixels.
Frame = tuple[float, float, float, float]


def open_image(path: Path, near: ImageSpec | None = None) -> Image.Image:
    """Open an image file and read all of it, so that a file that is cut short shows here.

    Args:
        path: JPEG, PNG, WebP, BMP, TIFF, GIF (its first frame), or whatever else Pillow reads.
        near: what it will be fitted to; a large JPEG is then decoded at an eighth, a quarter or half of its size.

    Raises:
        DataError: when there is no such file, or it is no image, is cut short, or has no or too many pixels.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return decode_image(path, near)


def decode_image(file: str | Path | bytes, near: ImageSpec | None = None, name: str | None = None) -> Image.Image:
    """Do the work of `open_image` without touching Python's warnings, which are not one thread's own.

    Args:
        file: where it is, or what it holds.
        near: as for `open_image`.
        name: what it is called in messages; its path unless told.
    """
    path = name or ("what was given" if isinstance(file, bytes) else str(file))
    try:
        with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as image:
            check_size(*image.size, path)
            shrink = draft_shrink(*image.size, near)
            if shrink > 1:
                image.draft(None, (image.width // shrink, image.height // shrink))
            image.load()
            return image
    except Image.DecompressionBombError:
        raise _too_large(path) from None
    except FileNotFoundError:
        raise DataError(f"no such image file: {path}") from None
    except IsADirectoryError:
        raise DataError(f"expected an image file, got the folder {path}; give files, or the folder as --data") from None
    except UnidentifiedImageError:
        size = len(file) if isinstance(file, bytes) else Path(file).stat().st_size
        got = "an empty file" if size == 0 else "a file that is none (or cut short)"
        raise DataError(f"expected an image in {path}, got {got}") from None
    except BROKEN as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"cannot read the image {path}: {reason.splitlines()[0].lower()}") from error


def check_size(width: int, height: int, path: Path | str) -> None:
    """Refuse an image by the size that it claims, before memory is spent on it.

    Raises:
        DataError: when it has no pixels, or more than `MOST_PIXELS`.
    """
    if min(width, height) < 1:
        raise DataError(f"expected an image in {path}, got one of size 0; leave it out")
    if width * height > MOST_PIXELS:
        raise _too_large(path)


def draft_shrink(width: int, height: int, near: ImageSpec | None) -> int:
    """By how much a JPEG of some size is shrunk as it is decoded: 8, 4, 2 or 1.

    >>> draft_shrink(4000, 3000, ImageSpec(3, 64, 64)), draft_shrink(178, 218, ImageSpec(3, 64, 64))
    (8, 1)
    """
    if near is None:
        return 1
    # Twice the size that is needed leaves the resampling something to smooth.
    plenty = min(width, height) / (2 * max(near.height, near.width))
    return next((shrink for shrink in (8, 4, 2) if plenty >= shrink), 1)


def fit_image(image: Image.Image, spec: ImageSpec) -> np.ndarray:
    """Fit one image to what a model takes.

    It is turned as its EXIF data says; what is transparent is laid on white; it is cut to the model's proportions about
    its centre, resized with an anti-aliasing filter, and made grey or coloured. For a model of drawings the ink is
    turned the right way, by the brightness of the image's border, and a drawing of another size than the model's is
    cut out and centred as MNIST's digits are.

    Args:
        image: as `open_image` gives it.
        spec: the images that the model takes.

    Returns:
        float32 of shape (c, h, w), in [0, 1].

    Raises:
        DataError: when the image has no pixels, or values of unknown range.
    """
    image = upright(image)
    eight = eight_bits(image) if spec.ink == "any" else None
    if eight is not None and min(eight.shape[:2]) > 0:
        return as_unit(fit_bytes(eight[None], spec)[0])
    factor = min(image.size) // (PLENTY * max(spec.height, spec.width))
    if factor > 1 and image.mode in ("L", "RGB", "LA", "RGBA"):
        image = image.reduce(factor)
    pixels = image_pixels(image, spec.ink)
    if min(pixels.shape[1:]) < 1:
        raise DataError("expected an image, got one of size 0; leave it out")
    same_size = pixels.shape[1:] == (spec.height, spec.width)
    pixels = turn_ink(_channels(pixels, spec.channels), spec.ink)
    if not same_size:
        pixels = _drawing(pixels, spec) if spec.ink != "any" else _resized(pixels, spec)
    return np.clip(pixels, 0, 1).astype(np.float32)


def fit_pixels(pixels: np.ndarray, spec: ImageSpec, ink: Ink = "any") -> np.ndarray:
    """Fit a batch of images to what a model takes: crop, resize, colour, ink; drawings stay where they are.

    Args:
        pixels: of shape (n, c, h, w), uint8 or float32 in [0, 1].
        spec: the images that the model takes.
        ink: which way their ink runs; "any" looks at each image's border.

    Returns:
        float32 of shape (n, *spec.shape), in [0, 1].
    """
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3) or min(pixels.shape[2:]) < 1:
        raise DataError(f"expected images of shape (n, 1 or 3, h, w), got {pixels.shape}")
    if pixels.dtype == np.uint8:
        images = as_unit(fit_bytes(pixels.transpose(0, 2, 3, 1), spec))
    else:
        images = _channels(as_unit(pixels), spec.channels)
        if images.shape[2:] != (spec.height, spec.width):
            resized = [_resized(image, spec) for image in images]
            images = np.stack(resized) if resized else np.zeros((0, *spec.shape), np.float32)
    return np.clip(turn_ink(images, spec.ink, ink), 0, 1).astype(np.float32)


def fit_bytes(pixels: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """Crop, resize and colour images of eight bits; what becomes of one does not depend on the others.

    Where the frame falls between pixels, Pillow cuts it out, one image at a time; else torch takes all at once. Both
    round after each of two passes, and agree within 1/255.

    Args:
        pixels: uint8 of shape (n, h, w, 1 or 3).
        spec: the images that the model takes; its ink is not looked at.

    Returns:
        uint8 of shape (n, *spec.shape).
    """
    height, width = pixels.shape[1:3]
    if (height, width) != (spec.height, spec.width) and len(pixels):
        frame = _frame(height, width, spec)
        if all(edge == int(edge) for edge in frame):
            left, top, right, bottom = map(int, frame)
            pixels = _resized_batch(pixels[:, top:bottom, left:right], spec)
        else:
            pixels = np.stack([_resized_bytes(image, frame, spec) for image in pixels])
    images = pixels.transpose(0, 3, 1, 2)
    if images.shape[1] != spec.channels:
        coloured = _channels(images.astype(np.float32), spec.channels)
        images = np.rint(coloured).astype(np.uint8)
    return np.ascontiguousarray(images)


def eight_bits(image: Image.Image) -> np.ndarray | None:
    """The pixels of an image that has eight bits a channel and nothing transparent: uint8 (h, w, 1 or 3); else None."""
    if image.mode in ("F", "I", "RGBA", "LA", "PA", "La", "RGBa") or image.mode.startswith("I;16"):
        return None
    if "transparency" in image.info:
        return None
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[..., None]
    return np.asarray(image.convert("RGB"))


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF data says."""
    # What is broken about an image's notes is no reason to refuse its pixels.
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def image_pixels(image: Image.Image, ink: Ink = "any") -> np.ndarray:
    """The values of an image without transparency: float32 of shape (1 or 3, h, w), in [0, 1].

    What is transparent becomes white. Only for drawings, light ink on nothing is laid on black, or it would vanish.
    """
    if image.mode == "F":
        values = np.asarray(image, np.float32)
        # Floats beyond [0, 1] that eight bits would hold are what other programs make of eight bits.
        return _deep(values / 255 if 1 < values.max() <= 255 else values)[None]
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _deep(np.asarray(image, np.float32))[None]
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        layers = np.asarray(image.convert("RGBA"), np.float32).transpose(2, 0, 1) / 255
        colour, alpha = layers[:3], layers[3:]
        level = (colour * alpha).mean() / max(float(alpha.mean()), 1e-6)
        ground = 0.0 if ink != "any" and level > 0.5 and alpha.min() < 0.5 else 1.0
        return colour * alpha + ground * (1 - alpha)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"), np.float32)[None] / 255
    return np.ascontiguousarray(np.asarray(image.convert("RGB"), np.float32).transpose(2, 0, 1)) / 255


def _deep(values: np.ndarray) -> np.ndarray:
    """Grey values of more than eight bits, in [0, 1]."""
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 65535):
        raise DataError(f"expected grey values of 16 bits or in [0, 1], got {low:.3g} to {high:.3g}; save it as PNG")
    return values if high <= 1 else values / 65535


def _channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Images of shape (..., 1 or 3, h, w) as (..., channels, h, w)."""
    if pixels.shape[-3] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-3)
    return np.tensordot(LUMA, pixels, axes=(0, pixels.ndim - 3))[..., None, :, :]


def _frame(height: int, width: int, spec: ImageSpec) -> Frame:
    """The middle of an image that has the model's proportions: left, top, right, bottom."""
    scale = min(height / spec.height, width / spec.width)
    top, left = (height - scale * spec.height) / 2, (width - scale * spec.width) / 2
    return left, top, left + scale * spec.width, top + scale * spec.height


def _resized(pixels: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """The middle of an image with the model's proportions, in its size."""
    height, width = pixels.shape[1:]
    return _cut(pixels, _frame(height, width, spec), spec)


def _resized_batch(pixels: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """Images of uint8 (n, h, w, c) resized as they are: uint8 (n, spec.height, spec.width, c)."""
    import torch

    # The layout is always the same, since torch has several ways of doing this, and chooses by it.
    batch = as_tensor(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
    resized = torch.nn.functional.interpolate(batch, (spec.height, spec.width), mode="bilinear", antialias=True)
    return resized.permute(0, 2, 3, 1).numpy()


def _resized_bytes(pixels: np.ndarray, frame: Frame, spec: ImageSpec) -> np.ndarray:
    """A frame of an image of uint8 (h, w, c), resized: uint8 (spec.height, spec.width, c)."""
    rows, columns, box = _enclose(frame, *pixels.shape[:2])
    part = pixels[rows, columns]
    image = Image.fromarray(np.ascontiguousarray(part if part.shape[2] == 3 else part[..., 0]))
    resized = image.resize((spec.width, spec.height), FILTER, box=box)
    return np.asarray(resized).reshape(spec.height, spec.width, -1)


def _cut(pixels: np.ndarray, frame: Frame, spec: ImageSpec) -> np.ndarray:
    rows, columns, box = _enclose(frame, *pixels.shape[1:])
    planes = [Image.fromarray(np.ascontiguousarray(plane, np.float32)) for plane in pixels[:, rows, columns]]
    return np.stack([np.asarray(plane.resize((spec.width, spec.height), FILTER, box=box)) for plane in planes])


def _enclose(frame: Frame, height: int, width: int) -> tuple[slice, slice, Frame]:
    """The rows and columns of a picture that a frame touches, and the frame therein.

    Pillow would look at the pixels beyond the frame as well, and see another picture than one that was cut out.
    """
    # Rounding may put the frame a hair outside the picture, which Pillow refuses.
    left, top, right, bottom = max(frame[0], 0.0), max(frame[1], 0.0), min(frame[2], width), min(frame[3], height)
    x, y = math.floor(left), math.floor(top)
    return slice(y, math.ceil(bottom)), slice(x, math.ceil(right)), (left - x, top - y, right - x, bottom - y)


def _drawing(pixels: np.ndarray, spec: ImageSpec) -> np.ndarray:
    """A drawing cut out about its ink, or the middle of the image where no ink is found."""
    grey = _channels(pixels, 1)[0]
    found = find_ink(grey if spec.ink == "light" else 1 - grey, spec.height, spec.width)
    if found is None:
        return _resized(pixels, spec)
    ink, (left, top, right, bottom) = found
    height, width = ink.shape
    edges = ((max(0, -top), max(0, bottom - height)), (max(0, -left), max(0, right - width)))
    down, across = edges[0][0], edges[1][0]
    drawn = _cut(np.pad(ink, edges)[None], (left + across, top + down, right + across, bottom + down), spec)
    return _channels(drawn if spec.ink == "light" else 1 - drawn, spec.channels)


def _too_large(path: Path | str) -> DataError:
    most = MOST_PIXELS // 10**6
    return DataError(f"expected an image of at most {most} million pixels in {path}, got more; shrink it first")
