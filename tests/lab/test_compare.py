"""Models side by side, as a verb of the Lab."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from latentlab.data import load_data
from latentlab.data.dataset import Dataset
from latentlab.errors import CapabilityError, DataError, UnknownNameError, UsageError
from latentlab.lab import Lab, load
from latentlab.lab.compare.contestant import fit_baseline, line_up
from latentlab.lab.compare.ground import gather_images, train_count, trained_source
from latentlab.lab.compare.models import FADE, REAL, ModelComparison, compare
from latentlab.lab.home import as_in_training

SOME = 150


@pytest.fixture(scope="module")
def vae() -> Lab:
    return load("digits", "cpu")


@pytest.fixture(scope="module")
def autoencoder() -> Lab:
    return load("digits-ae", "cpu")


@pytest.fixture(scope="module")
def train() -> Dataset:
    return load_data("digits", split="train", count=400)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return load_data("digits", split="test", count=SOME)


@pytest.fixture(scope="module")
def found(vae: Lab, autoencoder: Lab, train: Dataset, data: Dataset) -> ModelComparison:
    return vae.compare(autoencoder, data=data, train=train, seeds=2, images=4)


def damaged(lab: Lab) -> Lab:
    """The same model with noise in the weights of its decoder, under another hash."""
    model = deepcopy(lab.codec)
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.decoder.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return Lab(
        replace(lab.run, name="damaged", checkpoint=replace(lab.run.checkpoint, model=model, digest=lambda: "0" * 64))
    )


def test_every_model_has_its_own_numbers(found: ModelComparison, vae: Lab, autoencoder: Lab, data: Dataset) -> None:
    assert found.names == ["digits", "digits-ae", "pca-8"]
    assert list(found.numbers) == ["digits", "digits-ae", "pca-8", REAL, FADE]
    for lab in (vae, autoencoder):
        guess = lab.decode(lab.encode(data.images))
        scores = found.numbers[lab.name]
        assert scores["mean_square_error"] == pytest.approx(((data.images - guess) ** 2).mean(dtype=np.float64))
        np.testing.assert_allclose(found.reconstructions[lab.name], guess[[0, 50, 99, 149]], atol=1e-6)
    np.testing.assert_array_equal(found.real, data.images[[0, 50, 99, 149]])
    assert found.numbers["digits"]["negative_elbo_nats"] == pytest.approx(
        vae.metrics["test"]["negative_elbo_nats"], abs=2
    )
    assert found.numbers["digits"]["kl_nats"] == pytest.approx(vae.metrics["test"]["kl_nats"], abs=1)
    assert "kl_nats" not in found.numbers["digits-ae"]
    assert found.drawn_from == {
        "digits": "prior", "digits-ae": "Gaussian fitted to its latents", "pca-8": "prior",
    }  # fmt: skip
    np.testing.assert_allclose(found.samples["digits"], vae.sample(4, seed=0).images, atol=1e-6)


def test_paths_go_between_the_same_images(found: ModelComparison, vae: Lab, data: Dataset) -> None:
    assert found.ends == ("1", "7")
    fade = found.paths[FADE]
    first, last = (next(row for row in range(SOME) if (data.images[row] == end).all()) for end in fade[[0, -1]])
    assert data.labels is not None and (data.labels[first], data.labels[last]) == (1, 7)
    np.testing.assert_allclose(fade[5], (fade[0] + fade[-1]) / 2, atol=1e-6)
    z = vae.encode(data.images[[first, last]])
    path = np.linspace(0, 1, len(fade), dtype=np.float32)[:, None]
    np.testing.assert_allclose(found.paths["digits"], vae.decode((1 - path) * z[0] + path * z[1]), atol=1e-5)
    assert len(found.pairs) == len(found.midpoints["digits-ae"]) == len(found.midpoints[FADE]) == 12
    assert found.pairs[0] == "0–1" and found.pairs[-1] == "8–9"


def test_the_same_words_give_the_same_numbers(
    found: ModelComparison, vae: Lab, autoencoder: Lab, train: Dataset, data: Dataset
) -> None:
    again = compare([vae, autoencoder], data, train=train, seeds=2, images=4)
    assert again.scores == found.scores and again.verdict == found.verdict
    turned = vae.compare(autoencoder, data=data, train=train, seeds=2, between=("7", "1"))
    assert turned.ends == ("7", "1")
    np.testing.assert_allclose(turned.paths["digits"][::-1], found.paths["digits"], atol=1e-5)


def test_the_page_and_the_record_hold_it_all(found: ModelComparison, tmp_path: Path) -> None:
    paths = found.save(tmp_path / "compare", "latentlab compare digits digits-ae")
    assert {path.name for path in paths} == {
        "index.html", "result.json", "paths.png", "midpoints.png", "reconstructions.png", "samples.png",
    }  # fmt: skip
    record = json.loads((tmp_path / "compare" / "result.json").read_text(encoding="utf-8"))
    assert record["inputs"]["models"] == ["digits", "digits-ae"] and len(record["inputs"]["checkpoints"]) == 3
    assert record["scores"]["differences"][0]["measure"] == "midpoint_cycle_error"
    assert [part.id for part in found.sections()] == [
        "verdict", "between", "reconstructions", "samples", "rate", "features",
    ]  # fmt: skip
    assert not any(part.missing for part in found.sections())
    assert found.verdict[0].startswith("Half-way between images of two classes (45 pairs of classes, drawn 2 times): ")
    assert found.name == "compare-digits-digits-ae" and "digits" in found._repr_html_()
    rate = next(part for part in found.sections() if part.id == "rate")
    assert "digits-ae has no prior" in rate.html and "Gaussian, σ 0.15" in rate.html


def test_pca_is_the_projection_on_principal_axes(vae: Lab, train: Dataset, data: Dataset) -> None:
    flat, unseen = (part.images.reshape(len(part), -1).astype(np.float64) for part in (train, data))
    mean = flat.mean(axis=0)
    axes = np.linalg.svd(flat - mean, full_matrices=False)[2][:8]
    baseline = fit_baseline(train, vae.image, 8)
    error = ((baseline.decode(baseline.encode(data.images)).reshape(SOME, -1) - unseen) ** 2).mean()
    plain = (((unseen - mean) @ axes.T @ axes + mean - unseen) ** 2).mean()
    # Its latents are drawn towards 0 a little, and its pictures are held to [0, 1].
    assert error == pytest.approx(plain, rel=0.05)
    one = line_up([vae, load("digits-ae", "cpu")], train, data)[2]
    assert one.baseline and one.name == "pca-8"
    scores = np.abs((unseen - mean) @ axes.T)
    np.testing.assert_allclose(np.abs(one.features[1]), scores, atol=1e-3)


def test_a_model_whose_decoder_is_damaged_loses(vae: Lab, train: Dataset, data: Dataset) -> None:
    found = vae.compare(damaged(vae), data=data, train=train, seeds=3)
    by_key = {one.measure.key: one for one in found.compared if (one.a[0], one.b[0]) == ("digits", "damaged")}
    for key in ("midpoint_cycle_error", "midpoint_nearest", "mean_square_error", "negative_elbo_nats"):
        assert by_key[key].better == "digits", key
    assert by_key["midpoint_cycle_error"].difference.mean < 0 and by_key["midpoint_cycle_error"].difference.count == 3
    assert by_key["mean_square_error"].difference.count == SOME
    # The encoder is the same, and so are the latents.
    assert by_key["linear_accuracy"].difference.mean == 0 and by_key["linear_accuracy"].better is None
    assert "digits does better than damaged in cycle error" in found.verdict[0]
    assert any("does not differ by what 150 images can tell" in line for line in found.verdict)
    a, b = (found.numbers[name]["midpoint_cycle_error"] for name in ("digits", "damaged"))
    assert by_key["midpoint_cycle_error"].difference.mean == pytest.approx(a - b)
    ends = (found.numbers[name]["end_cycle_error"] for name in ("digits", "damaged"))
    assert by_key["rise_cycle_error"].difference.mean == pytest.approx((a - next(ends)) - (b - next(ends)))


def test_one_seed_has_no_interval(vae: Lab, autoencoder: Lab, train: Dataset, data: Dataset) -> None:
    found = vae.compare(autoencoder, data=data, train=train, seeds=1)
    one = found.compared[0]
    assert math.isnan(one.difference.low) and one.better is None
    assert "one of the seeds says nothing of chance; take more with --seeds" in one.sentence
    assert "by what 1 seed can tell" in found.verdict[0]
    json.dumps(one.record())


def test_without_data_what_the_first_was_trained_on(vae: Lab) -> None:
    train, data = gather_images(vae, None, None, 0)
    assert (train.source, train.split, len(train)) == ("digits", "train", 1258)
    assert (data.split, len(data)) == ("test", 359)
    assert trained_source(vae) == "digits"
    with pytest.raises(CapabilityError, match=r"mnist was trained on mnist.*give --data mnist --root FOLDER"):
        trained_source(load("mnist", "cpu"))
    with_options = {"data": {"source": "patterns", "split": "train", "images": 9, "fingerprint": "", "noise": 0.2}}
    told = Lab(replace(vae.run, checkpoint=replace(vae.run.checkpoint, about=with_options)))
    assert trained_source(told) == "patterns" and as_in_training(told, "patterns") == {"noise": 0.2}
    silent = Lab(replace(vae.run, checkpoint=replace(vae.run.checkpoint, about={})))
    with pytest.raises(CapabilityError, match="does not say what it was trained on; give images with --data"):
        trained_source(silent)


def test_images_that_fit_are_none_that_are_looked_at(vae: Lab, data: Dataset) -> None:
    train, shown = gather_images(vae, None, data, 0)
    assert not set(train.ids) & set(shown.ids) and len(train) + len(shown) == SOME
    assert len(train) == pytest.approx(0.7 * SOME, abs=6)
    assert shown.labels is not None and set(shown.labels) == set(range(10))
    again, _ = gather_images(vae, None, data.take(np.arange(SOME)[::-1]), 0)
    assert set(again.ids) == set(train.ids)
    with pytest.raises(DataError, match="at least 2 images to fit to and 2 to look at"):
        gather_images(vae, None, data.take(np.arange(2)), 0)
    with pytest.raises(DataError, match=r"expected images of shape \(n, 1, 8, 8\)"):
        gather_images(vae, None, load_data("patterns", split="test", count=9), 0)
    assert [train_count(size) for size in (64, 12_288, 10**8)] == [5_000, 1_953, 2]


def test_without_classes_pairs_are_of_any_two_and_it_says_what_is_missing(
    vae: Lab, autoencoder: Lab, train: Dataset, data: Dataset
) -> None:
    bare = [replace(part, labels=None, classes=()) for part in (train, data)]
    found = vae.compare(autoencoder, data=bare[1], train=bare[0], seeds=2)
    assert found.features is None and "midpoint_confidence" not in found.numbers["digits"]
    assert found.numbers["digits"]["midpoint_cycle_error"] > 0 and found.ends[0].startswith("@")
    assert found.caveats[0].startswith("digits comes without classes: nothing can be said of")
    assert "any two images (45 pairs, drawn 2 times)" in found.verdict[0]
    features = next(part for part in found.sections() if part.id == "features")
    assert features.missing == "Digits comes without classes: give images with labels."
    with pytest.raises(DataError, match="expected images with classes to go between 1 and 7, got none"):
        vae.compare(autoencoder, data=bare[1], train=bare[0], between=("1", "7"))


def test_too_few_images_for_a_classifier_leave_the_rest(vae: Lab, autoencoder: Lab, data: Dataset) -> None:
    few = load_data("digits", split="train", count=45)
    found = vae.compare(autoencoder, data=data, train=few, seeds=2)
    assert found.features is not None and "midpoint_confidence" not in found.numbers["digits"]
    assert "nothing can be said of a classifier's confidence" in found.caveats[0]


def test_pca_is_fitted_once_a_size_and_not_where_it_is_there(
    vae: Lab, autoencoder: Lab, train: Dataset, data: Dataset
) -> None:
    own = fit_baseline(train, vae.image, 8)
    assert [one.name for one in line_up([vae, own], train, data)] == ["digits", "pca-8"]
    other = fit_baseline(train, vae.image, 3)
    names = [(one.name, one.baseline) for one in line_up([vae, other], train, data)]
    assert names == [("digits", False), ("pca-3", False), ("pca-8", True)]
    renamed = Lab(replace(autoencoder.run, name="digits"))
    assert [one.name for one in line_up([vae, renamed], train, data)] == ["digits", "digits (2)", "pca-8"]


def test_a_pseudo_likelihood_is_marked_and_not_compared_with_a_density(train: Dataset, data: Dataset) -> None:
    from latentlab.models.vae import VAEConfig
    from latentlab.nn import MLP
    from latentlab.nn.observation import Observation

    vae = load("digits", "cpu")
    model = VAEConfig(vae.image, latent=4, network=MLP(hidden=(8,)), likelihood=Observation("bernoulli")).build().eval()
    pseudo = Lab(
        replace(vae.run, name="pseudo", checkpoint=replace(vae.run.checkpoint, model=model, digest=lambda: "1" * 64))
    )
    found = vae.compare(pseudo, data=data, train=train, seeds=2)
    assert found.numbers["pseudo"]["nats_are"] == "pseudo" and found.numbers["digits"]["nats_are"] == "density"
    bounds = [(one.a[0], one.b[0]) for one in found.compared if one.measure.key == "negative_elbo_nats"]
    assert ("digits", "pseudo") not in bounds and ("digits", "pca-8") in bounds
    assert any("pseudo-likelihood of the nats of pseudo:" in line for line in found.caveats)
    # Black and white pixels are what a Bernoulli is a likelihood of.
    black = replace(data, pixels=np.where(data.pixels > 127, 255, 0).astype(np.uint8))
    assert [one.nats for one in line_up([vae, pseudo], train, black)][:2] == ["density", "probability"]


@pytest.mark.parametrize(
    ("models", "options", "kind", "said"),
    [
        (["digits"], {}, UsageError, "expected two models or more, got 1"),
        (["digits", "digits"], {}, UsageError, "expected different models, got digits twice; leave one out"),
        (["digits", "mnist"], {}, DataError, r"got digits \(8×8 grey\) and mnist \(28×28 grey\)"),
        (["digits", "digits-ae"], {"seeds": 0}, UsageError, "at least 1 seed and 1 image, got 0 and 10"),
        (["digits", "digits-ae"], {"between": ("1", "x")}, UnknownNameError, "unknown class 'x'"),
        (["digits", "digits-ae"], {"between": ("1", "1")}, UsageError, "got 1 twice"),
        (["digits", "nothing"], {}, UnknownNameError, "unknown model 'nothing'"),
    ],
)
def test_what_cannot_be_compared(models: list[str], options: dict, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as caught:
        compare(models, **options)
    assert "\n" not in str(caught.value)
