"""The recipes of variational lossy autoencoders: a run does what runs do, and the long one learns from the start."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from latentlab.checkpoints import read_checkpoint
from latentlab.data import load_data
from latentlab.data.fit import fit_pixels
from latentlab.data.mnist import binarised
from latentlab.lab import load
from latentlab.lab.kept import SHOWN, kept_part
from latentlab.lab.lab import Lab
from latentlab.lab.row import PICKED
from latentlab.runs.train import train_recipe
from latentlab.training import CHECKPOINT, read_recipe, train

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A run of the recipe for digits, too short to be good."""
    short = ["training.epochs=8", "training.batch=64", "training.warmup_steps=10"]
    folder = tmp_path_factory.mktemp("run") / "digits-lossy"
    return load(train_recipe(RECIPES / "digits-lossy.toml", overrides=short, folder=folder), "cpu")


def test_a_run_has_what_runs_have(lab: Lab):
    test = lab.metrics["test"]
    assert test["negative_elbo_nats"] == pytest.approx(test["reconstruction_nats"] + test["kl_nats"])
    assert sum(test["kl_dimensions_nats"]) == pytest.approx(test["kl_nats"], rel=1e-4)
    assert test["kl_nats"] > 1 and test["pseudo_likelihood"] is False
    assert "draws pixel by pixel" in lab.metrics["live"]
    assert lab.card()["family"] == "lossy"


def test_the_verbs_work_on_it(lab: Lab):
    assert lab.reconstruct(count=3).images.shape == (3, 1, 8, 8)
    sampled = lab.sample(5, seed=1)
    assert sampled.images.shape == (5, 1, 8, 8) and sampled.images.std() > 0.1
    path = lab.morph("1", "7", steps=5)
    assert path.images.shape == (5, 1, 8, 8)
    assert np.abs(path.images[0] - path.images[-1]).max() > 0.2
    geodesic = lab.morph("1", "7", steps=5, path="geodesic")
    assert geodesic.scores["image_length"] <= 1.05 * path.scores["image_length"]
    assert len(lab.map().sections()) >= 1


def test_the_panel_of_what_the_code_kept(lab: Lab):
    section = kept_part(lab)
    assert section.html.count("<tr><th") == SHOWN and "without chance" in section.html and ">image<" not in section.html
    assert "the 12 before it" in section.html and f"codes of {PICKED} images" in section.html
    data = load_data("digits", split="test", count=60)
    shown = kept_part(lab, data)
    assert ">image<" in shown.html
    # A row of each class comes first.
    for label in range(SHOWN):
        assert f": {label}</th>" in shown.html
    assert kept_part(lab, data).html == shown.html


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist-lossy", "mnist-lossy-short"])
def test_the_recipe_for_mnist_learns_from_the_start(name: str, tmp_path: Path):
    """A few hundred steps on small digits, enlarged and binarised: no data that would have to be downloaded."""
    recipe = read_recipe(RECIPES / f"{name}.toml")
    data = load_data("digits", split="train")
    image = dataclasses.replace(data.image, height=28, width=28)
    grey = np.rint(255 * fit_pixels(data.pixels, image, data.ink)).astype(np.uint8)
    pixels = binarised(grey, 0)
    # A batch of a sixteenth and hardly a warm-up: at the recipe's own rate the flow may diverge.
    training = dataclasses.replace(recipe.training, epochs=2, batch=8, warmup_steps=20, learning_rate=5e-4)
    recipe = dataclasses.replace(recipe.for_images(image), training=training)
    cpu = torch.device("cpu")
    trained = train(recipe, pixels[64:], pixels[:64], tmp_path, device=cpu, about={})
    first, last = (epoch["validation_loss"] for epoch in trained.history)
    # A coin for every pixel would cost 543 nats.
    assert last < first < 300
    model = read_checkpoint(tmp_path / CHECKPOINT).model
    z = model.prior().sample(4, torch.Generator().manual_seed(0))
    fills = model.fill(z, torch.Generator().manual_seed(1))
    assert set(fills.unique().tolist()) == {0.0, 1.0}
    # As much ink as there is in the data, more or less.
    assert abs(float(fills.mean()) - float(pixels.mean()) / 255) < 0.15
