"""Maps of tables on disk: with the model that made them, with none, and of more rows than are fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

import latentlab as ll
from latentlab.errors import CapabilityError, DataError, FileFormatError, UsageError
from latentlab.lab import table_map
from latentlab.lab.lab import Lab
from latentlab.lab.result import page, record
from latentlab.lab.table import open_table
from latentlab.lab.table_map import map_table
from latentlab.latents.store import open_latents
from latentlab.latents.table import Latents

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def lab(tiny_run: Path) -> Lab:
    return ll.load(tiny_run)


def plain(count: int = 300, size: int = 5, labelled: bool = True) -> Latents:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, count)
    mean = (rng.normal(size=(count, size)) + 5 * labels[:, None]).astype(np.float32)
    known = {"classes": ("left", "right"), "labels": labels} if labelled else {}
    return Latents(mean, None, np.array([f"row {n}" for n in range(count)]), "all", **known)


def test_a_small_table_gives_the_map_of_its_images(lab: Lab, write_table: Write) -> None:
    assert lab.gallery is not None
    stored = open_latents(write_table(lab.gallery, checkpoint=lab.checkpoint, part_rows=100))
    found, known = lab.map(latents=stored, live=False), lab.map(live=False)
    np.testing.assert_array_equal(found.projection.coords, known.projection.coords)
    same = {name: value for name, value in found.scores.items() if name in known.scores}
    assert same == known.scores
    np.testing.assert_allclose(found.images, known.images, atol=1e-6)
    assert found.origin.checkpoint == lab.checkpoint and found.scores["fitted"] == len(stored)
    np.testing.assert_array_equal(np.load(BytesIO(found.pictures()["coords.npy"])), known.projection.coords)
    assert len(found.strip()) == 12
    # The loss of each image is not in a table.
    assert list(found.colours) == ["label"]


def test_latents_without_a_model_have_a_map_without_pictures(write_table: Write) -> None:
    found = map_table(open_latents(write_table(plain())), method="pca")
    html = page(found)
    assert found.live is None and found.inverse is None and not len(found.strip())
    assert "row 17" in html and "its picture" not in html and "what it is stays here" in html
    assert "by a model that nobody named" in found.notes[0]
    assert record(found)["checkpoint"] == "" and found.origin.model == "mine"
    assert set(found.pictures()) == {"coords.npy", "fitted.npy"}
    assert "<img" not in found._repr_html_() and "Map(" in repr(found)
    assert "recovered" not in found.scores


def test_more_rows_than_are_fitted_are_placed_and_it_is_said(
    write_table: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_map, "FIT", 100)
    monkeypatch.setattr(table_map, "MOST_POINTS", 60)
    latents = plain(900)
    stored = open_latents(write_table(latents, part_rows=250))
    full = table_map.project_blocks

    def fewer(*words: object, **options: object):
        return full(*words, **options, fit=100)

    monkeypatch.setattr(table_map, "project_blocks", fewer)
    found = map_table(stored)
    whole = found.whole
    assert whole is not None and whole.coords.shape == (900, 2) and len(whole.fitted) == 100
    assert len(found.table) == len(found.projection.coords) == 60
    np.testing.assert_array_equal(found.projection.coords, whole.coords[whole.shown])
    np.testing.assert_array_equal(found.table.ids, latents.ids[whole.shown])
    np.testing.assert_array_equal(np.load(BytesIO(found.pictures()["fitted.npy"])), whole.fitted)
    said = " ".join(found.notes)
    assert "fitted on 100 of 900 latents" in said and "the other 800 lie" in said and "60 of 900 points" in said
    assert {"fitted_label_hit", "placed_label_hit", "placed_trustworthiness"} <= set(found.scores)
    assert found.scores["placed_label_hit"] > 0.95
    html = page(found)
    assert "placed among them" in html and "All of the map" in html
    monkeypatch.setattr(table_map, "LIMIT", 50)
    assert "sample of the 900" in page(map_table(stored, method="pca"))


def test_only_points_that_get_a_picture_are_decoded(
    lab: Lab, write_table: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab.gallery is not None
    monkeypatch.setattr(table_map, "PICTURES", 7)
    decoded = []
    monkeypatch.setattr(Lab, "decode", lambda self, z: decoded.append(len(z)) or np.zeros((len(z), 1, 8, 8)))
    stored = open_latents(write_table(lab.gallery, checkpoint=lab.checkpoint))
    found = lab.map(latents=stored, method="pca", live=False)
    assert decoded == [7] and len(found.images) == 7
    assert f"7 of {len(stored)} points carry a picture" in page(found)


def test_a_table_opens_the_bundled_model_that_made_it_and_no_other(write_table: Write, tiny_run: Path) -> None:
    digits = ll.load("digits")
    assert digits.gallery is not None
    path = write_table(digits.gallery, checkpoint=digits.checkpoint)
    stored, lab = open_table(path)
    assert lab is not None and lab.name == "digits" and len(stored) == len(digits.gallery)
    with pytest.raises(FileFormatError, match="expected latents of checkpoint"):
        open_table(path, tiny_run)
    with pytest.raises(FileFormatError, match="expected latents of checkpoint"):
        ll.load(tiny_run).map(latents=stored)
    assert open_table(write_table(plain()))[1] is None
    with pytest.raises(DataError, match="8 dimensions for digits, got 5"):
        open_table(write_table(plain()), "digits")
    # Latents of unknown origin and of the right size are taken, and it is said.
    found = map_table(*open_table(write_table(replace(digits.gallery, loss=None)), "digits"), method="pca", live=False)
    assert any("nobody knows that digits made these" in note for note in found.notes) and len(found.images)


def test_what_has_no_map_is_one_line(lab: Lab, write_table: Write) -> None:
    codes = open_latents(write_table(plain(), codes=16))
    with pytest.raises(CapabilityError, match="expected continuous latents for a map, got the codes of mine"):
        map_table(codes)
    stored = open_latents(write_table(plain(1)))
    with pytest.raises(DataError, match="at least 2"):
        map_table(stored, method="pca")
    data = ll.load_data("digits", count=3)
    with pytest.raises(UsageError, match="both"):
        lab.map(data=data, latents=stored)
