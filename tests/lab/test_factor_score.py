"""Disentanglement of a model's latents, as a verb of the Lab."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latentlab.data import load_data
from latentlab.data.dataset import Dataset
from latentlab.errors import CapabilityError, DataError, UnknownNameError, UsageError
from latentlab.lab import Lab, factor_score, load

FEW = {"metrics": ("mig", "sap"), "resamples": 4, "permutations": 19}


@pytest.fixture(scope="module")
def lab() -> Lab:
    return load("digits", "cpu")


@pytest.fixture(scope="module")
def data(lab: Lab) -> Dataset:
    """Images whose factors are two of the model's own dimensions, rotations of these, and nothing."""
    plain = load_data("digits", split="train", image=lab.image, count=600)
    z = lab.encode(plain.images).astype(np.float64)
    rng = np.random.default_rng(0)
    factors = {
        "first": z[:, 0], "second": z[:, 4], "sum": z[:, 0] + z[:, 4], "difference": z[:, 0] - z[:, 4],
        "none": rng.standard_normal(600), "nothing": rng.standard_normal(600), "same": np.zeros(600),
    }  # fmt: skip
    return replace(
        plain, labels=None, classes=(), attributes={name: v.astype(np.float32) for name, v in factors.items()}
    )


def test_own_dimensions_score_as_the_ceiling_and_rotated_ones_far_below(
    lab: Lab, data: Dataset, tmp_path: Path
) -> None:
    own = lab.score_factors(data, ["first", "second"], **FEW)
    mixed = lab.score_factors(data, ["sum", "difference"], **FEW)
    for name in ("MIG", "SAP"):
        assert own.scores[name]["value"] > 0.85 * own.scores[name]["ceiling"]
        assert mixed.scores[name]["value"] < 0.3 * own.scores[name]["value"]
        assert own.scores[name]["p"] == 0.05 and own.scores[name]["low"] <= own.scores[name]["value"]
    assert own.disentanglement.information_nats[:, 0].argmax() == 0
    assert own.disentanglement.information_nats[:, 1].argmax() == 4
    own.save(tmp_path)
    assert json.loads((tmp_path / "result.json").read_text())["scores"]["factors"] == "first, second"
    page = (tmp_path / "index.html").read_text()
    assert all(words in page for words in ("MIG", "ceiling", "mutual information of each dimension"))


def test_factors_of_nothing_are_not_told_apart_from_shuffled_ones(lab: Lab, data: Dataset) -> None:
    found = lab.score_factors(data, ["none", "nothing"], **FEW)
    assert any(note.startswith("not told apart from shuffled factors") for note in found.notes)


def test_all_factors_that_vary_are_taken_and_correlated_ones_named(lab: Lab, data: Dataset) -> None:
    found = lab.score_factors(data, **{**FEW, "metrics": ("sap",)})
    assert found.disentanglement.factors == ("first", "second", "sum", "difference", "none", "nothing")
    assert any("are correlated in these images" in note for note in found.notes)


def test_patterns_have_two_factors(lab: Lab) -> None:
    patterns = load_data("patterns", split="test", image=lab.image, count=300)
    found = lab.score_factors(patterns, **{**FEW, "metrics": ("mig",)})
    assert found.disentanglement.factors == ("kind", "place")


def test_images_of_which_something_is_unknown_are_left_out(lab: Lab, data: Dataset) -> None:
    first = data.attributes["first"].copy()
    first[::3] = np.nan
    holes = replace(data, attributes={**data.attributes, "first": first})
    found = lab.score_factors(holes, ["first", "second"], **FEW)
    assert found.scores["images"] == 400 and any("200 of 600 images" in note for note in found.notes)
    # The right rows: what is left is still the model's own dimension.
    assert found.scores["MIG"]["value"] > 0.85 * found.scores["MIG"]["ceiling"]


def test_much_work_is_bounded_and_said(lab: Lab, data: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factor_score, "MOST_CELLS", 10)
    monkeypatch.setattr(factor_score, "FEWER_IMAGES", 200)
    found = lab.score_factors(data, ["first", "second"], metrics=("mig",))
    assert found.scores["images"] == 200
    assert any("on 200 of 600 images, with 20 half-samples and 19 shuffles" in note for note in found.notes)
    assert found.scores["MIG"]["value"] > 0.8 * found.scores["MIG"]["ceiling"]


def test_what_has_no_factors(lab: Lab, data: Dataset) -> None:
    with pytest.raises(CapabilityError, match="--data"):
        lab.score_factors()
    with pytest.raises(
        DataError, match="at least 2 factors that vary, got class of digits; give images with attributes"
    ):
        lab.score_factors(load_data("digits", split="test", image=lab.image))
    with pytest.raises(UnknownNameError, match="unknown factor 'frist'; did you mean first"):
        lab.score_factors(data, ["frist", "second"])
    with pytest.raises(DataError, match="at least 2 factors"):
        lab.score_factors(data, ["first"])
    with pytest.raises(DataError, match="at least 100 images of which first, second are known, got 50 of 50"):
        lab.score_factors(data.take(np.arange(50)), ["first", "second"])
    with pytest.raises(UsageError, match="at least 2 resamples, got 1"):
        lab.score_factors(data, ["first", "second"], resamples=1)
