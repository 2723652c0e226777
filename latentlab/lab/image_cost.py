"""What images cost a model, and what clean ones do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from latentlab.errors import CapabilityError, DataError, LatentlabError
from latentlab.lab.home import home_data
from latentlab.runtime import Progress

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.latents.table import Latents

By = Literal["loss", "elbo"]

# Clean images that the threshold is made of, and known images that scores of pixels are made of.
MOST_CLEAN = 2_000
MOST_KNOWN = 4_000
# Training images that tell whether clean images are among them, where nothing else needs any.
ENOUGH = 200


@dataclass(frozen=True)
class ImageCost:
    """What images cost a model, in nats.

    Args:
        lab: the model.
        by: "loss", −log p(x|z) at the posterior mean, or "elbo", −ELBO.
        samples: posterior samples an image of the ELBO.
        seed: of these.
        progress: told of the work.
    """

    lab: Lab
    by: By
    samples: int
    seed: int
    progress: Progress

    def of(self, data: Dataset, table: Latents | None = None) -> np.ndarray:
        """Of each image, of shape (n,)."""
        if self.by == "elbo":
            from latentlab.evaluation.likelihood import score_likelihood

            found = score_likelihood(
                self.lab.codec, data.pixels, samples=self.samples, seed=self.seed, progress=self.progress
            )
            nats = found.negative_elbo_nats
        else:
            table = table or self.lab.encode_data(data, self.progress)
            if table.loss is None:
                raise CapabilityError(f"expected a model with a likelihood, got {self.lab.name}, which has none")
            nats = np.asarray(table.loss, np.float64)
        if not np.isfinite(nats).all():
            raise DataError("expected finite costs of images, got NaN or infinity: the model is broken")
        return nats

    def of_empty(self, data: Dataset, clean: np.ndarray) -> tuple[tuple[float, float, float], ...]:
        """Of pictures that show nothing, of the lowest, the mean and the highest brightness."""
        from latentlab.data.dataset import Dataset

        levels = (0.0, round(float(data.images.mean(dtype=np.float64)), 2), 1.0)
        pixels = np.stack([np.full(data.pixels.shape[1:], level, np.float32) for level in levels])
        nats = self.of(Dataset("empty", "all", pixels, np.array([f"empty/{level:g}" for level in levels])))
        return tuple((level, float(nat), float((clean < nat).mean())) for level, nat in zip(levels, nats, strict=True))


def clean_costs(
    cost: ImageCost,
    clean: Dataset | None,
    named: Sequence[str],
    data: Dataset,
    root: str | Path | None,
    download: bool,
    notes: list[str],
) -> tuple[np.ndarray, Dataset | None, str]:
    """What clean images cost, images that scores of pixels may learn from, and in words which clean images they are."""
    lab = cost.lab
    own = clean is None
    known: Dataset | None = None
    try:
        # What the model has learned from, no less and no more: then scores of pixels are compared with it fairly.
        known = home_data(lab, "train", count=MOST_KNOWN if named else ENOUGH, root=root, download=download)
        if clean is None:
            clean = home_data(lab, "validation", count=MOST_CLEAN, root=root, download=download)
    except LatentlabError as error:
        if clean is None:
            return _gallery_costs(cost, named, error, notes)
    present = [name for name in named if name in (*clean.attributes, *clean.classes)]
    rows = np.ones(len(clean), bool)
    if present:
        rows = truth_of(lab.encode_data(clean, cost.progress), present) == 0
    if not rows.any():
        raise DataError(
            f"expected clean images that are not of {', '.join(present)}, got none among {len(clean)}; give others "
            "with --clean"
        )
    if not rows.all():
        notes.append(
            f"{int((~rows).sum())} of {len(clean):,} clean images are of {', '.join(present)} themselves, or may be, "
            "and are left out"
        )
    chosen = clean.take(np.flatnonzero(rows))
    if own and known is not None and len(np.intersect1d(known.ids, chosen.ids)):
        notes.append(
            f"clean images are from the {chosen.split} split of {chosen.source}, which the model was trained on: it "
            "may know them better than new ones, and flag more of those than it should"
        )
    both = len(np.intersect1d(data.ids, chosen.ids))
    if both:
        notes.append(f"{both:,} of the clean images are among those that are ranked")
    said = f"{chosen.source}, {chosen.split}"
    return cost.of(chosen), known or chosen, said


def _gallery_costs(
    cost: ImageCost, named: Sequence[str], error: LatentlabError, notes: list[str]
) -> tuple[np.ndarray, None, str]:
    """What the test images of the run cost, as it keeps them, where no images are to be had."""
    gallery = cost.lab.gallery
    if cost.by != "loss" or gallery is None or gallery.loss is None:
        raise CapabilityError(
            f"expected clean images to set the threshold by, got none ({error}); give them with --clean"
        ) from error
    present = [name for name in named if name in gallery.property_names()]
    rows = truth_of(gallery, present) == 0 if present else np.ones(len(gallery), bool)
    notes.append(f"without the images that the model was trained on ({error}), scores of pixels are left out")
    return np.asarray(gallery.loss, np.float64)[rows], None, f"the gallery of {cost.lab.name}"


def truth_of(table: Latents, named: Sequence[str]) -> np.ndarray:
    """1 where an image is of any of the names, 0 where of none, NaN where that is not known."""
    each = np.stack([table.truth(name) for name in named])
    return np.where((each == 1).any(axis=0), 1.0, np.where(np.isnan(each).any(axis=0), np.nan, 0.0))
