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
    for options in ({"samples": 0}, {"samples": 10**6}, {"images": 0}):
        with pytest.raises(UsageError, match=r"expected 1 to 100,000 samples, of at least 1 image"):
            lab.score_model(data, **options)


def test_a_bound_that_is_asked_for_is_not_left_out_in_silence(data: Dataset) -> None:
    for options in ({"samples": 64}, {"images": 10}):
        with pytest.raises(CapabilityError, match=r"digits-ae has no posterior and no prior.*'vae' has them"):
            load("digits-ae", "cpu").score_model(data, **options)


def test_pictures_and_dimensions_are_scored_and_the_page_tells_of_them(lab: Lab, data: Dataset, tmp_path: Path) -> None:
    score = lab.score_model(data, samples=4, images=20)
    made = lab.decode(lab.encode(data.images))
    error = ((made - data.images) ** 2).mean(axis=(1, 2, 3), dtype=np.float64)
    assert score.scores["psnr_db"] == pytest.approx(float(-10 * np.log10(error).mean()), abs=1e-3)
    assert 0.8 < score.scores["ssim"] < 1
    # The first images are shown with numbers of their own.
    assert score.quality.mean_square_error[:5] == pytest.approx(error[:5], rel=1e-4)
    assert score.collapse is not None and score.collapse.dimensions("active") == list(range(8))
    assert score.scores["iwae_bias_nats"] > 0 and 0 < score.scores["iwae_doubtful_share"] < 1
    score.save(tmp_path)
    page = (tmp_path / "index.html").read_text()
    for words in ("too high by about", "doubtful images", "images at the prior", "Aggregate posterior against prior"):
        assert words in page


def test_dimensions_that_do_nothing_are_found_with_advice(lab: Lab, data: Dataset, tmp_path: Path) -> None:
    """Of a copy whose last dimension the encoder leaves at the prior, and whose decoder does not look at the first."""
    import copy
    from dataclasses import replace

    import torch

    model = copy.deepcopy(lab.model)
    with torch.no_grad():
        for half in (7, 15):
            model.to_posterior.weight[half] = 0
            model.to_posterior.bias[half] = 0
        first = next(layer for layer in model.decoder.modules() if isinstance(layer, torch.nn.Linear))
        first.weight[:, 0] = 0
    changed = Lab(replace(lab.run, checkpoint=replace(lab.run.checkpoint, model=model)))
    score = changed.score_model(data, samples=2, images=10)
    assert score.collapse is not None
    assert score.collapse.states == ("ignored", *["active"] * 6, "collapsed")
    assert (score.scores["collapsed_dimensions"], score.scores["ignored_dimensions"]) == (1, 1)
    # The advice knows the recipe: it was trained without a warm-up.
    assert any("collapsed" in note and "objective.warmup_epochs = 10" in note for note in score.notes)


def test_information_is_against_the_models_own_prior(lab: Lab, data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from latentlab.distributions.mixture import NormalMixture

    plain = lab.score_model(data, samples=2, images=10)
    mixture = NormalMixture(torch.zeros(2), torch.zeros(2, 8), torch.zeros(2, 8))
    monkeypatch.setattr(type(lab.model), "prior", lambda self, condition=None: mixture)
    same = lab.score_model(data, samples=2, images=10)
    # Two components, both N(0, 1): the same prior by another name.
    assert same.scores["marginal_kl_nats"] == pytest.approx(plain.scores["marginal_kl_nats"], abs=1e-3)
    wide = NormalMixture(torch.zeros(2), torch.zeros(2, 8), torch.full((2, 8), 4.0))
    monkeypatch.setattr(type(lab.model), "prior", lambda self, condition=None: wide)
    assert lab.score_model(data, samples=2, images=10).scores["marginal_kl_nats"] > plain.scores["marginal_kl_nats"] + 5
