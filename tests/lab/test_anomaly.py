"""Images that do not belong, as a verb of the Lab."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latentlab.data import load_data
from latentlab.data.dataset import Dataset
from latentlab.errors import CapabilityError, DataError, UnknownNameError, UsageError
from latentlab.lab import Lab, load
from latentlab.lab.home import home_data, home_objective, home_options, home_source


@pytest.fixture(scope="module")
def lab() -> Lab:
    return load("digits", "cpu")


@pytest.fixture(scope="module")
def mixed(lab: Lab) -> Dataset:
    """Digits, and among them noise that has their pixels in another order."""
    data = load_data("digits", split="test", image=lab.image, count=80)
    pixels = data.pixels.copy()
    strange = np.arange(80) % 8 == 0
    shuffled = np.random.default_rng(0).permutation(64)
    pixels[strange] = pixels[strange].reshape(-1, 64)[:, shuffled].reshape(-1, 1, 8, 8)
    labels = np.where(strange, 1, 0)
    labels[1] = -1
    return Dataset("mixed", "all", pixels, data.ids, classes=("digit", "noise"), labels=labels)


def elsewhere(lab: Lab) -> Lab:
    """The same model, which does not say what it was trained on."""
    return Lab(replace(lab.run, checkpoint=replace(lab.run.checkpoint, about={})))


@pytest.mark.parametrize("by", ["elbo", "loss"])
def test_what_does_not_belong_comes_first(lab: Lab, mixed: Dataset, by) -> None:
    found = lab.anomalies(mixed, by=by, anomalous=["noise"], count=10)
    assert found.detection is not None and found.detection["model"] > 0.99
    assert (np.diff(found.nats) <= 0).all() and found.truth is not None
    assert found.truth[:10].mean() >= 0.9
    # The image of which nobody knows is ranked, and counts for neither kind.
    assert np.isnan(found.truth).sum() == 1
    assert (found.detection.anomalous, found.detection.normal) == (10, 69)
    assert found.scores["anomalous_flagged_share"] == 1 and found.scores["false_alarms_share"] < 0.15
    np.testing.assert_array_equal(found.flagged, found.p_values <= 0.05)
    # The strangest are shown as they are.
    rows = [mixed.ids.tolist().index(name) for name in found.ids[:10]]
    np.testing.assert_allclose(found.real, mixed.images[rows])
    np.testing.assert_allclose(found.guess, lab.decode(lab.encode(found.real)), atol=1e-5)


def test_costs_are_those_of_the_model(lab: Lab, mixed: Dataset) -> None:
    found = lab.anomalies(mixed, by="loss")
    table = lab.encode_data(mixed)
    assert table.loss is not None
    by_id = dict(zip(table.ids, table.loss, strict=True))
    np.testing.assert_allclose(found.nats, [by_id[name] for name in found.ids], rtol=1e-6)
    # −ELBO = −log p(x|z) + KL, and is larger by about the KL.
    elbo = lab.anomalies(mixed, by="elbo", samples=2)
    assert elbo.nats.mean() > found.nats.mean() + 5


def test_the_threshold_is_of_validation_images_that_nobody_trained_on(lab: Lab, mixed: Dataset) -> None:
    found = lab.anomalies(mixed, by="loss")
    clean = home_data(lab, "validation")
    table = lab.encode_data(clean)
    assert table.loss is not None and found.scores["clean"] == "digits, validation"
    np.testing.assert_allclose(np.sort(found.clean), np.sort(table.loss), rtol=1e-6)
    assert (found.clean > found.threshold).mean() <= 0.05 and not found.notes
    # Fewer false alarms, a higher threshold.
    assert lab.anomalies(mixed, by="loss", false_alarms=0.01).threshold > found.threshold


def test_every_image_has_a_line(lab: Lab, mixed: Dataset, tmp_path: Path) -> None:
    found = lab.anomalies(mixed, anomalous=["noise"], samples=1)
    found.save(tmp_path)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "scores.csv").read_text())))
    assert [row["id"] for row in rows] == found.ids.tolist()
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, 81)]
    assert {row["anomalous"] for row in rows} == {"0", "1", ""} and {row["label"] for row in rows} == {
        "digit",
        "noise",
        "",
    }
    assert sum(int(row["flagged"]) for row in rows) == found.scores["flagged"]
    record = json.loads((tmp_path / "result.json").read_text())
    assert record["scores"]["auc"]["model"] == found.detection["model"]
    page = (tmp_path / "index.html").read_text()
    for words in ("The strangest", "What finds them", "PCA residual", "Pictures that show nothing", "threshold"):
        assert words in page
    # Without truth there is nothing to find, and no column for it.
    assert "anomalous" not in lab.anomalies(mixed, by="loss").table().splitlines()[0]


def test_scores_of_pixels_know_what_the_model_knows(lab: Lab) -> None:
    data = load_data("digits", split="test", image=lab.image)
    found = lab.anomalies(data, by="loss", anomalous=["7"])
    assert found.detection is not None and set(found.detection.names) > {"model", "PCA residual"}
    # Sevens are among the training images: neither the model nor the nearest image is surprised.
    assert found.detection["model"] < 0.7 and found.detection["distance to the nearest image"] < 0.7
    assert any("trained on digits with images of 7" in note and "data.options.without" in note for note in found.notes)
    assert any("18 of 180 clean images are of 7 themselves" in note for note in found.notes)


def test_clean_images_of_ones_own(lab: Lab, mixed: Dataset) -> None:
    clean = load_data("patterns", split="test", image=lab.image, count=100)
    found = lab.anomalies(mixed, clean=clean, by="loss", false_alarms=0.5)
    assert found.scores["clean"] == "patterns, test" and len(found.clean) == 100
    again = lab.anomalies(mixed, clean=mixed, by="loss", false_alarms=0.5)
    assert any("80 of the clean images are among those that are ranked" in note for note in again.notes)


def test_without_images_the_gallery_says_what_is_clean(lab: Lab, mixed: Dataset) -> None:
    found = elsewhere(lab).anomalies(mixed, by="loss", anomalous=["noise"])
    assert lab.gallery is not None and lab.gallery.loss is not None
    np.testing.assert_allclose(np.sort(found.clean), np.sort(lab.gallery.loss))
    assert found.scores["clean"] == "the gallery of digits" and found.detection is not None
    assert found.detection.names == ("model",) and any("scores of pixels are left out" in note for note in found.notes)
    with pytest.raises(CapabilityError, match="give them with --clean"):
        elsewhere(lab).anomalies(mixed, by="elbo")


def test_a_model_without_an_elbo_ranks_by_its_loss(mixed: Dataset) -> None:
    plain = load("digits-ae", "cpu")
    assert plain.anomalies(mixed).by == "loss"
    with pytest.raises(CapabilityError, match="has no posterior; use --by loss, or a VAE"):
        plain.anomalies(mixed, by="elbo")


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"anomalous": ["smile"]}, UnknownNameError, "unknown class or attribute 'smile'"),
        ({"by": "size"}, UnknownNameError, "unknown score 'size'"),
        ({"false_alarms": 2}, UsageError, "between 0 and 1, got 2"),
        ({"false_alarms": 0.001}, DataError, "at least 999 clean images"),
        ({"samples": 0}, UsageError, "at least 1 sample"),
    ],
)
def test_what_cannot_be_asked(lab: Lab, mixed: Dataset, options, error, said) -> None:
    with pytest.raises(error, match=said):
        lab.anomalies(mixed, **{"by": "loss", **options})


def test_clean_images_that_are_none(lab: Lab, mixed: Dataset) -> None:
    noise = mixed.take(np.flatnonzero(mixed.labels == 1))
    with pytest.raises(DataError, match="clean images that are not of noise, got none among 10"):
        lab.anomalies(mixed, clean=noise, by="loss", anomalous=["noise"])


def test_one_kind_alone_cannot_be_told_from_another(lab: Lab, mixed: Dataset) -> None:
    with pytest.raises(DataError, match="at least 2 anomalous and 2 normal"):
        lab.anomalies(mixed.take(np.arange(2, 8)), by="loss", anomalous=["noise"])


def test_where_a_model_is_at_home(lab: Lab, mixed: Dataset) -> None:
    assert home_source(lab) == "digits" and home_options(lab) == {}
    assert home_objective(lab)["kind"] == "elbo"
    assert home_source(elsewhere(lab)) is None
    with pytest.raises(CapabilityError, match="says what it was trained on"):
        home_data(elsewhere(lab), "train")
    about = {"data": {"source": "digits", "split": "train", "images": 9, "fingerprint": "x", "without": ["7"]}}
    told = Lab(replace(lab.run, checkpoint=replace(lab.run.checkpoint, about=about)))
    assert home_options(told) == {"without": ["7"]}
    assert 7 not in home_data(told, "validation").labels
