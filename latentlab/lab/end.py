"""From the names that people write to latents: classes, attributes, image files, rows, `random`, `mean`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from latentlab.errors import DataError, UsageError, unknown_name
from latentlab.lab.stranger import stranger_notes
from latentlab.latents.name import match_name

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab

WORDS = ("random", "mean")
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class End:
    """A place in the latent space that somebody named.

    Args:
        name: as it is shown.
        latent: of shape (d,).
        image: the real image that it was encoded from, of shape (c, h, w), or None for a latent without one.
        note: what the user should know about it, or "".
    """

    name: str
    latent: np.ndarray
    image: np.ndarray | None = None
    note: str = ""


def is_file_name(text: str) -> bool:
    """Whether a name is meant as an image file: it exists, or looks like a path to one."""
    return Path(text).suffix.lower() in IMAGE_SUFFIXES or "/" in text or Path(text).is_file()


def property_names(ends: Iterable[str]) -> list[str]:
    """Those of the names that a model has to know: not files, rows, `random` or `mean`."""
    return [end for end in ends if end not in WORDS and not end.startswith("@") and not is_file_name(end)]


def resolve(lab: Lab, end: str, *, exemplar: bool = False, seed: int = 0, data: Dataset | None = None) -> End:
    """Turn a name into a latent.

    Args:
        lab: the model and what it knows.
        end: a class or attribute (its mean latent), an image file, `@12` (a row of the data, or of the gallery),
            `random` (a prior sample) or `mean` (of the aggregate posterior).
        exemplar: take one image of the class or attribute instead of the mean.
        seed: of what is drawn.
        data: images to take rows and exemplars from.

    Raises:
        UnknownNameError, DataError, UsageError: when the name stands for nothing here.
    """
    if not isinstance(end, str):
        raise UsageError(f"expected ends as texts, such as '1' or 'photo.png', got {type(end).__name__}")
    if end == "mean":
        return End("mean", lab.center)
    if end == "random":
        return End("random", lab.draw(1, seed=seed)[0])
    if end.startswith("@"):
        return _row(lab, end, data)
    known = match_name(end, lab.names(data))
    if known is not None:
        return _exemplar(lab, known, seed, data) if exemplar else End(known, lab.mean_of(known, data))
    if is_file_name(end):
        pixels = lab.read_images([end])
        latent = lab.encode(pixels)
        return End(Path(end).name, latent[0], pixels[0], stranger_notes(lab, pixels, latent, [Path(end).name])[0])
    hint = (
        "an image file has to exist" if lab.names(data) else f"{lab.name} knows none: give labelled images with --data"
    )
    raise unknown_name("attribute or class", end, lab.names(data), hint)


def _row(lab: Lab, end: str, data: Dataset | None) -> End:
    if not end[1:].isdigit():
        raise UsageError(f"expected @ and a row number, such as @12, got {end!r}")
    row = int(end[1:])
    count = len(data) if data is not None else len(lab.known())
    if row >= count:
        raise DataError(f"expected a row from @0 to @{count - 1}, got {end}; take more with --count, or other --data")
    if data is not None:
        pixels = data.take(np.array([row])).images
        return End(end, lab.encode(pixels)[0], pixels[0])
    return End(end, lab.known().mean[row])


def _exemplar(lab: Lab, name: str, seed: int, data: Dataset | None) -> End:
    """One image with the attribute or of the class, drawn by the seed."""
    latents = lab.known(data)
    rows = np.flatnonzero(latents.truth(name) == 1)
    if not len(rows):
        raise DataError(
            f"expected at least one image of {name!r}, got none among {len(latents)}; give --data with some"
        )
    row = int(np.random.default_rng([seed, len(rows)]).choice(rows))
    image = None if data is None else data.take(np.array([row])).images[0]
    return End(f"{name} (@{row})", latents.mean[row], image)
