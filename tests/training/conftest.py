from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latentlab.codec import ImageSpec
from latentlab.data.patterns import clean_patterns
from latentlab.training import Recipe, Trained, build_recipe, train

NETWORKS = {
    "mlp": {"kind": "mlp", "hidden": [12], "activation": "tanh"},
    "residual": {"kind": "residual", "channels": [4, 6], "blocks": [1, 1], "hidden": 8, "head": 3},
}


def tiny(network: str = "mlp", **changes: Any) -> Recipe:
    """A recipe for 4×4 patterns: three epochs of seven steps; `changes` by section, as in training={"epochs": 2}."""
    table: dict[str, Any] = {
        "name": "tiny", "seed": 3, "data": {"source": "patterns"},
        "model": {"family": "vae", "latent": 2, "network": NETWORKS[network]},
        "training": {"epochs": 3, "batch": 8, "learning_rate": 0.01, "schedule": "cosine", "warmup_steps": 3},
    }  # fmt: skip
    for section, values in changes.items():
        table[section] = {**table.get(section, {}), **values} if isinstance(values, dict) else values
    return build_recipe(table, "tiny").for_images(ImageSpec(1, 4, 4))


def noisy_patterns(count: int, seed: int = 0) -> np.ndarray:
    """Grey 4×4 patterns with noise: (count, 1, 4, 4), uint8."""
    generator = np.random.default_rng(seed)
    clean = clean_patterns()[generator.integers(14, size=count)]
    return (255 * np.abs(clean - 0.3 * generator.random(clean.shape))).astype(np.uint8)[:, None]


@pytest.fixture(scope="session")
def recipe() -> Callable[..., Recipe]:
    return tiny


@pytest.fixture(scope="session")
def patterns() -> Callable[..., np.ndarray]:
    return noisy_patterns


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Trained]:
    """Train into a folder below the test's own, on 56 patterns with 20 held out."""

    def go(recipe: Recipe, folder: str = "run", held_out: int = 20, **options: Any) -> Trained:
        (tmp_path / folder).mkdir(exist_ok=True)
        return train(
            recipe,
            noisy_patterns(56),
            noisy_patterns(held_out, seed=1),
            tmp_path / folder,
            device=torch.device("cpu"),
            about={"name": recipe.name},
            **options,
        )

    return go
