"""The Lab on a model of codes: what works through their embeddings, and what is refused with a reason."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from latentlab.cli.app import app
from latentlab.data import load_data
from latentlab.data.dataset import Dataset
from latentlab.errors import CapabilityError, DataError, UsageError
from latentlab.lab import Lab, load
from latentlab.lab.embedding import embedded
from latentlab.latents.embedding import embed_latents, nearest_codes
from latentlab.runs.train import train_recipe

CODES, DIMENSION, PLACES = 16, 3, 4
RECIPE = f"""
name = "tiny-vq"
[data]
source = "digits"
[model]
family = "vq"
codes = {CODES}
dimension = {DIMENSION}
decay = 0.9
restart = 0.2
[model.network]
kind = "grid"
channels = [8, 16]
blocks = 0
[model.likelihood]
kind = "gaussian"
[model.prior]
width = 8
layers = 1
heads = 2
[training]
epochs = 3
learning_rate = 5e-3
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vq")
    (folder / "tiny-vq.toml").write_text(RECIPE)
    return train_recipe(folder / "tiny-vq.toml", folder=folder / "tiny-vq")


@pytest.fixture(scope="module")
def lab(run: Path) -> Lab:
    return load(run, "cpu")


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_data("digits", split="test")


def are_codes(latents: np.ndarray) -> bool:
    whole = np.array_equal(latents, np.rint(latents))
    return latents.shape[1] == PLACES and whole and latents.min() >= 0 and latents.max() < CODES


def test_what_is_said_of_a_run(lab: Lab, digits: Dataset):
    test = lab.metrics["test"]
    numbers = lab.encode(digits.images).astype(int)
    shares = np.bincount(numbers.ravel(), minlength=CODES) / numbers.size
    shares = shares[shares > 0]
    assert (test["codebook_size"], test["codes_used"]) == (CODES, len(shares))
    assert test["codebook_perplexity"] == pytest.approx(math.exp(-(shares * np.log(shares)).sum()))
    assert "active_units" not in test and test["posterior_samples"] == 1
    assert test["negative_elbo_nats"] == pytest.approx(test["reconstruction_nats"] + test["kl_nats"])
    assert len(test["kl_dimensions_nats"]) == PLACES
    assert not lab.directions and lab.metrics["edits"] is None
    assert lab.metrics["live"].startswith("live decoder of family 'vq'") and "\n" not in lab.metrics["live"]
    assert lab.gallery is not None and are_codes(lab.gallery.mean) and lab.gallery.logvar is None
    # How far pictures come back is told in embeddings.
    vectors = embed_latents(lab.codec, lab.gallery.mean)
    back = embed_latents(lab.codec, lab.encode(lab.decode(lab.gallery.mean)))
    spread = np.linalg.norm(vectors - vectors.mean(axis=0), axis=1).mean()
    errors = np.linalg.norm(back - vectors, axis=1) / spread
    assert test["cycle_error_quantiles"]["0.9"] == pytest.approx(np.quantile(errors, 0.9), rel=1e-4)


def test_info_shows_the_codebook(run: Path):
    said = CliRunner().invoke(app, ["info", str(run)])
    assert said.exit_code == 0, said.output
    for name in ("codebook size", "codes used", "codebook perplexity", "used alike (perplexity)"):
        assert name in said.output
    assert "latent dimensions are active" not in said.output


def test_reconstructions(lab: Lab, digits: Dataset):
    found = lab.reconstruct(data=digits, count=5)
    assert are_codes(found.latents)
    np.testing.assert_array_equal(found.images, lab.decode(found.latents))
    # 64 bytes of pixels against four codes of four bits.
    assert found.scores["compression"] == pytest.approx(64 / (PLACES * math.log2(CODES) / 8))


def test_samples_of_the_prior(lab: Lab):
    first, again, other = (lab.sample(20, seed=seed) for seed in (0, 0, 1))
    assert are_codes(first.latents)
    np.testing.assert_array_equal(first.latents, again.latents)
    assert (first.latents != other.latents).any()
    np.testing.assert_array_equal(first.images, lab.decode(first.latents))
    assert len(np.unique(lab.sample(20, temperature=0.0).latents, axis=0)) == 1


def test_samples_of_the_aggregate_are_codes_of_images(lab: Lab):
    found = lab.sample(20, source="aggregate", seed=3)
    known = {tuple(row) for row in lab.known().mean}
    assert all(tuple(row) in known for row in found.latents)
    with pytest.raises(UsageError, match=r"expected a temperature of 1 with the codes of images, got 0\.5"):
        lab.sample(2, source="aggregate", temperature=0.5)


