"""What holds for every source, and for load_data."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from latentlab.codec import ImageSpec
from latentlab.data import INDEXED, SOURCES, load_data, split_source
from latentlab.data.dataset import Dataset
from latentlab.data.selection import pick_rows
from latentlab.errors import DataError, LatentlabError, UnknownNameError, UsageError

MADE = ("digits", "faces", "patterns")


def same(one: Dataset, other: Dataset) -> bool:
    return (
        np.array_equal(one.pixels, other.pixels)
        and np.array_equal(one.ids, other.ids)
        and (one.labels is None or np.array_equal(one.labels, other.labels))
        and all(np.array_equal(one.attributes[name], other.attributes[name]) for name in one.attributes)
    )


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_is_a_module_that_reads(source: str) -> None:
    module = importlib.import_module(SOURCES[source])
    assert callable(module.find if source in INDEXED else module.read)


@pytest.mark.parametrize("split", ["train", "validation", "test", "all"])
@pytest.mark.parametrize("source", MADE)
def test_a_set_is_whole(source: str, split: str) -> None:
    data = load_data(source, split=split, count=70)
    assert len(data) == 70 and data.split == split and data.source == source
    assert data.pixels.dtype == np.uint8 and data.pixels.ndim == 4
    assert data.images.dtype == np.float32 and 0 <= data.images.min() < data.images.max() <= 1
    assert len(set(data.ids)) == 70
    assert data.labels is not None or data.attributes
    if data.labels is not None:
        assert data.labels.dtype == np.int64 and set(data.labels) <= set(range(len(data.classes)))
    for values in data.attributes.values():
        assert values.dtype == np.float32 and values.shape == (70,)


@pytest.mark.parametrize("source", MADE)
def test_the_same_seed_gives_the_same_images_and_another_seed_others(source: str) -> None:
    assert same(load_data(source, count=40, seed=3), load_data(source, count=40, seed=3))
    assert not np.array_equal(load_data(source, count=40, seed=3).pixels, load_data(source, count=40, seed=4).pixels)


@pytest.mark.parametrize("source", MADE)
def test_splits_share_no_image(source: str) -> None:
    parts = [load_data(source, split=split, count=200) for split in ("train", "validation", "test")]
    ids = [image for part in parts for image in part.ids]
    assert len(set(ids)) == len(ids)
    if source != "patterns":
        pixels = [image.tobytes() for part in parts for image in part.pixels]
        assert len(set(pixels)) == len(pixels)


@pytest.mark.parametrize("source", ["faces", "patterns"])
@pytest.mark.parametrize("count", [1, 63, 64, 65, 257])
def test_an_image_that_is_drawn_does_not_depend_on_the_count(source: str, count: int) -> None:
    assert same(load_data(source, count=count), load_data(source, count=300).take(np.arange(count)))


@pytest.mark.parametrize("source", MADE)
def test_images_are_fitted_to_a_model(source: str) -> None:
    spec = ImageSpec(3, 20, 16, "dark")
    data = load_data(source, count=5, image=spec)
    assert data.pixels.shape == (5, 3, 20, 16) and data.pixels.dtype == np.uint8 and data.image == spec


def test_ink_that_is_known_is_not_guessed() -> None:
    light = load_data("digits", count=50)
    dark = load_data("digits", count=50, image=ImageSpec(1, 8, 8, "dark"))
    assert light.ink == "light" and dark.ink == "dark"
    np.testing.assert_array_equal(dark.pixels, 255 - light.pixels)
    assert load_data("digits", count=5, image=ImageSpec(1, 8, 8)).ink == "light"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mnist", ("mnist", "")),
        ("Fashion_MNIST", ("fashion-mnist", "")),
        ("folder:a b", ("folder", "a b")),
        ("npy:x.npy", ("npz", "x.npy")),
        ("deep/x.NPZ", ("npz", "deep/x.NPZ")),
        ("folder:C:/photos", ("folder", "C:/photos")),
    ],
)
def test_sources_are_split_into_name_and_place(text: str, expected: tuple[str, str]) -> None:
    assert split_source(text) == expected


def test_a_folder_is_a_source(tmp_path: Path) -> None:
    assert split_source(str(tmp_path)) == ("folder", str(tmp_path))


@pytest.mark.parametrize(
    ("source", "options", "kind", "words"),
    [
        ("mnits", {}, UnknownNameError, "did you mean mnist"),
        ("no/such/folder", {}, UnknownNameError, "folder:PATH"),
        ("folder", {}, UsageError, "folder:PATH"),
        ("folder:", {}, UsageError, "folder:PATH"),
        ("folder:/no/such", {}, DataError, "not there"),
        ("digits", {"split": "tset"}, UnknownNameError, "did you mean test"),
        ("digits", {"count": 0}, UsageError, "at least 1"),
        ("digits", {"max_bad": 2}, UsageError, "max_bad"),
        ("digits", {"noise": 1}, UnknownNameError, "option of digits 'noise'"),
        ("digits", {"attributes": "a.csv"}, UsageError, "folder:PATH"),
        ("patterns", {"noise": "loud"}, UsageError, "noise"),
        ("mnist", {"root": "/no/such"}, DataError, "--download"),
        ("fashion-mnist", {"root": "/no/such"}, DataError, "--root"),
        ("celeba", {"root": "/no/such"}, DataError, "--root"),
    ],
)
def test_mistakes_are_one_line(source: str, options: dict, kind: type[LatentlabError], words: str) -> None:
    with pytest.raises(kind) as caught:
        load_data(source, **options)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_importing_the_room_imports_nothing_heavy() -> None:
    code = (
        "import sys, latentlab.data, latentlab.data.fit, latentlab.data.faces, latentlab.data.folder; "
        "print([name for name in ('torch', 'torchvision', 'sklearn', 'scipy', 'plotly') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_rows_are_picked_in_order_and_without_repetition() -> None:
    rows = pick_rows(100, 30, 0)
    assert len(set(rows)) == 30 and (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(pick_rows(5, 9, 0), np.arange(5))
    np.testing.assert_array_equal(pick_rows(5, None, 0), np.arange(5))
