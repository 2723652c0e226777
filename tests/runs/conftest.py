from __future__ import annotations

from pathlib import Path

import pytest

from latentlab.runs.train import train_recipe

RECIPE = """
name = "small"
seed = 2
[data]
source = "patterns"
count = 1200
validation = 200
[model]
family = "vae"
latent = 4
[model.network]
kind = "mlp"
hidden = [24]
activation = "tanh"
[training]
epochs = 4
batch = 32
learning_rate = 1e-2
"""


@pytest.fixture(scope="session")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe for 4×4 patterns that takes a second."""
    path = tmp_path_factory.mktemp("recipes") / "small.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="session")
def trained(recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of it; only to be read."""
    return train_recipe(recipe_file, folder=tmp_path_factory.mktemp("outputs") / "small", device="cpu")
