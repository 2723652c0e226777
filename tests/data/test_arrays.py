from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from latentlab.codec import ImageSpec
from latentlab.data import Dataset, load_data
from latentlab.errors import LatentlabError

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 10, 12, 3), np.uint8)


def stored(tmp_path: Path, part: str = "all", options: dict | None = None, **arrays: object) -> Dataset:
    np.savez(tmp_path / "x.npz", **arrays)
    return load_data(tmp_path / "x.npz", split=part, **(options or {}))


@pytest.mark.parametrize("key", ["images", "x", "X"])
@pytest.mark.parametrize(
    "images",
    [
        PIXELS,
        PIXELS.transpose(0, 3, 1, 2),
        PIXELS[..., :1],
        PIXELS[..., 0],
        PIXELS[..., 0][:, None],
        PIXELS.astype(np.int64),
    ],
)
@pytest.mark.parametrize("floats", [False, True])
def test_every_layout_is_told_apart(tmp_path: Path, key: str, images: np.ndarray, floats: bool) -> None:
    data = stored(tmp_path, **{key: images / 255 if floats else images})
    expected = PIXELS.transpose(0, 3, 1, 2)[:, : data.pixels.shape[1]]
    assert data.pixels.dtype == (np.float32 if floats else np.uint8)
    assert data.pixels.shape == expected.shape
    np.testing.assert_allclose(data.images, expected / 255, atol=1e-6)


def test_a_layout_that_may_be_either_has_to_be_told(tmp_path: Path) -> None:
    images = PIXELS[:, :3]
    with pytest.raises(LatentlabError, match="layout"):
        stored(tmp_path, images=images)
    assert stored(tmp_path, images=images, options={"layout": "NHWC"}).pixels.shape == (40, 3, 3, 12)
    assert stored(tmp_path, images=images, options={"layout": "NCHW"}).pixels.shape == (40, 3, 12, 3)


def test_an_npy_has_images_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", PIXELS)
    data = load_data(f"npy:{tmp_path / 'x.npy'}", split="all", image=ImageSpec(1, 5, 5))
    assert data.pixels.shape == (40, 1, 5, 5) and data.labels is None and not data.attributes


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.arange(40) % 3, ("0", "1", "2")),
        (np.arange(40) % 3 + 5, ("5", "6", "7")),
        ((np.arange(40) % 3)[:, None], ("0", "1", "2")),
        ((np.arange(40) % 3).astype(float), ("0", "1", "2")),
        (np.array(["cat", "dog", "emu"])[np.arange(40) % 3], ("cat", "dog", "emu")),
    ],
)
@pytest.mark.parametrize("key", ["labels", "y"])
def test_labels(tmp_path: Path, key: str, labels: np.ndarray, classes: tuple[str, ...]) -> None:
    data = stored(tmp_path, images=PIXELS, **{key: labels})
    assert data.classes == classes and data.labels.dtype == np.int64
    np.testing.assert_array_equal(data.labels, np.arange(40) % 3)


def test_labels_may_be_unknown_and_classes_named(tmp_path: Path) -> None:
    labels = np.arange(40) % 3 - 1
    assert stored(tmp_path, images=PIXELS, y=labels).classes == ("0", "1")
    data = stored(tmp_path, images=PIXELS, y=labels, class_names=["cat", "dog", "emu"])
    assert data.classes == ("cat", "dog", "emu")
    np.testing.assert_array_equal(data.labels, labels)


def test_attributes_as_a_table_or_one_by_one(tmp_path: Path) -> None:
    smile, length = np.where(np.arange(40) % 2, 1, -1), np.linspace(0, 9, 40)
    table = stored(
        tmp_path, images=PIXELS, attributes=np.stack([smile, length], 1), attribute_names=["Smiling", "length"]
    )
    single = stored(tmp_path, images=PIXELS, Smiling=smile, length=length, centre=np.zeros(3))
    for data in (table, single):
        assert set(data.attributes) == {"smile", "length"}
        np.testing.assert_array_equal(data.attributes["smile"], np.arange(40) % 2)
        np.testing.assert_allclose(data.attributes["length"], length, rtol=1e-6)


def test_splits_are_those_stored_or_by_the_row(tmp_path: Path) -> None:
    parts = [stored(tmp_path, split, images=PIXELS) for split in ("train", "validation", "test")]
    assert sum(map(len, parts)) == 40 and len({name for part in parts for name in part.ids}) == 40
    given = np.array(["train"] * 30 + ["val"] * 4 + ["test"] * 6)
    data = stored(tmp_path, "test", images=PIXELS, split=given, ids=np.arange(40))
    assert list(data.ids) == [str(row) for row in range(34, 40)]
    np.testing.assert_array_equal(data.pixels, PIXELS[34:].transpose(0, 3, 1, 2))


def test_black_and_white_may_be_bool(tmp_path: Path) -> None:
    data = stored(tmp_path, images=PIXELS > 127)
    np.testing.assert_array_equal(data.pixels, (PIXELS > 127).transpose(0, 3, 1, 2) * 255)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"pictures": PIXELS}, "expected an array images"),
        ({"images": PIXELS.astype(float)}, "divide by 255"),
        ({"images": PIXELS / 127.5 - 1}, "add 1 and halve"),
        ({"images": PIXELS / 255 * 9000}, "scale"),
        ({"images": PIXELS % 2}, "only 0 and 1"),
        ({"images": PIXELS.astype(int) * 9}, "0 to 255"),
        ({"images": np.full(PIXELS.shape, np.nan)}, "NaN"),
        ({"images": PIXELS[:0]}, "none"),
        ({"images": PIXELS.reshape(40, -1)}, "reshape"),
        ({"images": np.zeros((4, 9, 9, 4))}, "channels"),
        ({"images": np.array(["a"] * 4)[:, None, None].repeat(2, 1)}, "numbers"),
        ({"images": PIXELS, "y": np.arange(39)}, "shape (40,)"),
        ({"images": PIXELS, "y": np.linspace(0, 1, 40)}, "whole numbers"),
        ({"images": PIXELS, "y": np.arange(40), "classes": ["a", "b"]}, "from 0 to 1"),
        ({"images": PIXELS, "attributes": np.zeros((40, 2))}, "attribute_names"),
        ({"images": PIXELS, "attributes": np.zeros((40, 2)), "attribute_names": ["a"]}, "(40, 1)"),
        ({"images": PIXELS, "split": ["half"] * 40}, "train, validation or test"),
        ({"images": PIXELS, "ids": np.arange(7)}, "shape (40,)"),
        ({"images": np.array([None, 1], dtype=object)}, "not unpickled"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, arrays: dict, words: str) -> None:
    with pytest.raises(LatentlabError) as caught:
        stored(tmp_path, **arrays)
    assert words in str(caught.value) and "x.npz" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("suffix", ["npz", "npy"])
def test_a_file_that_is_cut_short_is_one_line(tmp_path: Path, share: float, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    (np.savez if suffix == "npz" else np.save)(path, PIXELS) if suffix == "npy" else np.savez(path, images=PIXELS)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(LatentlabError) as caught:
        load_data(path, split="all")
    assert path.name in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_of_another_kind_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_text("filename,hat\n")
    with pytest.raises(LatentlabError, match=r"it is no \.npz or \.npy"):
        load_data(tmp_path / "x.npz")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LatentlabError, match="no such file"):
        load_data(tmp_path / "none.npz")
