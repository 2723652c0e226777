"""Many image files at once: decoded on threads, those that cannot be read named and left out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from latentlab.codec import ImageSpec
from latentlab.data.dataset import Skipped
from latentlab.data.fit import decode_image, fit_image
from latentlab.errors import DataError

THREADS = 4
SHOWN = 3


def decode_files(
    files: Sequence[Path],
    names: Sequence[str],
    spec: ImageSpec,
    *,
    max_bad: float,
    prepare: Callable[[Image.Image], Image.Image] | None = None,
) -> tuple[np.ndarray, np.ndarray, tuple[Skipped, ...]]:
    """Read image files and fit them to one kind of image.

    Args:
        files: where they are.
        names: what they are called in messages.
        spec: the images that they are fitted to.
        max_bad: the largest share that may be unreadable.
        prepare: what is done to each before it is fitted.

    Returns:
        uint8 of shape (k, c, h, w), the numbers of the k files that were read, and the others.

    Raises:
        DataError: when more files than that, or all of them, cannot be read.
    """
    pixels = np.empty((len(files), *spec.shape), np.uint8)
    reasons: dict[int, str] = {}

    def decode(number: int) -> None:
        try:
            image = decode_image(files[number], spec if prepare is None else None)
            fitted = fit_image(image if prepare is None else prepare(image), spec)
            pixels[number] = np.rint(fitted * 255)
        except DataError as error:
            reasons[number] = str(error)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(decode, range(len(files)), chunksize=1))
    skipped = tuple(Skipped(names[number], reasons[number]) for number in sorted(reasons))
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
