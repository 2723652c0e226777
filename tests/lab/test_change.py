"""What an edit can be asked for: units, levels, attributes that stay; and where it says that it leads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from latentlab.errors import CapabilityError, DataError, UnknownNameError, UsageError
from latentlab.lab import Lab, load


@pytest.fixture(scope="module")
def faces() -> Lab:
    return load("faces", "cpu")


def gain(lab: Lab, read: str, edit) -> np.ndarray:
    """How far the readout of an attribute rises in each image, from its latent to its last edit."""
    start = lab.gallery.mean[[int(name.removeprefix("@")) for name in edit.names]]
    return (edit.latents[:, -1] - start).astype(np.float64) @ lab.directions[read].readout


def test_units_are_lengths_of_the_same_direction(faces: Lab) -> None:
    direction = faces.directions["smile"]
    gap = faces.edit(None, {"smile": 1.0}, count=2)
    sd = faces.edit(None, {"smile": 1.0}, count=2, unit="sd")
    logit = faces.edit(None, {"smile": 2.0}, count=2, unit="logit")
    moved = (sd.latents - gap.latents)[:, 0] + direction.vector
    share = faces.covariance.deviation(direction.vector) / direction.gap
    np.testing.assert_allclose(moved, np.tile(share * direction.vector, (2, 1)), atol=1e-4)
    np.testing.assert_allclose(gain(faces, "smile", logit), 2.0, atol=1e-3)
    assert logit.origin.inputs["unit"] == "logit"


def test_a_level_is_reached_on_every_image(faces: Lab) -> None:
    edit = faces.edit(None, None, levels={"smile": 0.9, "hat": 0.2}, count=5)
    for name, level in (("smile", 0.9), ("hat", 0.2)):
        readout = faces.directions[name]
        logits = edit.latents[:, 0].astype(np.float64) @ readout.readout + readout.intercept
        np.testing.assert_allclose(1 / (1 + np.exp(-logits)), level, atol=1e-4)
    assert edit.steps == ["smile = 0.9 · hat = 0.2"]
    half = faces.edit(None, {"smile": [0.0, 0.5, 1.0]}, levels={"smile": 0.9}, count=3)
    np.testing.assert_allclose(half.latents[:, 1], (half.latents[:, 0] + half.latents[:, 2]) / 2, atol=1e-5)
    assert half.steps == ["smile 0% of the way to 0.9", "smile 50% of the way to 0.9", "smile = 0.9"]


def test_a_level_is_reached_from_where_other_changes_lead(faces: Lab) -> None:
    edit = faces.edit(None, {"hat": [0.5, 1.5]}, levels={"smile": 0.9}, count=4)
    smile = faces.directions["smile"]
    logits = edit.latents.astype(np.float64) @ smile.readout + smile.intercept
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), 0.9, atol=1e-4)
    with pytest.raises(UsageError, match="expected 1 or 3 alphas for 'smile', got 2"):
        faces.edit(None, {"hat": [0.5, 1.0, 1.5], "smile": [0.0, 1.0]}, levels={"smile": 0.9}, count=2)


def test_a_model_that_knows_no_latents_says_so(faces: Lab) -> None:
    plain = load("digits-ae", "cpu")
    bare = Lab(replace(plain.run, gallery=None, covariance=None))
    images = np.zeros((1, 1, 8, 8), np.float32)
    assert bare.edit(images, {"7": 1.0}).reach == []
    with pytest.raises(CapabilityError, match="use --unit gap, or give --data"):
        bare.edit(images, {"7": 1.0}, unit="sd")
    with pytest.raises(CapabilityError, match="may change while others stay"):
        bare.edit(images, {"7": 1.0}, keep=["1"])
    lent = bare.with_covariance(plain.covariance)
    expected = plain.edit(images, {"7": 1.0}, unit="sd").latents
    np.testing.assert_array_equal(lent.edit(images, {"7": 1.0}, unit="sd").latents, expected)


def test_a_level_takes_images_that_it_changes(faces: Lab) -> None:
    truth = faces.gallery.truth("smile")
    for level, expected in ((0.9, 0.0), (0.1, 1.0)):
        edit = faces.edit(None, None, levels={"smile": level}, count=4)
        assert {truth[int(name.removeprefix("@"))] for name in edit.names} == {expected}


def test_what_is_kept_stays_and_the_attribute_gains_as_much(faces: Lab) -> None:
    plain = faces.edit(None, {"beard": 1.5}, count=6)
    kept = faces.edit(None, {"beard": 1.5}, keep=["glasses", "hat"], count=6)
    assert plain.names == kept.names
    np.testing.assert_allclose(gain(faces, "beard", kept), gain(faces, "beard", plain), rtol=1e-3)
    for name in ("glasses", "hat"):
        assert np.abs(gain(faces, name, plain)).max() > 1e-2
        np.testing.assert_allclose(gain(faces, name, kept), 0, atol=5e-3)
    assert {"read as glasses, latent", "read as hat, latent"} <= set(kept.scores)


def test_every_step_says_where_it_leads(faces: Lab) -> None:
    edit = faces.edit(None, {"smile": [0.0, 1.0, 30.0]}, count=4)
    assert [line["among the data"] for line in edit.reach] == [True, True, False]
    assert any("beyond the data: α +30;" in note for note in edit.notes)
    low, high = (float(text.strip("≤≥ ").replace("−", "-")) for text in edit.scores["safe α"].split(" to "))
    assert low < 0 < 1 < high < 30


def test_a_safe_range_is_in_the_unit_of_alpha(faces: Lab) -> None:
    gaps, logits = (
        faces.edit(None, {"smile": 1.0}, count=4, unit=unit).scores["safe α"].split(" to ")[1].strip("≥ ")
        for unit in ("gap", "logit")
    )
    per_gap = faces.directions["smile"].vector @ faces.directions["smile"].readout
    assert float(logits) == pytest.approx(float(gaps) * per_gap, rel=0.05)


@pytest.mark.parametrize(
    ("asked", "kind", "message"),
    [
        ({"levels": {"smile": 1.0}}, UsageError, "levels between 0 and 1"),
        ({"attributes": {"smile": 1.0}, "keep": ["smile"]}, UsageError, "'smile' either to change or to stay"),
        ({"attributes": {"smile": 1.0}, "keep": "hat"}, UsageError, "names to keep as a list"),
        ({"attributes": {"smile": 1.0}, "keep": ["bear"]}, UnknownNameError, "beard"),
        ({"attributes": {"smile": 1.0}, "unit": "yards"}, UnknownNameError, "gap"),
        ({"levels": {"smlie": 0.9}}, UnknownNameError, "smile"),
        ({}, UsageError, "at least one attribute"),
    ],
)
def test_what_cannot_be_had_is_one_line(faces: Lab, asked: dict, kind: type, message: str) -> None:
    asked = {"attributes": None, **asked}
    with pytest.raises(kind, match=message) as caught:
        faces.edit(None, count=2, **asked)
    assert "\n" not in str(caught.value)


def test_attributes_that_go_together_cannot_be_kept_apart(faces: Lab) -> None:
    direction = faces.directions["smile"]
    twin = {"grin": type(direction)(**{**vars(direction), "name": "grin"})}
    with pytest.raises(DataError, match="they go together in these latents"):
        faces.edit(None, {"smile": 1.0}, keep=["grin"], directions=twin, count=2)
