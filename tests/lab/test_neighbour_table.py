"""Neighbours of very many: the table is that of brute force, and what is said of it is what it holds."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import latentlab as ll
from latentlab.errors import UsageError
from latentlab.lab import neighbour_table as module
from latentlab.lab.lab import Lab
from latentlab.lab.neighbour_table import find_all_neighbours, is_many
from latentlab.lab.result import page, record
from latentlab.latents import nearest_many
from latentlab.latents.store import open_latents
from latentlab.latents.table import Latents

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def lab() -> Lab:
    return ll.load("digits", "cpu")


@pytest.fixture
def line(write_table: Write) -> Path:
    """Latents on a line: two kinds, two that are the same, and one far away of which nothing is known."""
    x = np.array([0, 1, 2.5, 4.5, 7, 7, 9.5, 12.5, 16, 40])
    mean = np.stack([x, np.zeros(10)], axis=1).astype(np.float32)
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 0, -1])
    return write_table(
        Latents(mean, None, np.array([f"p{n}" for n in range(10)]), "all", ("low", "high"), labels), part_rows=3
    )


def test_every_row_has_its_neighbours_and_what_they_share_is_counted(line: Path) -> None:
    found = find_all_neighbours(None, latents=open_latents(line), count=2)
    assert found.found.rows.tolist() == [
        [1, 2], [0, 2], [1, 3], [2, 4], [5, 3], [4, 3], [4, 5], [6, 8], [7, 6], [8, 7],
    ]  # fmt: skip
    assert found.found.distances[3].tolist() == [2, 2.5] and found.found.distances[9].tolist() == [24, 27.5]
    scores = found.scores
    assert (scores["asked"], scores["latents"], scores["copies"]) == (10, 10, 2)
    assert scores["nearest_median"] == pytest.approx(1.75) and scores["recall"] == 1 and scores["recall_error"] is None
    # Of the two neighbours of each of the nine whose class is known.
    same = {0: 2, 1: 2, 2: 2, 3: 1, 4: 1, 5: 1, 6: 2, 7: 1, 8: 0}
    assert scores["same_class"] == pytest.approx(sum(same.values()) / 18)
    assert scores["same_class_by_chance"] == pytest.approx((5 * 5 / 9 + 4 * 4 / 9) / 9)
    assert found.by_class == [("low", 5, 7 / 10, 5 / 9), ("high", 4, 5 / 8, 4 / 9)]
    assert scores["class low"] == {"asked": 5, "of their neighbours": 0.7, "of all": 5 / 9}
    assert scores["loneliest"][:2] == ["@9", "@8"] and len(scores["closest"]) == 8
    assert [one.name for one in found.closest[:3]] == ["@4", "@0", "@2"], "of a pair that is each other's, the first"
    assert [one.name for one in found.loneliest[:2]] == ["@9", "@8"]
    assert found.loneliest[0].labels == ["low", "high"] and found.loneliest[0].label == ""
    assert not len(found.strip()) and not found.pictures()
    html = page(found)
    assert "Loneliest" in html and "p8" in html and "<img" not in html
    assert record(found)["inputs"]["asked"] == "@all" and found.title == "Neighbours of all 10 rows"


def test_the_table_is_saved_whole(line: Path, tmp_path: Path) -> None:
    found = find_all_neighbours(None, latents=open_latents(line), count=3, metric="mahalanobis")
    paths = found.save(tmp_path / "out")
    assert {path.name for path in paths} == {"index.html", "result.json", "neighbours.parquet"}
    rows = pq.read_table(tmp_path / "out" / "neighbours.parquet").to_pylist()
    assert [row["id"] for row in rows] == [f"p{n}" for n in range(10)]
    for row, numbers, distances in zip(rows, found.found.rows, found.found.distances, strict=True):
        assert row["rows"] == numbers.tolist() and row["ids"] == [f"p{n}" for n in numbers]
        np.testing.assert_allclose(row["distances"], distances, rtol=1e-6)
    covariance = open_latents(line).covariance()
    placed = covariance.whiten(open_latents(line).take(np.arange(10)).mean)
    assert found.found.distances[0, 0] == pytest.approx(np.linalg.norm(placed[0] - placed[1]), rel=1e-5)


def test_images_of_a_source_find_themselves_and_their_classes(lab: Lab) -> None:
    data = ll.load_data("digits")
    asked = data.take(np.arange(0, 60, 2))
    found = lab.all_neighbours(asked, data=data, count=4)
    assert found.found.rows[:, 0].tolist() == list(range(0, 60, 2)) and found.scores["copies"] == 30
    known = lab.encode_data(data)
    for place, row in enumerate(found.found.rows):
        far = np.linalg.norm(known.mean.astype(np.float64) - known.mean[2 * place], axis=1)
        assert row.tolist() == np.argsort(far, kind="stable")[:4].tolist()
    np.testing.assert_array_equal(found.closest[0].image, asked.images[int(np.argmin(found.found.distances[:, 0]))])
    assert found.strip().shape == (5, 1, 8, 8) and set(found.pictures()) == {"closest.png", "loneliest.png"}
    assert "digits" in found.title and "their pictures are real" in found.notes[0]


def test_names_that_are_no_text_are_written_out(lab: Lab, tmp_path: Path) -> None:
    data = ll.load_data("digits").take(np.arange(20))
    odd = replace(data, ids=np.array([f"{number}\udcff.png" for number in range(20)]))
    for found in (lab.all_neighbours(data=odd, count=2), lab.all_neighbours(odd, count=2)):
        rows = pq.read_table(io.BytesIO(found.parquet)).to_pylist()
        assert rows[3]["id"] == "3\\xff.png"
        found.save(tmp_path / found.name)


def test_labels_are_matched_by_their_names(lab: Lab) -> None:
    asked = ll.load_data("digits").take(np.arange(40))
    turned = ll.data.Dataset(
        asked.source, asked.split, asked.pixels, asked.ids, ("nine", *asked.classes[::-1][1:]),
        9 - asked.labels, ink=asked.ink,
    )  # fmt: skip
    found = lab.all_neighbours(turned, count=3)
    plain = lab.all_neighbours(asked, count=3)
    # A class that what is searched does not know counts as unknown.
    assert [row for row in plain.by_class if row[0] != "9"] == found.by_class


def test_an_index_is_told_with_its_recall(write_table: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_many, "MANY", 300)
    monkeypatch.setattr(nearest_many, "PAIRS", 1_000)
    rng = np.random.default_rng(0)
    mean = np.tanh(rng.normal(size=(600, 3)) @ rng.normal(size=(3, 8))).astype(np.float32)
    table = open_latents(write_table(Latents(mean, None, np.arange(600).astype(str), "all"), part_rows=200))
    found = find_all_neighbours(None, latents=table, count=5)
    assert 0.9 < found.scores["recall"] <= 1
    assert any("found by an index" in note and "of the true neighbours" in note for note in found.notes)
    exact = find_all_neighbours(None, latents=table, count=5, exact=True)
    assert exact.scores["recall_error"] is None and "every distance was measured" in exact.notes
    assert "same_class" not in exact.scores and not exact.by_class
    assert pq.read_table(io.BytesIO(exact.parquet)).num_rows == 600


def test_what_cannot_be_found_is_said(lab: Lab, line: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = open_latents(line)
    with pytest.raises(UsageError, match="1 to 9 neighbours"):
        find_all_neighbours(None, latents=table, count=10)
    with pytest.raises(UsageError, match="a model that encodes the images"):
        find_all_neighbours(None, ll.load_data("digits", count=5), latents=table)
    with pytest.raises(UsageError, match="1 to 1,000 neighbours"):
        lab.all_neighbours(count=0)
    monkeypatch.setattr(module, "MOST_VALUES", 19)
    with pytest.raises(UsageError, match=r"at most 9 latents of 2 dimensions .* single rows, such as @12"):
        find_all_neighbours(None, latents=table, count=2)


def test_which_ends_are_many() -> None:
    assert is_many(["@all"]) and is_many(["folder:a/b"]) and is_many(["tar:x-{0..3}.tar"])
    assert not is_many(["@12"]) and not is_many(["mean", "photo.png"]) and not is_many(["folder"])
    with pytest.raises(UsageError, match="expected @all alone"):
        is_many(["@3", "@all"])
