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


@pytest.fixture(scope="session")
def write_table(tmp_path_factory: pytest.TempPathFactory):
    """Writes latents as a table on disk, as `encode` does, and gives its folder."""
    import numpy as np

    from latentlab.codec import Block
    from latentlab.latents.store import Manifest, TablePlan
    from latentlab.latents.store.manifest import write_manifest, write_plan
    from latentlab.latents.store.place import Place
    from latentlab.latents.store.write import write_part
    from latentlab.latents.table import Latents

    def write(
        latents: Latents,
        *,
        checkpoint: str = "",
        model: str = "mine",
        part_rows: int = 1000,
        codes: int | None = None,
        whole: bool = True,
    ) -> Path:
        place = Place(str(tmp_path_factory.mktemp("latents") / "table"))
        plan = TablePlan(
            model=model, checkpoint=checkpoint, preprocessing="", blocks=(Block("z", (latents.mean.shape[1],), codes),),
            source="mine", split=latents.split, classes=latents.classes, labelled=latents.labels is not None,
            attributes=tuple(latents.attributes), thresholds=latents.thresholds, posterior=latents.logvar is not None,
            pieces=-(-len(latents) // part_rows),
        )  # fmt: skip
        write_plan(place, plan)
        parts = []
        for number, start in enumerate(range(0, len(latents), part_rows)):
            part = latents.take(np.arange(start, min(start + part_rows, len(latents))))
            parts.append(write_part(place, plan, number, part, f"rows {start}"))
        if whole:
            write_manifest(place, Manifest(plan, tuple(parts)))
        return place.path

    return write
