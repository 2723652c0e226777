"""Small images that every test of pictures uses."""

from __future__ import annotations

import numpy as np
import pytest


def gradient(channels: int, side: int, count: int) -> np.ndarray:
    """Images of shape (count, channels, side, side): each brighter than the last, no two channels alike."""
    ramp = np.linspace(0, 1, side, dtype=np.float32)
    planes = np.stack([ramp[None].repeat(side, 0), ramp[:, None].repeat(side, 1), 1 - ramp[None].repeat(side, 0)])
    levels = np.linspace(0.2, 1, count, dtype=np.float32)[:, None, None, None]
    return levels * planes[None, :channels]


@pytest.fixture(params=[(1, 28), (3, 32)], ids=["grey", "rgb"])
def images(request: pytest.FixtureRequest) -> np.ndarray:
    """Six images, grey or RGB."""
    return gradient(*request.param, count=6)
