"""The bundled models: whole, small, made by their recipes, and as good as they say."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from latentlab.data import load_data
from latentlab.evaluation.likelihood import score_likelihood
from latentlab.files import read_json
from latentlab.lab import load
from latentlab.runs.bundled import BUNDLED, bundled_folder, pick_bundled
from latentlab.training import build_recipe, read_recipe

ROOT = Path(__file__).parent.parent.parent
RECIPES = {
    "mnist": "mnist-vae",
    "faces": "faces-vae",
    "digits": "digits-vae",
    "mnist-2d": "mnist-2d",
    "digits-ae": "digits-ae",
}
FILES = {
    "checkpoint.safetensors",
    "directions.safetensors",
    "gallery.safetensors",
    "history.jsonl",
    "live.json",
    "metrics.json",
    "recipe.json",
}
MNIST = ROOT.parent / "shared" / "data"
ATTRIBUTES = ("smile", "glasses", "beard", "hat", "long_hair")


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_model_has_its_files_and_no_others(name: str) -> None:
    assert {path.name for path in bundled_folder(name).iterdir()} == FILES


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_model_was_made_by_its_recipe(name: str) -> None:
    kept = build_recipe(read_json(bundled_folder(name) / "recipe.json"), name)
    assert kept == read_recipe(ROOT / "recipes" / f"{RECIPES[name]}.toml")
    lab = load(name)
    assert lab.codec.config == kept.for_images(lab.image).model
    assert lab.run.checkpoint.about["seed"] == kept.seed
    assert lab.run.history[-1]["epoch"] == kept.training.epochs


def test_together_they_take_at_most_25_megabytes() -> None:
    total = sum(path.stat().st_size for name in BUNDLED for path in bundled_folder(name).iterdir())
    assert total <= 25e6


@pytest.mark.parametrize("name", BUNDLED)
def test_the_header_of_a_recipe_says_what_its_model_reached(name: str) -> None:
    header = (ROOT / "recipes" / f"{RECIPES[name]}.toml").read_text(encoding="utf-8").split("\nname")[0]
    test = load(name).metrics["test"]
    key = "negative_elbo_nats" if "negative_elbo_nats" in test else "reconstruction_nats"
    said = re.search(r"(-?[\d,]+\.\d+) nats an image", header)
    assert said is not None
    assert float(said.group(1).replace(",", "")) == pytest.approx(test[key], abs=0.006)


@pytest.mark.parametrize("name", ["digits", "digits-ae", "faces"])
def test_the_scores_of_a_bundled_model_can_be_measured_again(name: str) -> None:
    lab = load(name, "cpu")
    data = load_data(lab.metrics["test"]["source"], split="test")
    # Of 2,000 faces one sample each says it as well, and takes seconds.
    samples = 1 if name == "faces" else lab.metrics["test"]["posterior_samples"]
    scores = score_likelihood(lab.codec, data.pixels, samples=samples)
    assert scores.reconstruction_nats.mean() == pytest.approx(lab.metrics["test"]["reconstruction_nats"], rel=1e-3)


@pytest.mark.skipif(not (MNIST / "MNIST" / "raw").is_dir(), reason="MNIST is not at hand")
def test_mnist_explains_test_digits_within_91_nats() -> None:
    lab = load("mnist", "cpu")
    data = load_data("mnist", split="test", root=MNIST)
    bound = score_likelihood(lab.codec, data.pixels, samples=4, seed=1).negative_elbo_nats.mean()
    assert bound <= 91
    assert lab.latent.size <= 20


def test_the_gallery_of_a_bundled_model_is_what_it_encodes() -> None:
    lab = load("digits", "cpu")
    data = load_data("digits", split="test")
    rows = [list(data.ids).index(name) for name in lab.known().ids]
    np.testing.assert_allclose(lab.encode(data.take(np.array(rows)).images), lab.known().mean, atol=1e-4)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_attributes_of_faces_can_be_read_from_its_latents(attribute: str) -> None:
    direction = load("faces", "cpu").directions[attribute]
    assert direction.auc is not None
    assert direction.auc >= 0.98


def test_faces_has_a_decoder_small_enough_for_a_page() -> None:
    assert multiply_adds(load("faces", "cpu")) <= 90e6


def multiply_adds(lab) -> float:
    """Multiply-adds of one decoded picture, counted by torch."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        lab.codec.decoder(torch.zeros(1, lab.latent.size))
    return counter.get_total_flops() / 2


def test_the_first_model_that_knows_the_names_is_taken() -> None:
    assert pick_bundled([]) == "mnist"
    assert pick_bundled(["1", "7"]) == "mnist"
    assert pick_bundled(["smile"]) == "faces"
