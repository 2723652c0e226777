"""The map of a model: what its points are coloured by, and what its page carries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import latentlab as ll
from latentlab.lab.lab import Lab
from latentlab.lab.live import PageDecoder
from latentlab.lab.map import colours_of, split_names
from latentlab.latents.table import Latents


@pytest.fixture(scope="module")
def lab(tiny_run: Path) -> Lab:
    return ll.load(tiny_run)


def table(**parts: object) -> Latents:
    values = {"mean": np.zeros((4, 2), np.float32), "logvar": None, "ids": np.arange(4).astype(str)} | parts
    return Latents(**values)  # type: ignore[arg-type]


def test_colours_are_labels_attributes_splits_scores_and_the_loss() -> None:
    known = table(
        ids=np.array(["x/train/0", "x/train/1", "x/test/0", "x/test/1"]),
        split="all",
        classes=("a", "b"),
        labels=np.array([0, 1, -1, 0]),
        attributes={"tilt": np.array([0.1, 0.2, 0.3, np.nan]), "hat": np.array([1, 0, np.nan, 1])},
        loss=np.arange(4.0),
    )
    colours = colours_of(known, None, ["hat"])
    assert list(colours) == ["label", "hat", "split", "tilt", "loss_nats"]
    assert colours["label"].tolist() == ["a", "b", "unknown", "a"]
    assert colours["split"].tolist() == ["train", "train", "test", "test"]
    np.testing.assert_array_equal(colours["hat"], np.array([1, 0, np.nan, 1], np.float32))
    assert next(iter(colours_of(known, "tilt", []))) == "tilt"
    first = colours_of(known, "b", [])
    assert next(iter(first)) == "b" and first["b"].tolist()[:2] == ["not b", "b"]


def test_an_attribute_keeps_its_name_from_the_loss_and_nothing_known_is_one_colour() -> None:
    taken = colours_of(table(attributes={"loss_nats": np.array([0.0, 1, 1, 0])}, loss=np.arange(4.0)), None, [])
    assert taken["loss_nats"].max() == 1
    assert colours_of(table(), None, [])["all"].tolist() == ["image"] * 4


def test_splits_of_a_table_of_all_are_read_from_the_ids() -> None:
    assert split_names(table()).tolist() == ["test"] * 4
    ids = np.array(["mnist/train/3", "train/x/4", "a/b", "faces/validation/0"])
    # The first part names the source: a source called train is no split.
    assert split_names(table(ids=ids, split="all")).tolist() == ["train", "all", "all", "validation"]


def test_the_map_of_a_model_scores_itself_and_knows_the_way_back(lab: Lab) -> None:
    result = lab.map(method="pca", live=False)
    assert result.inverse is not None and result.inverse.kind == "plane" and result.live is None
    assert sum(result.projection.explained or ()) == pytest.approx(result.scores["recovered"], abs=1e-4)
    assert {"trustworthiness", "knn_recall", "label_hit", "distance_spearman", "images"} <= set(result.scores)
    assert not any("decoder" in note for note in result.notes)


def test_a_decoder_that_was_made_already_is_taken_and_a_lack_is_said(lab: Lab) -> None:
    given = lab.map(method="pca", live=PageDecoder({"program": {}}))
    assert given.live == {"program": {}}
    without = lab.map(method="pca", live=PageDecoder(None, "expected a small decoder"))
    assert without.live is None and any("expected a small decoder" in note for note in without.notes)