def test_a_map_lies_where_embeddings_do(lab: Lab):
    found = lab.map(method="pca")
    assert lab.gallery is not None
    vectors = embed_latents(lab.codec, lab.gallery.mean)
    np.testing.assert_array_equal(found.latents, vectors)
    assert found.projection.coords.shape == (len(vectors), 2)
    np.testing.assert_allclose(found.images, lab.decode(lab.gallery.mean), atol=1e-6)
    assert any("embeddings" in note for note in found.notes)
    # Its page decodes between points.
    assert found.live is not None and found.live["error"] < 0.02


def test_a_map_of_data(lab: Lab, digits: Dataset):
    some = digits.take(np.arange(40))
    found = lab.map(method="pca", data=some, live=False)
    np.testing.assert_array_equal(found.latents, embed_latents(lab.codec, lab.encode(some.images)))


@pytest.mark.parametrize("options", [{}, {"path": "slerp"}, {"path": "geodesic"}, {"speed": "even"}])
def test_a_morph_is_decoded_from_codes(lab: Lab, options: dict):
    found = lab.morph("1", "7", steps=9, **options)
    assert are_codes(found.latents) and found.latents.shape == (9, PLACES)
    np.testing.assert_allclose(found.images, lab.decode(found.latents), atol=1e-6)
    jumps = int((found.latents[1:] != found.latents[:-1]).any(axis=1).sum())
    assert any(f"{jumps} jumps in 8 steps" in note for note in found.notes)
    # The ends are the codes nearest to the mean embeddings of the classes.
    for end, frame in (("1", 0), ("7", -1)):
        table = lab.known()
        mean = embed_latents(lab.codec, table.mean)[table.truth(end) == 1].mean(axis=0)
        codes = nearest_codes(embedded(lab).codec, mean[None])[0]
        np.testing.assert_array_equal(found.latents[frame], codes)


def test_a_morph_between_images_begins_and_ends_at_their_codes(lab: Lab, digits: Dataset):
    found = lab.morph("@3", "@8", steps=5)
    np.testing.assert_array_equal(found.latents[[0, -1]], lab.known().mean[[3, 8]])
    given = lab.morph("@3", "@8", steps=5, data=digits)
    np.testing.assert_array_equal(given.latents[[0, -1]], lab.encode(digits.images[[3, 8]]))
    named = lab.morph("1", "random", steps=4, data=digits)
    assert are_codes(named.latents)


def test_paths_are_compared_and_scored(lab: Lab):
    compared = lab.compare_paths("1", "7", steps=5)
    assert set(compared.images) >= {"line", "geodesic"}
    assert all(are_codes(latents) for latents in compared.latents.values())
    scored = lab.score_paths(pairs=2, steps=5)
    assert scored.scores["line"]["image_length"] > 0


def test_what_moves_along_latents_is_refused_with_what_can_be_done(lab: Lab, digits: Dataset):
    calls = {
        "edits": lambda: lab.edit(None, {"1": 1.0}, data=digits),
        "attribute vectors": lambda: lab.attrs(digits),
        "traversals": lab.traverse,
        "arithmetic": lambda: lab.arithmetic("mean(7) - mean(1) + @3", data=digits),
    }
    for what, call in calls.items():
        with pytest.raises(CapabilityError, match=f"expected a continuous latent for {what}, got codes in") as caught:
            call()
        assert "sample, map and morph work on codes" in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_code_is_not_decoded(lab: Lab):
    for wrong in (0.5, -1.0, float(CODES)):
        latents = np.zeros((2, PLACES), np.float32)
        latents[1, 2] = wrong
        with pytest.raises(DataError, match="expected code numbers, whole from 0 to 15, in the block 'codes'"):
            lab.decode(latents)


def test_the_report_has_what_there_is(lab: Lab, tmp_path: Path):
    report = lab.report()
    said = {part.title: part for part in report.sections()}
    assert said["Bench"].missing and "codes" in said["Bench"].missing and "\n" not in said["Bench"].missing
    for title in ("Summary", "Map", "Morphs", "Reconstructions", "Samples", "Likelihood", "Training"):
        assert not said[title].missing, title
    assert report.live is not None
    report.save(tmp_path / "report")
    assert (tmp_path / "report" / "index.html").stat().st_size > 10_000


def test_a_continuous_model_is_left_as_it_is():
    lab = load("digits", "cpu")
    assert embedded(lab) is lab
    latents = lab.known().mean[:3]
    assert embed_latents(lab.codec, latents) is latents
