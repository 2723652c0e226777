from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from latentlab.latents.table import Latents

SMILE = np.array([1.5, -1.0, 0.5, 0.0, 0.0, 0.0])
HAT = np.array([0.0, 0.0, 0.0, 2.0, 0.0, 1.0])


def planted_latents(n: int, seed: int = 0, prefix: str = "") -> Latents:
    """Unit Gaussians moved by two independent attributes; classes 0, 1, 2 and one image of class 3."""
    generator = np.random.default_rng(seed)
    smile, hat = generator.random(n) < 0.4, generator.random(n) < 0.5
    z = generator.normal(size=(n, 6)) + np.outer(smile, SMILE) + np.outer(hat, HAT)
    labels = np.arange(n) % 3
    labels[0] = 3
    return Latents(
        mean=z.astype(np.float32),
        logvar=None,
        ids=np.array([f"{prefix}{index}" for index in range(n)]),
        classes=("0", "1", "2", "3"),
        labels=labels,
        attributes={"smile": smile.astype(np.float32), "hat": hat.astype(np.float32)},
    )


@pytest.fixture
def planted() -> Callable[..., Latents]:
    return planted_latents
