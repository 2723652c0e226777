"""Tables for other programs, read by those programs' own readers; and latents of the user's own as tables."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from latentlab.errors import DataError, LatentlabError, UnknownNameError
from latentlab.latents.store import open_latents
from latentlab.latents.store.export import EXPORTS, export_latents
from latentlab.latents.store.given import write_given
from latentlab.latents.store.place import Place
from latentlab.latents.table import Latents


@pytest.fixture(scope="module")
def latents() -> Latents:
    rng = np.random.default_rng(0)
    return Latents(
        rng.normal(size=(50, 3)).astype(np.float32),
        rng.normal(size=(50, 3)).astype(np.float32),
        np.array([f'a,"{i}"\nü' for i in range(50)]),
        "all",
        ("cat", "dog"),
        rng.integers(-1, 2, 50),
        {"y": (np.arange(50) % 2).astype(np.float32), "tilt": np.where(np.arange(50) < 5, np.nan, rng.normal(size=50))},
    )


@pytest.fixture(scope="module")
def folder(latents: Latents, write_table) -> Path:
    return write_table(latents, part_rows=20)


def test_parquet_is_read_by_its_own_reader(folder: Path, latents: Latents, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    files = export_latents(open_latents(folder), tmp_path, "parquet")
    assert [file.name for file in files] == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    found = pq.read_table(tmp_path)
    assert found.column("id").to_pylist() == list(latents.ids)
    np.testing.assert_array_equal(np.array(found.column("mean").to_pylist(), np.float32), latents.mean)
    assert found.column("label").to_pylist() == [None if label < 0 else label for label in latents.labels]
    assert found.column("attribute.y").to_pylist() == [bool(value) for value in latents.attributes["y"]]


def test_npz_comes_back_as_the_same_table(folder: Path, latents: Latents, tmp_path: Path) -> None:
    (file,) = export_latents(open_latents(folder), tmp_path / "out", "npz")
    with np.load(file, allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["mean"], latents.mean)
        assert arrays["ids"].tolist() == list(latents.ids)
        assert arrays["classes"].tolist() == ["cat", "dog"]
    again = write_given(file, Place(str(tmp_path / "again")))
    found = again.take(np.arange(50))
    for name in ("mean", "logvar", "ids", "labels"):
        np.testing.assert_array_equal(getattr(found, name), getattr(latents, name))
    for name in ("y", "tilt"):
        np.testing.assert_array_equal(found.attributes[name], np.asarray(latents.attributes[name], np.float32))
    assert again.plan.classes == ("cat", "dog")
    assert again.verify() == []


def test_csv_brings_every_float_back(folder: Path, latents: Latents, tmp_path: Path) -> None:
    (file,) = export_latents(open_latents(folder), tmp_path, "csv")
    with open(file, newline="", encoding="utf-8") as text:
        rows = list(csv.DictReader(text))
    assert [row["id"] for row in rows] == list(latents.ids)
    assert [row["label"] for row in rows] == ["" if label < 0 else latents.classes[label] for label in latents.labels]
    assert [row["tilt"] == "" for row in rows] == [number < 5 for number in range(50)]
    assert {row["y"] for row in rows} == {"0", "1"}
    numbers = np.array([[row[f"mean_{i}"] for i in range(3)] for row in rows]).astype(np.float32)
    np.testing.assert_array_equal(numbers, latents.mean)
    assert float(rows[7]["logvar_2"]) == pytest.approx(float(latents.logvar[7, 2]))


@pytest.mark.parametrize("kind", EXPORTS)
def test_nothing_is_written_over(folder: Path, tmp_path: Path, kind: str) -> None:
    files = export_latents(open_latents(folder), tmp_path, kind)
    before = files[0].read_bytes()
    with pytest.raises(LatentlabError, match="not to be there yet"):
        export_latents(open_latents(folder), tmp_path, kind)
    assert files[0].read_bytes() == before
    assert sorted(tmp_path.iterdir()) == sorted(files)


def test_a_format_that_is_none(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean parquet"):
        export_latents(open_latents(folder), tmp_path, "parket")


def test_an_npy_with_a_csv_of_a_line_a_row(tmp_path: Path) -> None:
    z = np.random.default_rng(0).normal(size=(30, 2, 2))
    np.save(tmp_path / "z.npy", z)
    lines = "\n".join(f"{i}.png,{'x' if i % 3 else 'w'},{i % 2}" for i in range(30))
    (tmp_path / "l.csv").write_text(f"id,label,big\n{lines}\n")
    stored = write_given(tmp_path / "z.npy", Place(str(tmp_path / "t")), table=tmp_path / "l.csv")
    assert (stored.size, stored.plan.blocks[0].shape, stored.plan.posterior) == (4, (2, 2), False)
    found = stored.take(np.arange(30))
    np.testing.assert_array_equal(found.mean, z.reshape(30, 4).astype(np.float32))
    assert found.logvar is None
    # The rows of a file without names are called as the CSV calls them.
    assert found.ids.tolist() == [f"{i}.png" for i in range(30)]
    assert found.truth("w").tolist() == [float(i % 3 == 0) for i in range(30)]
    assert found.truth("big").tolist() == [float(i % 2) for i in range(30)]
    (tmp_path / "l.csv").write_text("id,label\n1,x\n")
    with pytest.raises(DataError, match="a line for each of the 30 latents"):
        write_given(tmp_path / "z.npy", Place(str(tmp_path / "u")), table=tmp_path / "l.csv")


def test_a_csv_finds_rows_by_their_ids(tmp_path: Path) -> None:
    np.savez(tmp_path / "z.npz", latents=np.eye(3), ids=["a.png", "b.png", "c.png"])
    (tmp_path / "l.csv").write_text("file,smile\nc.png,1\na.png,0\n")
    stored = write_given(tmp_path / "z.npz", Place(str(tmp_path / "t")), table=tmp_path / "l.csv")
    np.testing.assert_array_equal(stored.truth("smile"), [0, np.nan, 1])


def test_a_csv_without_names_is_read_line_by_line_and_one_with_the_rows_names_by_them(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", np.eye(3))
    (tmp_path / "l.csv").write_text("smile,label\n1,a\n0,b\n1,a\n")
    stored = write_given(tmp_path / "z.npy", Place(str(tmp_path / "t")), table=tmp_path / "l.csv")
    assert (stored.truth("smile").tolist(), stored.labels().tolist()) == ([1, 0, 1], [0, 1, 0])
    (tmp_path / "l.csv").write_text("id,smile\nz.npy/2,1\nz.npy/0,0\n")
    stored = write_given(tmp_path / "z.npy", Place(str(tmp_path / "u")), table=tmp_path / "l.csv")
    np.testing.assert_array_equal(stored.truth("smile"), [0, np.nan, 1])
    (tmp_path / "l.csv").write_text("id,smile\na,1\na,0\nb,1\n")
    with pytest.raises(DataError, match="'a' 2 times"):
        write_given(tmp_path / "z.npy", Place(str(tmp_path / "v")), table=tmp_path / "l.csv")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"a": np.zeros(3)}, "expected latents as an array"),
        ({"z": np.zeros(3)}, r"of shape \(n, d\)"),
        ({"z": np.array([["a"]])}, r"as numbers of shape \(n, d\)"),
        ({"z": np.full((3, 2), np.nan)}, "finite latents"),
        ({"z": np.full((3, 2), 1e300)}, "finite latents"),
        ({"z": np.zeros((3, 2)), "ids": ["a", "b", "a"]}, "'a' 2 times"),
        ({"z": np.zeros((3, 2)), "ids": ["a"]}, r"expected ids of shape \(3,\)"),
        ({"z": np.zeros((3, 2)), "logvar": np.zeros((3, 1))}, "log-variances of the shape"),
        ({"z": np.zeros((3, 2)), "labels": [0.5, 1, 2]}, "whole numbers or names"),
        ({"z": np.zeros((3, 2)), "logvar": np.zeros((2, 2))}, "log-variances of the shape"),
        ({"z": np.full((3, 2), 1e38, np.float32)}, "finite latents below 1e"),
        ({"z": np.zeros((3, 2)), "ids": np.array(["a", None, 3], object)}, "Python objects"),
    ],
)
def test_what_is_no_latents_is_one_line_and_writes_nothing(tmp_path: Path, arrays: dict, said: str) -> None:
    np.savez(tmp_path / "z.npz", **arrays)
    with pytest.raises(DataError, match=said):
        write_given(tmp_path / "z.npz", Place(str(tmp_path / "t")))
    assert not (tmp_path / "t").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", np.eye(3))
    with pytest.raises(LatentlabError, match="expected no files"):
        write_given(tmp_path / "z.npy", Place(str(tmp_path)))


def test_latents_of_another_size_than_their_model(tmp_path: Path) -> None:
    from latentlab.lab.given import adopt_latents

    np.save(tmp_path / "z.npy", np.eye(3))
    with pytest.raises(DataError, match="8 dimensions that digits has"):
        adopt_latents(tmp_path / "z.npy", tmp_path / "t", model="digits")
    np.save(tmp_path / "z.npy", np.eye(8))
    stored = adopt_latents(tmp_path / "z.npy", tmp_path / "t", model="digits")
    assert stored.plan.model == "digits" and len(stored.checkpoint) == 64
