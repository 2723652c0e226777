"""Many image files at once: decoded on threads, those that cannot be read named and left out."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from latentlab.codec import ImageSpec
from latentlab.data.dataset import Skipped
from latentlab.data.fit import check_size, decode_image, draft_shrink, eight_bits, fit_bytes, fit_image, upright
from latentlab.errors import DataError

THREADS = 4
SHOWN = 3
# Files that a thread takes at a time.
CHUNK = 32
# Bytes of pixels that wait for one call of torch to resize them: more of them are hardly faster, whatever their size.
HELD = 1 << 20
JPEG = b"\xff\xd8\xff"
# Segments of a JPEG that may say how it is turned, or that there is more than one image in it.
NOTES = (0xE1, 0xE2)
# What libjpeg makes grey or RGB of; of CMYK it makes CMYK.
COLOURS = {"Gray": "GRAY", "YCbCr": "RGB", "RGB": "RGB"}
ORIENTATION = 0x0112

# The part of an image of some width and height that is looked at: left, top, right, bottom.
Crop = Callable[[int, int], tuple[int, int, int, int]]


def decode_files(
    files: Sequence[str | Path | bytes],
    names: Sequence[str],
    spec: ImageSpec,
    *,
    max_bad: float | None,
    crop: Crop | None = None,
    threads: int = THREADS,
) -> tuple[np.ndarray, np.ndarray, tuple[Skipped, ...]]:
    """Read image files and fit them to one kind of image.

    What becomes of a file is what `open_image` and `fit_image` make of it, whichever files it is read with and on
    however many threads.

    Args:
        files: where they are, or what they hold.
        names: what they are called in messages.
        spec: the images that they are fitted to.
        max_bad: the largest share that may be unreadable; None where all of them may be.
        crop: the part of each that is fitted; all of it unless told.
        threads: how many decode at once.

    Returns:
        uint8 of shape (k, c, h, w), the numbers of the k files that were read, and the others.

    Raises:
        DataError: when more files than that, or all of them, cannot be read.
    """
    pixels = np.empty((len(files), *spec.shape), np.uint8)
    reasons: dict[int, str] = {}

    def fit(alike: dict[tuple[int, ...], list[tuple[int, np.ndarray]]]) -> None:
        for group in alike.values():
            numbers = [number for number, _ in group]
            pixels[numbers] = fit_bytes(np.stack([image for _, image in group]), spec)
        alike.clear()

    def decode(start: int) -> None:
        alike: dict[tuple[int, ...], list[tuple[int, np.ndarray]]] = {}
        held = 0
        for number in range(start, min(start + CHUNK, len(files))):
            try:
                file = files[number]
                found = _decoded(file, names[number] if isinstance(file, bytes) else None, spec, crop)
                if isinstance(found, Image.Image):
                    pixels[number] = np.rint(fit_image(found, spec) * 255)
                    continue
                alike.setdefault(found.shape, []).append((number, found))
                held += found.nbytes
            except DataError as error:
                reasons[number] = str(error)
            if held >= HELD:
                fit(alike)
                held = 0
        fit(alike)

    starts = range(0, len(files), CHUNK)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if threads > 1 and len(starts) > 1:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(decode, starts))
        else:
            for start in starts:
                decode(start)
    skipped = tuple(Skipped(names[number], reasons[number]) for number in sorted(reasons))
    if max_bad is not None:
        check_skipped(skipped, len(files), max_bad)
    kept = np.array([number for number in range(len(files)) if number not in reasons], np.int64)
    return (pixels[kept] if skipped else pixels), kept, skipped


def check_skipped(skipped: Sequence[Skipped], total: int, max_bad: float) -> None:
    """Refuse data of which too much cannot be read.

    Raises:
        DataError: naming some of the files.
    """
    if not skipped or (len(skipped) <= max_bad * total and len(skipped) < total):
        return
    shown = ", ".join(bad.name for bad in skipped[:SHOWN]) + (", …" if len(skipped) > SHOWN else "")
    raise DataError(
        f"{len(skipped)} of {total} files cannot be read ({shown}), more than the share --max-bad {max_bad:g}; "
        f"the first: {skipped[0].reason}"
    )


def jpeg_pixels(content: bytes, near: ImageSpec | None = None, name: Path | str = "a JPEG") -> np.ndarray | None:
    """The pixels of a JPEG by simplejpeg, in half of Pillow's time; both are libjpeg-turbo, and give the same.

    Args:
        content: what the file holds.
        near: as for `open_image`.
        name: what it is called in messages.

    Returns:
        uint8 of shape (h, w, 1 or 3); None where Pillow has to say what to make of it: no JPEG, one that is turned,
        has several images, is CMYK, or has anything wrong, and where simplejpeg is not installed.

    Raises:
        DataError: when it claims too many pixels, or none.
    """
    try:
        import simplejpeg
    except ImportError:
        return None
    try:
        height, width, colour, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return None
    check_size(width, height, name)
    if colour not in COLOURS or not _plain(content):
        return None
    shrink = draft_shrink(width, height, near)
    size = -(-height // shrink), -(-width // shrink)
    least = size if shrink > 1 else (0, 0)
    try:
        pixels = simplejpeg.decode_jpeg(content, COLOURS[colour], min_height=least[0], min_width=least[1])
    except ValueError:
        return None
    return pixels if pixels.shape[:2] == size else None


def _decoded(
    file: str | Path | bytes, name: str | None, spec: ImageSpec, crop: Crop | None
) -> np.ndarray | Image.Image:
    """The part of a file that is fitted: uint8 of shape (h, w, 1 or 3), or an image where that does not hold it."""
    # What is cropped by numbers of pixels has to be of its own size.
    near = spec if crop is None else None
    pixels = None
    if spec.ink == "any" and (content := _jpeg_content(file)) is not None:
        pixels = jpeg_pixels(content, near, name or str(file))
    if pixels is None:
        image = upright(decode_image(file, near, name))
        pixels = eight_bits(image) if spec.ink == "any" else None
        if pixels is None:
            return image if crop is None else image.crop(crop(*image.size))
    if crop is None:
        return pixels
    left, top, right, bottom = crop(pixels.shape[1], pixels.shape[0])
    return pixels[top:bottom, left:right]


def _jpeg_content(file: str | Path | bytes) -> bytes | None:
    if isinstance(file, bytes):
        return file if file.startswith(JPEG) else None
    # Of a file that cannot be opened, Pillow says why.
    try:
        with open(file, "rb", buffering=0) as opened:
            head = opened.read(len(JPEG))
            return head + opened.readall() if head == JPEG else None
    except OSError:
        return None


def _plain(content: bytes) -> bool:
    """Whether a JPEG is one image that is the right way up: by its segments, and Pillow where those have notes."""
    at = 2
    while content[at : at + 1] == b"\xff" and at + 4 <= len(content):
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        if marker in NOTES:
            try:
                with Image.open(io.BytesIO(content)) as image:
                    return image.format == "JPEG" and image.getexif().get(ORIENTATION, 1) == 1
            # Whatever is wrong with its notes, Pillow is asked again.
            except Exception:
                return False
        if marker == 0xDA:
            return True
        at += 2 + length
    return False
