"""Images that a model has never seen the like of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from latentlab.lab.lab import Lab

# Beyond this quantile of the losses of test images, an image is a stranger to the model.
STRANGER = "0.99"


def stranger_notes(lab: Lab, images: np.ndarray, latents: np.ndarray, names: Sequence[str]) -> list[str]:
    """A warning for each image that the model explains worse than 99 % of its test images, "" for the others.

    Args:
        lab: the model.
        images: of shape (n, c, h, w).
        latents: their latents, of shape (n, d).
        names: one an image.
    """
    limit = lab.metrics.get("test", {}).get("loss_quantiles", {}).get(STRANGER)
    if limit is None:
        return [""] * len(images)
    return [
        f"{name} is a stranger to this model: loss {loss:.0f} nats, beyond the 99th percentile "
        f"({limit:.0f}) of the images it knows; what comes out says little about it"
        if loss > limit
        else ""
        for name, loss in zip(names, lab.losses(images, latents), strict=True)
    ]
