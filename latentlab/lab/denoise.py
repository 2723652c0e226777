"""Noise taken away: images, what noise made of them, and what the model makes of that."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from latentlab.errors import CapabilityError, LatentlabError, UsageError, unknown_name
from latentlab.evaluation.denoise import fit_filters, squared_errors
from latentlab.evaluation.picture_quality import score_picture_quality
from latentlab.lab.home import home_data, home_objective
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid
from latentlab.runtime import Progress, as_tensor, silent, torch_generator
from latentlab.statistics.paired import paired_difference

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.objectives.denoising import Denoising
    from latentlab.report.page import Section

SHOWN = 16
ROW = 8
# Known images that filters are set by.
MOST_KNOWN = 1_000
# The noise for a model that was trained on none.
NOISE, LEVEL = "gaussian", 0.3
NOISY, MODEL = "noisy", "model"


@dataclass(frozen=True)
class Denoised:
    """Images before and after, the shown ones.

    Args:
        clean: of shape (n, c, h, w); None where images came as they are, with noise that nobody knows.
        noisy: what the model was shown.
        images: what it makes of them.
        filtered: what filters make of them, by name.
        names: of the images.
        table: for each of noisy, model and filters: mean square error, PSNR in dB, SSIM, over all images; empty
            without clean images.
        scores: numbers by name.
        notes: what the user should know.
    """

    origin: Origin
    clean: np.ndarray | None
    noisy: np.ndarray
    images: np.ndarray
    filtered: dict[str, np.ndarray]
    names: list[str]
    table: dict[str, dict[str, float]]
    scores: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("denoise", self.origin.model)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"Denoised by {self.origin.model}"

    def columns(self) -> dict[str, np.ndarray]:
        """Every picture of the images by what it is, from left to right."""
        clean = {} if self.clean is None else {"clean": self.clean}
        return {**clean, NOISY: self.noisy, MODEL: self.images, **self.filtered}

    def strip(self) -> np.ndarray:
        """Each noisy image beside the denoised one."""
        return np.stack([self.noisy, self.images], axis=1).reshape(-1, *self.images.shape[1:])[:16]

    def pictures(self) -> dict[str, bytes]:
        """Rows of clean, noisy and denoised images."""
        rows = []
        for start in range(0, len(self.images), ROW):
            rows += [(name, images[start : start + ROW]) for name, images in self.columns().items()]
        return {"denoised.png": png_bytes(labelled_grid(rows))}

    def sections(self) -> list[Section]:
        """The images side by side, and how near each is to the clean one."""
        from latentlab.report.sections.denoise import denoise_section

        return [denoise_section(self.columns(), self.names, self.table, self.scores, self.notes)]


def denoise(
    lab: Lab,
    images: Any = None,
    *,
    data: Dataset | None = None,
    names: Sequence[str] | None = None,
    corruption: str | None = None,
    level: float | None = None,
    count: int = SHOWN,
    root: str | Path | None = None,
    download: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Denoised:
    """Take noise away by encoding and decoding, and say how well, beside filters.

    A model that was not trained to denoise is used as well: it puts an image on what it knows, which takes noise away,
    and detail with it. How much better training makes it is the question, so it is answered and not refused.

    Args:
        lab: the model.
        images: of shape (n, c, h, w) in [0, 1]; they are taken as noisy already, unless `corruption` is given.
        data: clean images to corrupt, where no images are given.
        names: of the images given.
        corruption: "mask", "gaussian" or "salt-and-pepper"; None takes what the model was trained on, else Gaussian.
        level: the share of the pixels, or the standard deviation; None as the model was trained, else .3.
        count: how many of the data are shown; the scores are over all of them.
        root: where the data that the model was trained on lies, by which filters are set.
        download: whether that may be downloaded.
        seed: of the noise.
        progress: told of the work.

    Raises:
        CapabilityError: without images: a gallery holds latents, no pixels.
        UnknownNameError: when the corruption is not known.
        UsageError: when the level is out of range, or given for images that are not to be corrupted.
    """
    if images is None and data is None:
        raise CapabilityError(f"{lab.name} carries latents, no pixels to denoise; give images, or --data")
    if images is not None and data is not None:
        raise UsageError("expected images or data, got both; leave one out")
    if count < 1:
        raise UsageError(f"expected at least 1 image to show, got {count}")
    if images is not None and corruption is None and level is not None:
        raise UsageError("expected a level with --corruption for images of your own, got --level alone; give it too")
    trained = home_objective(lab)
    notes = [] if trained.get("kind") == "denoising" else [_untrained(lab, trained)]
    noise = None if images is not None and corruption is None else _noise(trained, corruption, level)
    if data is not None:
        given, ids = lab.as_images(data.images), [str(name) for name in data.ids]
    else:
        given = lab.as_images(images)
        ids = list(names or [f"image {i + 1}" for i in range(len(given))])
        count = len(given)
    clean = None if noise is None else given
    noisy = given if noise is None else corrupted(given, noise, seed)
    progress("denoising", 0, 1)
    pictures = {NOISY: noisy, MODEL: np.clip(lab.decode(lab.encode(noisy)), 0, 1)}
    progress("denoising", 1, 1)
    if noise is not None:
        pictures |= _filtered(lab, noise, noisy, root, download, seed, notes)
    scores: dict[str, Any] = {"images": len(given)}
    if noise is not None:
        scores |= {"noise": noise.noise, "amount": noise.amount}
    table: dict[str, dict[str, float]] = {}
    if clean is not None and noise is not None:
        table = {name: _near(picture, clean) for name, picture in pictures.items()}
        scores |= table
        notes += _verdict(squared_errors(pictures, clean))
        own = trained.get("kind") == "denoising" and (trained.get("noise"), trained.get("amount"))
        if own and own != (noise.noise, noise.amount):
            notes.append(
                f"{lab.name} was trained on {own[0]} {own[1]:g}; this is {noise.noise} {noise.amount:g}, noise of "
                "another kind or strength"
            )
    else:
        notes.append("the noise of these images is not known, nor what they were without it: there is no error to tell")
    kept = slice(count)
    shown = {name: picture[kept] for name, picture in pictures.items()}
    return Denoised(
        origin=lab.origin(
            "denoise", seed, data="images" if data is None else data.source, images=ids[kept] if data is None else None,
            corruption=None if noise is None else noise.noise, level=None if noise is None else noise.amount,
        ),
        clean=None if clean is None else clean[kept],
        noisy=shown.pop(NOISY),
        images=shown.pop(MODEL),
        filtered=shown,
        names=ids[kept],
        table=table,
        scores=scores,
        notes=notes,
    )  # fmt: skip


def corrupted(images: np.ndarray, noise: Denoising, seed: int) -> np.ndarray:
    """A noisy copy of images of shape (n, c, h, w), the same for the same seed."""
    return noise.seen(as_tensor(np.ascontiguousarray(images)), torch_generator(seed)).numpy()


def _noise(trained: dict[str, Any], corruption: str | None, level: float | None) -> Denoising:
    """What is asked for; what is not, as the model was trained."""
    from latentlab.objectives.denoising import Denoising, NoiseName

    known = get_args(NoiseName)
    if corruption is not None and corruption not in known:
        raise unknown_name("corruption", corruption, known)
    own = {} if trained.get("kind") != "denoising" else trained
    kind: Any = corruption or own.get("noise", NOISE)
    amount = own.get("amount", LEVEL) if own.get("noise") == kind else LEVEL
    try:
        return Denoising(noise=kind, amount=float(amount if level is None else level))
    except ValueError as error:
        raise UsageError(f"level of {kind}: {str(error).removeprefix('amount: ')}; see --level") from error


def _untrained(lab: Lab, trained: dict[str, Any]) -> str:
    how = f"with the objective {trained['kind']}" if "kind" in trained else "in a way that its checkpoint does not tell"
    return (
        f"{lab.name} was not trained to denoise, but {how}: it puts each image on what it knows, which loses noise and "
        'detail alike; the objective "denoising" trains a model for it, as in recipes/digits-denoising.toml'
    )


def _filtered(
    lab: Lab, noise: Denoising, noisy: np.ndarray, root: str | Path | None, download: bool, seed: int, notes: list[str]
) -> dict[str, np.ndarray]:
    """What filters make of the images, set by those that the model was trained on; none where these are not there."""
    try:
        known = home_data(lab, "train", count=MOST_KNOWN, root=root, download=download)
    except LatentlabError as error:
        notes.append(f"without the images that the model was trained on ({error}), filters are left out")
        return {}
    clean = known.images
    # Other noise than that of the images which are judged.
    filters = fit_filters(clean, corrupted(clean, noise, seed + 1), lab.latent.size, seed)
    notes.append(
        f"filters are set by {len(clean):,} images of {known.source}, {known.split}, with such noise: of each the "
        "width that is nearest to them; PCA has as many components as the latent has dimensions, if there are so many"
    )
    return {name: np.clip(take(noisy), 0, 1) for name, take in filters.items()}


def _near(picture: np.ndarray, clean: np.ndarray) -> dict[str, float]:
    found = score_picture_quality(clean, np.clip(picture, 0, 1))
    psnr = -10 * math.log10(float(found.mean_square_error.mean()) or 1e-12)
    return {"mean_square_error": float(found.mean_square_error.mean()), "psnr_db": psnr, "ssim": found.mean_ssim}


def _verdict(errors: dict[str, np.ndarray]) -> list[str]:
    """The model against the noisy image, and against the best filter, in words."""

    def compared(other: str, worse: str, better: str) -> str:
        found = paired_difference(errors[MODEL], errors[other])
        words = "is not told apart by so many images from"
        if found.decided:
            words = better if found.mean < 0 else worse
        return (
            f"the model {words} {other.replace(NOISY, 'noisy one')}: mean square error {errors[MODEL].mean():.4f} "
            f"against {errors[other].mean():.4f}, difference {found.mean:+.4f}, 95 % interval {found.low:+.4f} to "
            f"{found.high:+.4f}"
        )

    said = [compared(NOISY, "is farther from the clean image than the", "is nearer to the clean image than the")]
    filters = [name for name in errors if name not in (NOISY, MODEL)]
    if filters:
        best = min(filters, key=lambda name: errors[name].mean())
        said.append(compared(best, "is beaten by the", "beats the best filter,"))
    return said
