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


def planted_attributes(
    seed: int, n: int = 4000, size: int = 64, length: float = 3.0, correlation: float = 0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latents z = AB + noise, three attributes A (n, 3) that go together, and their directions B (3, d).

    A are the signs of Gaussians of the given correlation, B random directions of one length, the noise is standard.
    """
    generator = np.random.default_rng(seed)
    together = np.full((3, 3), correlation) + (1 - correlation) * np.eye(3)
    attributes = (generator.normal(size=(n, 3)) @ np.linalg.cholesky(together).T > 0).astype(np.float64)
    directions = generator.normal(size=(3, size))
    directions *= length / np.linalg.norm(directions, axis=1, keepdims=True)
    z = attributes @ directions + generator.normal(size=(n, size))
    return z.astype(np.float32), attributes, directions


@pytest.fixture(scope="session")
def planted_set() -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    return planted_attributes
