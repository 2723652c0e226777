"""The recipe for a hierarchy of latents on digits, end to end in a few epochs: every command's work on its run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from latentlab.data import load_data
from latentlab.lab import load
from latentlab.lab.lab import Lab
from latentlab.runs.train import train_recipe

RECIPE = Path(__file__).parent.parent.parent / "recipes" / "digits-hierarchical.toml"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("runs") / "digits-hierarchical"
    return load(
        train_recipe(RECIPE, overrides=["training.epochs=8", "objective.warmup_epochs=2"], folder=folder), "cpu"
    )


def test_what_is_said_of_it(lab: Lab):
    card, test = lab.card(), lab.metrics["test"]
    assert card["family"] == "hierarchical" and card["latent"] == {"z1": [8], "z2": [8]}
    assert 0 < card["decoder_parameters"] < card["parameters"]
    assert test["latent_size"] == len(test["kl_dimensions_nats"]) == 16
    assert sum(test["kl_dimensions_nats"]) == pytest.approx(test["kl_nats"], rel=1e-3)
    assert test["negative_elbo_nats"] == pytest.approx(test["reconstruction_nats"] + test["kl_nats"])
    assert lab.metrics["live"] == "" and len(lab.directions) == 10


def test_its_latents_are_edited_walked_and_mapped(lab: Lab):
    digits = load_data("digits", count=6)
    assert lab.encode(digits.images).shape == (6, 16)
    assert lab.reconstruct(digits.images).images.shape[1:] == (1, 8, 8)
    assert lab.edit(digits.images, {"7": [0.0, 1.0]}).latents.shape[-1] == 16
    morph = lab.morph("1", "7", steps=5)
    assert morph.latents.shape == (5, 16) and np.isfinite(morph.images).all()
    assert lab.map(method="pca", live=False).latents.shape == (359, 16)
    traversal = lab.traverse(dims=[0, 15], steps=3)
    # Both levels are in the picture.
    assert (np.abs(traversal.images[:, 0] - traversal.images[:, -1]).max(axis=(1, 2, 3)) > 0.01).all()


def test_it_is_drawn_from_level_by_level(lab: Lab):
    drawn = lab.draw(500, seed=1)
    assert drawn.shape == (500, 16) and np.array_equal(drawn, lab.draw(500, seed=1))
    assert lab.sample(4).images.shape == (4, 1, 8, 8)
    # The top is a standard normal; the level below is where the learned prior puts it, and not one.
    assert np.abs(drawn[:, :8].mean(axis=0)).max() < 0.2 and np.abs(drawn[:, :8].std(axis=0) - 1).max() < 0.15
    assert np.abs(drawn[:, 8:].std(axis=0) - 1).max() > 0.3


def test_its_report_is_made(lab: Lab, tmp_path: Path):
    lab.report().save(tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "KL of each latent dimension" in page
