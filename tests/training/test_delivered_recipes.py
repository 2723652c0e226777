"""Every recipe in recipes/ is read, built, and takes two steps on images of its kind; no data is needed for that."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from latentlab.checkpoints import read_checkpoint
from latentlab.codec import ImageSpec
from latentlab.models import ConditionalConfig
from latentlab.objectives import ELBO, Reconstruction, TotalCorrelation
from latentlab.training import CHECKPOINT, build_recipe, read_recipe, recipe_table, train

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))
IMAGES = {
    "digits": ImageSpec(1, 8, 8),
    "faces": ImageSpec(3, 64, 64),
    "patterns": ImageSpec(1, 4, 4),
    "mnist": ImageSpec(1, 28, 28),
    "celeba": ImageSpec(3, 64, 64),
}
CLASSES = tuple("0123456789")


def test_the_recipes_that_were_promised_are_there():
    promised = {"mnist-vae", "mnist-2d", "mnist-tutorial", "faces-vae", "digits-vae", "digits-ae", "celeba-vae"}
    promised |= {"digits-pca", "mnist-pca", "mnist-deep-autoencoder"}
    promised |= {"digits-sparse", "digits-denoising", "digits-beta", "digits-tc", "digits-conditional"}
    assert promised <= {path.stem for path in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_built_and_takes_two_steps(path: Path, tmp_path: Path):
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert build_recipe(recipe_table(recipe), "again") == recipe
    # Of a model without a posterior there is no KL to weigh, and with one there is no leaving it out.
    wrong = (ELBO, TotalCorrelation) if recipe.model.family == "autoencoder" else Reconstruction
    assert not isinstance(recipe.objective, wrong)
    image = recipe.data.image or IMAGES[recipe.data.source]
    short = dataclasses.replace(recipe.training, epochs=1, batch=2)
    recipe = dataclasses.replace(recipe.for_images(image, CLASSES), training=short)
    pixels = np.random.default_rng(0).integers(0, 256, (4, *image.shape), dtype=np.uint8)
    steps: list[int] = []
    told = None
    if isinstance(recipe.model, ConditionalConfig):
        told = np.eye(4, len(recipe.model.names), dtype=np.float32)
    trained = train(
        recipe, pixels, pixels[:0], tmp_path, device=torch.device("cpu"), about={},
        conditions=None if told is None else (told, told[:0]),
        progress=lambda task, done, total, note="": steps.append(done),
    )  # fmt: skip
    model = read_checkpoint(tmp_path / CHECKPOINT).model
    assert steps == ([0, 1] if hasattr(model, "fit") else [1, 2])
    assert math.isfinite(trained.history[0]["loss"])
    torch.manual_seed(recipe.seed)
    begun = recipe.model.build()
    moved = [name for name, weight in begun.state_dict().items() if not torch.equal(weight, model.state_dict()[name])]
    # The first convolution of a residual block stands still in the first step: the one behind it is zero.
    assert len(moved) > len(begun.state_dict()) / 2
    assert model.encode(torch.zeros(1, *image.shape)).shape == (1, model.latent.size)
