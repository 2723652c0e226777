"""Scores of a model on images, as a verb of the Lab."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from latentlab.data import load_data
from latentlab.data.dataset import Dataset
from latentlab.errors import CapabilityError, UsageError
from latentlab.lab import Lab, load


@pytest.fixture(scope="module")
def lab() -> Lab:
    return load("digits", "cpu")


@pytest.fixture(scope="module")
def data(lab: Lab) -> Dataset:
    return load_data("digits", split="test", image=lab.image)


def test_the_scores_are_those_that_the_run_was_described_with(lab: Lab, data: Dataset, tmp_path: Path) -> None:
    score = lab.score_model(data, samples=16, images=40)
    kept = lab.metrics["test"]
    for name in ("negative_elbo_nats", "reconstruction_nats", "kl_nats", "bits_per_dim"):
        assert score.scores[name] == pytest.approx(kept[name], abs=0.15 if name.endswith("nats") else 0.01)
    for name in ("mean_square_error", "active_units", "images"):
        assert score.scores[name] == pytest.approx(kept[name], rel=1e-5)
    # The importance-weighted bound is nearer to log p(x) than the ELBO, of which it is the case of one sample.
    first = score.likelihood.negative_elbo_nats[:40].mean()
    assert score.scores["iwae_nll_nats"] < first and score.scores["iwae_images"] == 40
    # The information that the code carries is at most the rate, and at most what so many images can show.
    assert 0 < score.scores["mutual_information_nats"] <= min(score.scores["kl_nats"] + 0.5, math.log(len(data)) + 1e-9)
    score.save(tmp_path / "score")
    assert json.loads((tmp_path / "score" / "result.json").read_text())["scores"]["iwae_samples"] == 16
    assert "KL of each latent dimension" in (tmp_path / "score" / "index.html").read_text()


def test_an_autoencoder_has_no_bound_and_says_who_has(data: Dataset) -> None:
    score = load("digits-ae", "cpu").score_model(data)
    assert score.importance is None and "negative_elbo_nats" not in score.scores and "iwae_nll_nats" not in score.scores
    assert any("no ELBO" in note and "'vae'" in note for note in score.notes)
    assert np.isfinite(score.scores["reconstruction_nats"])


def test_grey_pixels_under_a_bernoulli_are_marked() -> None:
    lab = load("mnist-2d", "cpu")
    data = load_data("digits", split="test", image=lab.image, count=12)
    assert any("pseudo-likelihood" in note for note in lab.score_model(data, samples=2).notes)


def test_without_images_there_is_nothing_to_score(lab: Lab, data: Dataset) -> None:
    with pytest.raises(CapabilityError, match="--data"):
        lab.score_model()
    with pytest.raises(UsageError, match="at least 1 sample"):
        lab.score_model(data, samples=0)
