"""Latents as features, as a verb of the Lab."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latentlab.data import load_data
from latentlab.data.dataset import Dataset
from latentlab.errors import CapabilityError, DataError, UnknownNameError
from latentlab.lab import Lab, load


@pytest.fixture(scope="module")
def lab() -> Lab:
    return load("digits", "cpu")


@pytest.fixture(scope="module")
def parts(lab: Lab) -> tuple[Dataset, Dataset]:
    return (
        load_data("digits", split="test", image=lab.image, count=150),
        load_data("digits", split="train", image=lab.image, count=300),
    )


def test_classes_are_read_from_latents_pixels_and_components(lab: Lab, parts, tmp_path: Path) -> None:
    found = lab.score_probe(*parts, budgets=(1, 10), draws=2)
    assert found.features.dimensions == {"latents": 8, "pixels": 64, "pca": 8}
    for reader in ("linear probe", "kNN"):
        accuracies = found.scores[f"{reader}, latents"]
        assert 0.25 < accuracies["1"] < accuracies["10"] and accuracies["10"] > 0.65
    assert found.scores["linear probe, latents"]["10"] == found.features.find("latents", "linear", 10).accuracy
    assert found.scores["test_images"] == 150 and found.scores["training_images"] == 300
    found.save(tmp_path)
    assert json.loads((tmp_path / "result.json").read_text())["scores"]["kNN, pca"]["1"] > 0.2
    page = (tmp_path / "index.html").read_text()
    assert all(words in page for words in ("Linear probe", "latents − pixels", "10 a class", "8 numbers"))


def test_what_latents_do_not_hold_is_not_read_from_them(lab: Lab, parts) -> None:
    def with_coin(data: Dataset, seed: int) -> Dataset:
        """An attribute that has nothing to do with the image, and one that is the image's own: above or below 5."""
        coin = np.random.default_rng(seed).integers(0, 2, len(data)).astype(np.float32)
        return replace(data, attributes={"coin": coin, "large": (data.labels >= 5).astype(np.float32)})

    marked = [with_coin(data, seed) for seed, data in enumerate(parts)]
    chance = lab.score_probe(*marked, attribute="coin", budgets=(None,))
    known = lab.score_probe(*marked, attribute="Large", budgets=(None,))
    assert 0.35 < chance.scores["linear probe, latents"]["all"] < 0.65
    assert known.scores["kNN, latents"]["all"] > 0.85 and known.read == "large"


def test_too_few_labels_are_said(lab: Lab, parts) -> None:
    found = lab.score_probe(*parts, budgets=(1, 100), draws=1)
    assert any("expected 100 labelled training images of every class" in note for note in found.notes)


def test_what_cannot_be_read(lab: Lab, parts) -> None:
    test, train = parts
    with pytest.raises(CapabilityError, match="--data"):
        lab.score_probe(test)
    with pytest.raises(DataError, match="150 that are both"):
        lab.score_probe(test, test)
    with pytest.raises(UnknownNameError, match="unknown attribute 'smile'"):
        lab.score_probe(test, train, attribute="smile")
    faceless = replace(test, labels=None, classes=(), attributes={"smile": np.zeros(150, np.float32)})
    with pytest.raises(
        DataError, match="with classes, got digits without; name one of its attributes with --attr: smile"
    ):
        lab.score_probe(faceless, train)
