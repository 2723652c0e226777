"""Attribute vectors with what is known of them: quality, doubts, other estimators, directions without names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latentlab.data import load_data
from latentlab.directions import ESTIMATORS
from latentlab.directions.file import read_directions
from latentlab.errors import CapabilityError, DataError, LatentlabError
from latentlab.lab import Lab, load
from latentlab.lab.attribute import doubts, hold_out


@pytest.fixture(scope="module")
def lab() -> Lab:
    return load("digits", "cpu")


@pytest.fixture(scope="module")
def faces() -> Lab:
    return load("faces", "cpu")


def test_the_runs_own_directions_come_with_what_was_measured(lab: Lab) -> None:
    found = lab.attrs(names=["1", "7"])
    assert [one.name for one in found.quality.attributes] == ["1", "7"]
    assert found.scores["edits"]["names"] == ["1", "7"]
    assert found.covariance is not None
    assert [section.id for section in found.sections()] == ["attributes", "quality"]


def test_the_held_out_quarter_has_some_of_every_property(faces: Lab) -> None:
    known, judges = hold_out(faces.gallery, seed=3)
    assert len(known) + len(judges) == len(faces.gallery) and not set(known.ids) & set(judges.ids)
    for name in faces.gallery.property_names():
        shares = [np.mean(part.truth(name) == 1) for part in (known, judges)]
        assert shares[0] == pytest.approx(shares[1], abs=0.12)
    assert hold_out(faces.gallery, seed=3)[1].ids.tolist() == judges.ids.tolist()


def test_another_method_is_found_in_the_gallery(faces: Lab) -> None:
    found = faces.attrs(names=["smile", "hat"], method="regression", quality=False)
    assert {direction.estimator for direction in found.directions} == {"regression"}
    assert "gallery of faces" in found.data["source"] and len(found.data["fingerprint"]) == 64
    for direction in found.directions:
        own = faces.directions[direction.name].vector
        cosine = direction.vector @ own / np.linalg.norm(direction.vector) / np.linalg.norm(own)
        assert cosine > 0.9


def test_directions_that_nobody_named_say_what_they_go_with(faces: Lab) -> None:
    found = faces.attrs(method="pca")
    assert found.directions[0].name == "pca1"
    assert any(note.startswith("pca1 goes most ") for note in found.notes)
    with pytest.raises(CapabilityError):
        Lab(replace(faces.run, directions={}, gallery=None)).attrs()


def test_saved_directions_carry_their_provenance(lab: Lab, tmp_path: Path) -> None:
    data = load_data("digits", split="test", count=300)
    found = lab.attrs(data, ["1", "7"])
    paths = found.save(tmp_path / "found")
    assert tmp_path / "found" / "directions.safetensors" in paths
    stored = read_directions(tmp_path / "found" / "directions.safetensors", lab.checkpoint)
    assert stored.data["fingerprint"] == found.data["fingerprint"] and stored.covariance is not None
    assert json.loads((tmp_path / "found" / "result.json").read_text())["scores"]["edits"]["success"] == 0.9


def test_a_run_that_cannot_be_saved_whole_leaves_nothing(lab: Lab, tmp_path: Path) -> None:
    found = lab.attrs(names=["1"], quality=False)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "directions.safetensors").mkdir()
    with pytest.raises(LatentlabError):
        found.save(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["directions.safetensors"]


def test_noise_is_called_noise(lab: Lab) -> None:
    data = load_data("digits", split="test", count=300)
    coin = np.random.default_rng(5).integers(0, 2, len(data)).astype(np.float32)
    noisy = type(data)(**{**vars(data), "attributes": {"coin": coin}})
    found = lab.attrs(noisy, ["coin"])
    assert found.directions[0].p_value > 0.05
    assert any("coin: no better than shuffled labels" in note for note in found.notes)


def test_too_few_images_are_said_with_a_number(lab: Lab) -> None:
    data = load_data("digits", split="test", count=120)
    few = lab.attrs(data, ["1"], quality=False).directions[0]
    few = replace(few, readout=few.vector)
    wide = type(few)(**{**vars(few), "angle_degrees": 45.0, "p_value": 0.001, "positives": 12, "negatives": 100})
    (said,) = doubts(wide)
    # tan²(45°) / tan²(30°) = 3 times as many.
    assert "by up to 45°" in said and "12 with and 100 without" in said and "about 36 of the rarer kind" in said
    assert not doubts(type(few)(**{**vars(few), "angle_degrees": 5.0, "p_value": 0.001}))


def test_an_attribute_that_another_gives_away_is_said(faces: Lab) -> None:
    data = load_data("faces", split="test", count=200)
    twin = type(data)(
        **{**vars(data), "attributes": {"smile": data.attributes["smile"], "grin": data.attributes["smile"]}}
    )
    with pytest.raises(DataError, match=r"goes with .grin. in every image"):
        faces.attrs(twin, ["smile"], method="regression", quality=False)
    assert len(ESTIMATORS) == 6
