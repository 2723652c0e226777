"""Models of codes: what looks at them through the embeddings of the codes, and what they cannot do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from latentlab.directions.direction import Direction
from latentlab.errors import CapabilityError
from latentlab.latents.embedding import embed_latents, nearest_codes

if TYPE_CHECKING:
    from latentlab.lab.lab import Lab
    from latentlab.latents.table import Latents


def require_continuous(lab: Lab, what: str) -> None:
    """Refuse what moves along a line of latents, where latents are the numbers of codes.

    Args:
        lab: the model.
        what: is asked for, such as "edits".

    Raises:
        CapabilityError: with what can be done instead.
    """
    if not lab.latent.continuous:
        raise CapabilityError(
            f"expected a continuous latent for {what}, got codes in {lab.name}: code 7 is no nearer to 8 than to any "
            "other, so that no direction means anything; reconstruct, sample, map and morph work on codes, and "
            f"{what} on a VAE such as digits"
        )


def embedded(lab: Lab) -> Lab:
    """The same model with the embeddings of its codes as latents, which can be mapped and walked between.

    It knows the mean embedding of each class and attribute of the gallery, as ends of a walk. A model whose latents are
    continuous is returned as it is.
    """
    if lab.latent.continuous:
        return lab
    from latentlab.lab.lab import Lab
    from latentlab.models.embedded import Embedded

    gallery = lab.gallery
    if gallery is not None:
        gallery = replace(gallery, mean=embed_latents(lab.codec, gallery.mean))
    model = Embedded(lab.codec).eval()  # type: ignore[arg-type]
    checkpoint = replace(lab.run.checkpoint, model=model)  # type: ignore[arg-type]
    known = {} if gallery is None else {direction.name: direction for direction in _means(gallery)}
    return Lab(replace(lab.run, checkpoint=checkpoint, gallery=gallery, directions=known, covariance=None))


def as_codes(lab: Lab, latents: np.ndarray) -> np.ndarray:
    """The numbers of the codes nearest to embeddings; latents that are none of `embedded` as they are."""
    return nearest_codes(lab.codec, latents) if _is_embedded(lab) else latents


def rounded(lab: Lab, latents: np.ndarray) -> np.ndarray:
    """The embeddings of the codes nearest to embeddings; latents that are none of `embedded` as they are."""
    return embed_latents(lab.codec.model, as_codes(lab, latents)) if _is_embedded(lab) else latents


def walk_notes(lab: Lab, latents: np.ndarray) -> list[str]:
    """What a walk through embeddings looks like; nothing of other walks.

    Args:
        lab: the model, `embedded`.
        latents: the frames.
    """
    if not _is_embedded(lab):
        return []
    changes = (np.diff(as_codes(lab, latents), axis=0) != 0).any(axis=1)
    return [
        "the path leads through the embeddings of codes, and each frame is decoded from the codes nearest to it, since "
        f"the decoder has seen nothing between them: the picture changes in {int(changes.sum())} jumps in "
        f"{len(changes)} steps"
    ]


def _is_embedded(lab: Lab) -> bool:
    from latentlab.models.embedded import Embedded

    return isinstance(lab.codec, Embedded)


def _means(gallery: Latents) -> list[Direction]:
    """The mean embeddings of the images with each property, and of those without, where there are both."""
    found = []
    for name in gallery.property_names():
        truth = gallery.truth(name)
        parts = [gallery.mean[truth == value] for value in (1, 0)]
        if all(map(len, parts)):
            with_, without = (part.mean(axis=0, dtype=np.float64).astype(np.float32) for part in parts)
            found.append(
                Direction(
                    name, with_ - without, "mean", len(parts[0]), len(parts[1]), mean_with=with_, mean_without=without
                )
            )
    return found
