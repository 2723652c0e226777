"""What tests of several rooms share."""

from __future__ import annotations

from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# Shapes stand in annotations: checked while tests run, free in production.
install_import_hook(["latentlab.distributions", "latentlab.nn", "latentlab.models"], "beartype.beartype")

# Two epochs of the smallest network: knows the digits well enough to have directions, a gallery and scores.
TINY = """
name = "tiny"
[data]
source = "digits"
[model]
family = "vae"
latent = 4
[model.network]
kind = "mlp"
hidden = [32]
[training]
epochs = 2
"""


@pytest.fixture(scope="session")
def tiny_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe that trains in seconds."""
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory, tiny_recipe: Path) -> Path:
    """The folder of a run that was trained in seconds; not to be written to."""
    from latentlab.runs.train import train_recipe

    return train_recipe(tiny_recipe, folder=tmp_path_factory.mktemp("runs") / "tiny")
