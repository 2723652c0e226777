"""Images as people hold them: arrays, tensors, lists; one alone or several."""

from __future__ import annotations

from typing import Any

import numpy as np

from latentlab.errors import DataError


def as_pixels(images: Any) -> np.ndarray:
    """Images as one array of shape (n, c, h, w); one image may stand alone."""
    # A tensor that requires gradients, or lies on another device, is no array yet.
    detached = images.detach().cpu() if hasattr(images, "detach") else images
    try:
        pixels = np.asarray(detached)
    except ValueError as error:
        raise DataError("expected images of one shape, got several; load_data(…, image=lab.image) fits them") from error
    return pixels[None] if pixels.ndim == 3 else pixels
