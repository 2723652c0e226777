"""Noise taken out of images, as a verb of the Lab."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latentlab.data import load_data
from latentlab.data.dataset import Dataset
from latentlab.errors import CapabilityError, UnknownNameError, UsageError
from latentlab.lab import Lab, load
from latentlab.lab.denoise import corrupted
from latentlab.objectives import Denoising


@pytest.fixture(scope="module")
def lab() -> Lab:
    return load("digits-ae", "cpu")


@pytest.fixture(scope="module")
def data(lab: Lab) -> Dataset:
    return load_data("digits", split="test", image=lab.image, count=120)


def test_errors_are_of_all_images_against_the_clean_ones(lab: Lab, data: Dataset) -> None:
    found = lab.denoise(data=data, corruption="gaussian", level=0.3, count=5)
    noisy = corrupted(data.images, Denoising(noise="gaussian", amount=0.3), 0)
    made = lab.decode(lab.encode(noisy))
    for name, images in (("noisy", noisy), ("model", made)):
        error = ((images - data.images) ** 2).mean(dtype=np.float64)
        assert found.table[name]["mean_square_error"] == pytest.approx(error, rel=1e-4)
        assert found.table[name]["psnr_db"] == pytest.approx(-10 * np.log10(error), abs=1e-3)
    # The model takes noise away, and says that nobody trained it to.
    assert found.table["model"]["mean_square_error"] < found.table["noisy"]["mean_square_error"]
    assert any("was not trained to denoise" in note and '"denoising"' in note for note in found.notes)
    assert any("nearer to the clean image than the noisy one" in note for note in found.notes)
    assert list(found.columns())[:3] == ["clean", "noisy", "model"] and len(found.columns()) == 6
    np.testing.assert_allclose(found.noisy, noisy[:5])
    np.testing.assert_allclose(found.images, made[:5], atol=1e-5)


def test_the_seed_decides_the_noise(lab: Lab, data: Dataset) -> None:
    first, same, other = (lab.denoise(data=data, corruption="mask", seed=seed).noisy for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_a_model_is_tried_on_the_noise_that_it_was_trained_on(
    lab: Lab, data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"kind": "denoising", "noise": "salt-and-pepper", "amount": 0.2, "beta": 1.0}
    monkeypatch.setattr("latentlab.lab.denoise.home_objective", lambda lab: own)
    found = lab.denoise(data=data)
    assert (found.scores["noise"], found.scores["amount"]) == ("salt-and-pepper", 0.2)
    assert not any("not trained" in note or "another kind" in note for note in found.notes)
    other = lab.denoise(data=data, corruption="mask")
    assert other.scores["amount"] == 0.3 and any("another kind" in note for note in other.notes)


def test_ones_own_images_are_noisy_already(lab: Lab, data: Dataset, tmp_path: Path) -> None:
    found = lab.denoise(data.images[:3], names=["a", "b", "c"])
    np.testing.assert_allclose(found.noisy, data.images[:3])
    assert found.clean is None and found.table == {} and found.filtered == {}
    assert any("noise of these images is not known" in note for note in found.notes)
    found.save(tmp_path)
    assert "mean square error" not in (tmp_path / "index.html").read_text()
    # Unless noise is asked for.
    assert lab.denoise(data.images[:3], corruption="mask").clean is not None


def test_without_the_training_images_there_are_no_filters(lab: Lab, data: Dataset) -> None:
    stranger = Lab(replace(lab.run, checkpoint=replace(lab.run.checkpoint, about={})))
    found = stranger.denoise(data=data)
    assert set(found.table) == {"noisy", "model"} and any("filters are left out" in note for note in found.notes)


def test_the_page_and_the_record(lab: Lab, data: Dataset, tmp_path: Path) -> None:
    lab.denoise(data=data, count=2).save(tmp_path)
    record = json.loads((tmp_path / "result.json").read_text())
    assert record["inputs"]["corruption"] == "gaussian" and record["scores"]["model"]["psnr_db"] > 10
    page = (tmp_path / "index.html").read_text()
    assert all(words in page for words in ("PCA projection, 8", "median filter", "Gaussian noise, 0.3"))


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"corruption": "rain"}, UnknownNameError, "unknown corruption 'rain'"),
        ({"corruption": "mask", "level": 1}, UsageError, "level of mask: expected a share of the pixels"),
        ({"level": -1}, UsageError, "level of gaussian: expected a standard deviation above 0"),
        ({"count": 0}, UsageError, "at least 1 image to show"),
    ],
)
def test_noise_that_is_none(lab: Lab, data: Dataset, options, error, said) -> None:
    with pytest.raises(error, match=said):
        lab.denoise(data=data, **options)


def test_something_to_denoise(lab: Lab, data: Dataset) -> None:
    with pytest.raises(CapabilityError, match="give images, or --data"):
        lab.denoise()
    with pytest.raises(UsageError, match="got both"):
        lab.denoise(data.images, data=data)
    with pytest.raises(UsageError, match="--level alone"):
        lab.denoise(data.images, level=0.2)
