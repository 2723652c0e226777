"""`latentlab anomalies`, `latentlab denoise`, and the scores of latents, as a person would type them."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

DENOISING = """
name = "tiny-denoising"
[data]
source = "digits"
options = { without = ["7"] }
[model]
family = "autoencoder"
latent = 6
[model.network]
kind = "mlp"
hidden = [32]
[objective]
kind = "denoising"
noise = "salt-and-pepper"
amount = 0.2
[training]
epochs = 3
"""


@pytest.fixture(scope="module")
def denoising_run(tmp_path_factory):
    """A run that was trained to denoise, without one class."""
    from latentlab.runs.train import train_recipe

    folder = tmp_path_factory.mktemp("denoising")
    (folder / "recipe.toml").write_text(DENOISING)
    return train_recipe(folder / "recipe.toml", folder=folder / "tiny")


def test_anomalies(latentlab, tiny_run, here):
    result = latentlab("anomalies", "--model", tiny_run, "--data", "digits", "--show", 4, "--samples", 1)
    assert result.exit_code == 0, result.stderr
    assert "threshold nats" in result.stdout and "digits, validation" in result.stdout
    written = here / "outputs" / "anomalies-tiny"
    assert {path.name for path in written.iterdir()} == {"index.html", "result.json", "scores.csv", "strangest.png"}
    assert len((written / "scores.csv").read_text().splitlines()) == 360


def test_anomalies_of_a_class_that_was_left_out(latentlab, denoising_run, here):
    words = ["anomalies", "--model", denoising_run, "--data", "digits", "--anomalous", "7", "--json"]
    record = json.loads(latentlab(*words).stdout)
    # The model is asked about the class that its training left out: that is still there to be ranked.
    assert record["scores"]["anomalous_images"] == 36 and record["scores"]["images"] == 359
    assert record["scores"]["by"] == "loss" and record["scores"]["clean_images"] == 162
    assert set(record["scores"]["auc"]) == {
        "model", "distance to the mean image", "PCA residual", "distance to the nearest image"
    }  # fmt: skip
    assert not any("was trained on" in note for note in record["notes"])
    given = json.loads(latentlab(*words, "--clean", "patterns", "--false-alarms", ".2").stdout)
    assert given["scores"]["clean"] == "patterns, test" and given["inputs"]["false_alarms"] == 0.2


def test_denoise(latentlab, denoising_run, here):
    result = latentlab("denoise", "--model", denoising_run, "--data", "digits", "--show", 3)
    assert result.exit_code == 0, result.stderr
    assert re.search(r"noise +salt-and-pepper\namount +0.2\n", result.stdout) and "PCA projection, 6" in result.stdout
    assert "not trained to denoise" not in result.stdout
    written = here / "outputs" / "denoise-tiny"
    assert {path.name for path in written.iterdir()} == {"index.html", "result.json", "denoised.png"}


def test_denoise_image_files(latentlab, tiny_run, here):
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        Image.fromarray(rng.integers(0, 256, (20, 20), np.uint8)).save(name)
    record = json.loads(latentlab("denoise", "a.png", "b.png", "--model", tiny_run, "--json").stdout)
    assert record["inputs"]["images"] == ["a.png", "b.png"] and record["scores"] == {"images": 2}
    assert any("was not trained to denoise" in note for note in record["notes"])
    known = latentlab("denoise", "a.png", "b.png", "--corruption", "mask", "--level", ".5", "--model", tiny_run)
    assert "psnr db" in known.stdout and re.search(r"amount +0.5", known.stdout)


def test_score_probe(latentlab, tiny_run, here):
    result = latentlab("score", "probe", "--model", tiny_run, "--data", "digits", "--count", 60)
    assert result.exit_code == 0, result.stderr
    assert "linear probe, latents" in result.stdout and "data: digits, 120 images of the train split" in result.stdout
    assert (here / "outputs" / "score-probe-tiny" / "index.html").is_file()


def test_score_factors(latentlab, tiny_run, here, monkeypatch):
    monkeypatch.setattr("latentlab.lab.factor_score.RESAMPLES", 3)
    monkeypatch.setattr("latentlab.lab.factor_score.PERMUTATIONS", 3)
    result = latentlab("score", "factors", "--model", tiny_run, "--data", "patterns", "--count", 120)
    assert result.exit_code == 0, result.stderr
    assert "kind, place" in result.stdout and re.search(r"FactorVAE +0\.\d+", result.stdout)
    assert (here / "outputs" / "score-factors-tiny" / "index.html").is_file()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["anomalies"], 2, "expected --data SOURCE, the images to rank, got none"),
        (["anomalies", "--data", "digits", "--false-alarms", "1"], 2, "--false-alarms between 0 and 1, got 1"),
        (["anomalies", "--data", "digits", "--false-alarms", ".001"], 1, "at least 999 clean images"),
        (["anomalies", "--data", "digits", "--anomalous", "smile"], 1, "unknown class or attribute 'smile'"),
        (["anomalies", "--data", "digits", "--by", "size"], 2, "'loss', 'elbo'"),
        (["anomalies", "--data", "digits", "--samples", "0"], 2, "--samples"),
        (["anomalies", "--data", "digits", "--clean", "nowhere"], 1, "unknown data source 'nowhere'"),
        (["denoise"], 2, "expected noisy image files, or --data SOURCE to corrupt, got neither"),
        (["denoise", "none.png"], 1, "none.png"),
        (["denoise", "a.png", "--data", "digits"], 2, "got both"),
        (["denoise", "--data", "digits", "--corruption", "rain"], 2, "'mask', 'gaussian'"),
        (["denoise", "--data", "digits", "--corruption", "mask", "--level", "2"], 2, "level of mask: expected a share"),
        (["score", "probe"], 1, "give images with --data"),
        (["score", "probe", "--data", "digits", "--split", "train"], 2, "got --split train, which probes learn from"),
        (["score", "probe", "--data", "digits", "--attr", "smile"], 1, "unknown attribute 'smile'"),
        (["score", "probe", "--data", "digits", "--attr", "a", "--attr", "b"], 2, "expected one --attr to read, got 2"),
        (
            ["score", "probe", "--data", "digits", "--samples", "2"],
            2,
            "expected --samples with model, got it with probe",
        ),
        (["score", "factors", "--data", "digits"], 1, "at least 2 factors that vary, got class of digits"),
        (["score", "factors", "--data", "patterns", "--attr", "size"], 1, "unknown factor 'size'"),
        (
            ["score", "factors", "--images", "3"],
            2,
            "expected --images with model or edits or paths, got it with factors",
        ),
        (["score", "--data", "digits", "--samples", "1000000"], 2, "expected 1 to 100,000 samples"),
        (["score", "model", "--attr", "3"], 2, "expected --attr with edits or probe or factors, got it with model"),
    ],
)
def test_what_cannot_be_is_one_line(latentlab, tiny_run, here, words, code, said):
    result = latentlab(*words, "--model", tiny_run)
    assert result.exit_code == code, result.stderr
    assert re.fullmatch(r"error: [^\n]+\n", result.stderr.split("\r")[-1]), result.stderr
    assert said in result.stderr
    assert not list(here.iterdir())


def test_a_bound_of_a_model_without_one(latentlab, denoising_run):
    result = latentlab("score", "--model", denoising_run, "--data", "digits", "--samples", 8)
    assert result.exit_code == 1 and "has no posterior and no prior" in result.stderr and "'vae'" in result.stderr
