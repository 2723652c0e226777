"""Directions of tables, found without reading their rows, agree with those that are found from images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import latentlab as ll
from latentlab.errors import CapabilityError, DataError, FileFormatError, UnknownNameError, UsageError
from latentlab.lab import table_attribute
from latentlab.lab.table_attribute import draw_rows, table_attributes
from latentlab.latents.summary import is_finding
from latentlab.latents.table import Latents


@pytest.fixture(scope="module")
def lab():
    return ll.load("digits", "cpu")


@pytest.fixture(scope="module")
def known(lab) -> Latents:
    return lab.encode_data(ll.load_data("digits", split="all"))


@pytest.fixture(scope="module")
def stored(known: Latents, lab, write_table):
    return ll.open_latents(write_table(known, checkpoint=lab.checkpoint, model="digits", part_rows=500))


def test_directions_are_those_of_the_rows_that_find_them(stored, known, lab) -> None:
    found = lab.attrs(latents=stored, names=["3", "7"])
    rows = is_finding(known.ids)
    for direction in found.directions:
        truth = known.truth(direction.name)
        z = known.mean[rows], truth[rows] == 1
        np.testing.assert_allclose(direction.vector, z[0][z[1]].mean(0) - z[0][~z[1]].mean(0), atol=1e-4)
        assert (direction.positives, direction.negatives) == (z[1].sum(), (~z[1]).sum())
        np.testing.assert_allclose(direction.mean_with, z[0][z[1]].mean(0), atol=1e-4)
        assert direction.auc > 0.9 and direction.accuracy > 0.8
        assert 0 < direction.angle_degrees < 20
        # Half of the quarter that found nothing.
        assert abs(direction.probe_images - (~rows).sum() / 2) <= 2
    assert found.images.shape == (2, 1, 8, 8)
    assert found.quality is not None
    assert found.origin.checkpoint == lab.checkpoint


def test_a_table_beside_images(stored, lab) -> None:
    theirs = lab.attrs(ll.load_data("digits", split="all"), ["3"], quality=False).directions[0]
    ours = table_attributes(stored, None, ["3"]).directions[0]
    cosine = ours.vector @ theirs.vector / ours.gap / theirs.gap
    assert cosine > 0.98
    assert abs(ours.angle_degrees - theirs.angle_degrees) < 8


def test_more_rows_are_known_better(write_table) -> None:
    rng = np.random.default_rng(0)

    def angle(count: int) -> float:
        y = np.arange(count) % 2
        z = rng.normal(size=(count, 8)) + y[:, None] * np.eye(8)[0]
        latents = Latents(z.astype(np.float32), None, np.arange(count).astype(str), attributes={"a": y.astype(float)})
        stored = ll.open_latents(write_table(latents, part_rows=10_000))
        return table_attributes(stored).directions[0].angle_degrees

    assert angle(16_000) == pytest.approx(angle(1_000) / 4, rel=0.4)


def test_the_angle_of_a_sample_is_that_of_as_many_rows(write_table, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    y = np.arange(8_000) % 2
    z = rng.normal(size=(8_000, 32)) + 0.6 * y[:, None] * np.eye(32)[0]
    latents = Latents(z.astype(np.float32), None, np.arange(8_000).astype(str), attributes={"a": y.astype(float)})
    stored = ll.open_latents(write_table(latents, part_rows=4_000))
    whole = table_attributes(stored).directions[0].angle_degrees
    monkeypatch.setattr(table_attribute, "SAMPLED", 800)
    few = table_attributes(stored).directions[0].angle_degrees
    # Of a tenth of the rows, and scaled to all of them: not the three times wider one of the tenth.
    assert 0.6 * whole < few < 2.2 * whole


def test_edits_are_judged_by_rows_that_have_made_no_judge(lab, write_table) -> None:
    rng = np.random.default_rng(0)
    count = 900
    names = {f"noise {number}": (rng.random(count) < 0.5).astype(np.float32) for number in range(6)}
    mean = rng.normal(size=(count, lab.latent.size)).astype(np.float32)
    stored = ll.open_latents(
        write_table(Latents(mean, None, np.arange(count).astype(str), attributes=names), checkpoint=lab.checkpoint)
    )
    found = lab.attrs(latents=stored)
    # Nothing can be read from noise: a judge that has seen its rows reads .6 of them.
    assert abs(np.mean([one.accuracy for one in found.quality.attributes]) - 0.5) < 0.05


def test_large_tables_are_judged_on_a_sample(stored, known, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = table_attributes(stored, None, ["3"]).directions[0]
    monkeypatch.setattr(table_attribute, "SAMPLED", 600)
    sample = draw_rows(stored, seed=0)
    assert len(sample) == 600
    assert [list(known.ids).index(name) for name in sample.ids] == sorted(list(known.ids).index(n) for n in sample.ids)
    found = table_attributes(stored, None, ["3"])
    # The vector is of all rows all the same.
    np.testing.assert_array_equal(found.directions[0].vector, whole.vector)
    assert found.directions[0].probe_images < whole.probe_images
    assert any("come from 600 of 1,797 rows, drawn at random" in note for note in found.notes)


@pytest.mark.parametrize("method", ["mean", "regression", "balanced", "lda", "zero-leak", "logistic"])
def test_every_method_finds_what_was_planted(method: str, write_table) -> None:
    rng = np.random.default_rng(1)
    common = rng.normal(size=(4000, 1))
    a = (rng.normal(size=(4000, 2)) + common > 0).astype(np.float32)
    z = (a @ np.eye(2, 6) * 3 + rng.normal(size=(4000, 6))).astype(np.float32)
    latents = Latents(z, None, np.arange(4000).astype(str), attributes={"a": a[:, 0], "b": a[:, 1]})
    found = table_attributes(ll.open_latents(write_table(latents)), None, ["a"], method=method).directions[0]
    leak = abs(found.vector[1]) / found.vector[0]
    assert found.vector[0] > 1.5
    if method in ("regression", "balanced", "zero-leak"):
        assert leak < 0.06 and abs(found.vector[0] - 3) < 0.15
    assert np.abs(found.vector[2:]).max() < 0.2


def test_what_cannot_be_found_says_why(stored, lab, write_table) -> None:
    with pytest.raises(UnknownNameError, match="unknown attribute or class 'smile'"):
        table_attributes(stored, None, ["smile"])
    with pytest.raises(UsageError, match="for that give images with --data"):
        table_attributes(stored, None, method="pca")
    bare = Latents(np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32), None, np.arange(50).astype(str))
    with pytest.raises(DataError, match="labels or attributes, got none"):
        table_attributes(ll.open_latents(write_table(bare)))
    codes = ll.open_latents(write_table(bare, codes=16))
    with pytest.raises(CapabilityError, match="continuous latents for attribute vectors"):
        table_attributes(codes)
    other = ll.load("digits-ae", "cpu")
    with pytest.raises(FileFormatError, match="expected latents of checkpoint"):
        other.attrs(latents=stored)


def test_directions_of_a_table_are_a_file_like_any_other(stored, lab, tmp_path: Path) -> None:
    from latentlab.directions.exchange import read_vectors

    table_attributes(stored, lab, ["3"]).save(tmp_path)
    found = read_vectors(tmp_path / "directions.safetensors", lab.checkpoint, 8)
    assert [direction.name for direction in found.directions] == ["3"]
    assert found.covariance is not None and found.covariance.count == 1797
