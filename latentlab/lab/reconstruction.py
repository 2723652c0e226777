"""Reconstructions: real images above what the model makes of them, the worst first on request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import UsageError
from latentlab.lab.result import Origin, folder_name, html_strip, one_line, save
from latentlab.lab.stranger import stranger_notes
from latentlab.picture.encode import png_bytes
from latentlab.picture.grid import labelled_grid

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

# Bytes of a value of an image as it is stored, and of a latent.
PIXEL_BYTES, LATENT_BYTES = 1, 4
ROW = 8


@dataclass(frozen=True)
class Reconstruction:
    """Images and what the model makes of them, the shown ones.

    Args:
        real: of shape (n, c, h, w), or None for gallery images, of which only latents are known.
        images: decode(encode(real)), of shape (n, c, h, w).
        latents: of shape (n, d).
        names: of the images.
        loss: −log p(x|z) at the posterior mean of each, in nats, or None where it is not known.
    """

    origin: Origin
    real: np.ndarray | None
    images: np.ndarray
    latents: np.ndarray
    names: list[str]
    loss: np.ndarray | None
    scores: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    save = save
    __repr__ = one_line
    _repr_html_ = html_strip

    @property
    def name(self) -> str:
        """The folder that suits it."""
        return folder_name("reconstruct", self.origin.model)

    @property
    def title(self) -> str:
        """The heading of its page."""
        return f"Reconstructions by {self.origin.model}"

    def strip(self) -> np.ndarray:
        """Each real image beside its reconstruction."""
        if self.real is None:
            return self.images
        return np.stack([self.real, self.images], axis=1).reshape(-1, *self.images.shape[1:])[:16]

    def pictures(self) -> dict[str, bytes]:
        """Rows of real images, each above its row of reconstructions."""
        rows = []
        for start in range(0, len(self.images), ROW):
            part = slice(start, start + ROW)
            if self.real is not None:
                rows.append(("real", self.real[part]))
            rows.append(("model", self.images[part]))
        return {"reconstructions.png": png_bytes(labelled_grid(rows))}

    def sections(self) -> list[Section]:
        """The pairs with their losses."""
        from latentlab.report.sections.reconstructions import reconstructions_section

        return [reconstructions_section(self.real, self.images, self.names, self.loss, "nats", self.notes)]


def reconstruct(
    lab: Lab,
    images: Any = None,
    *,
    data: Dataset | None = None,
    names: Sequence[str] | None = None,
    count: int = 16,
    worst: bool = False,
) -> Reconstruction:
    """Encode and decode images, and say what is lost.

    Args:
        lab: the model.
        images: of shape (n, c, h, w) in [0, 1]; all are shown.
        data: images to take from, where none are given; neither: the gallery, of which only latents are known.
        names: of the images given.
        count: how many of the data to show; the scores are over all of them.
        worst: show those with the greatest loss, greatest first: what the model understands least.

    Raises:
        LatentlabError: for images of another kind.
    """
    if count < 1:
        raise UsageError(f"expected at least one image, got --count {count}")
    notes: list[str] = []
    if images is None and data is None:
        gallery = lab.known()
        order = _order(gallery.loss, len(gallery), worst)[:count]
        notes.append(f"{lab.name} carries latents of test images, not their pixels; --data shows the real ones beside")
        return Reconstruction(
            origin=lab.origin("reconstruct", data="gallery", count=count, worst=worst),
            real=None,
            images=lab.decode(gallery.mean[order]),
            latents=gallery.mean[order],
            names=[f"@{row}" for row in order],
            loss=None if gallery.loss is None else gallery.loss[order],
            scores=_loss_scores(lab, gallery.loss),
            notes=notes,
        )
    if images is not None:
        real = lab.as_images(images)
        ids = list(names or [f"image {i + 1}" for i in range(len(real))])
        latents = lab.encode(real)
        losses = lab.losses(real, latents)
        notes += [note for note in stranger_notes(lab, real, latents, ids) if note]
        count = len(real)
    else:
        assert data is not None
        table = lab.encode_data(data)
        real, ids, latents = data.images, [str(name) for name in data.ids], table.mean
        losses = table.loss if table.loss is not None else lab.losses(real, latents)
    order = _order(losses, len(real), worst)[:count]
    guess = lab.decode(latents)
    return Reconstruction(
        origin=lab.origin("reconstruct", data="images" if data is None else data.source, count=count, worst=worst),
        real=real[order],
        images=guess[order],
        latents=latents[order],
        names=[ids[i] for i in order],
        loss=losses[order],
        scores={
            **_loss_scores(lab, losses),
            "mean_square_error": float(((real - guess) ** 2).mean(dtype=np.float64)),
            "images": len(real),
        },
        notes=notes,
    )


def _order(losses: np.ndarray | None, count: int, worst: bool) -> np.ndarray:
    if worst and losses is None:
        raise UsageError("expected images whose loss is known to show the worst of; give --data")
    return np.argsort(-losses, kind="stable") if worst and losses is not None else np.arange(count)


def _latent_bytes(lab: Lab) -> float:
    """Of one image: a float a dimension, log₂ K bits a code."""
    return sum(
        block.size * (LATENT_BYTES if block.codes is None else np.log2(block.codes) / 8) for block in lab.latent.blocks
    )


def _loss_scores(lab: Lab, losses: np.ndarray | None) -> dict[str, Any]:
    values = lab.image.size
    scores: dict[str, Any] = {"compression": values * PIXEL_BYTES / _latent_bytes(lab)}
    if losses is not None:
        scores |= {
            "loss_nats": float(losses.mean(dtype=np.float64)),
            "loss_nats_per_pixel": float(losses.mean(dtype=np.float64)) / values,
        }
    return scores
