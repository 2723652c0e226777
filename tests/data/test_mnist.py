from __future__ import annotations

import hashlib
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from latentlab.codec import ImageSpec
from latentlab.data import load_data
from latentlab.data.mnist import binarised
from latentlab.errors import DataError, UnknownNameError, UsageError


def write_idx(folder: Path, stem: str, count: int) -> None:
    """A small made data set in MNIST's format."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(count)
    pixels, labels = generator.integers(0, 256, (count, 28, 28), np.uint8), np.arange(count, dtype=np.uint8) % 10
    (folder / f"{stem}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, count, 28, 28) + pixels.tobytes())
    (folder / f"{stem}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, count) + labels.tobytes())


@pytest.fixture
def made_root(tmp_path: Path) -> Path:
    for name in ("MNIST", "FashionMNIST"):
        for stem, count in (("train", 60), ("t10k", 20)):
            write_idx(tmp_path / name / "raw", stem, count)
    return tmp_path


def test_the_real_test_digits(mnist_root: Path) -> None:
    data = load_data("mnist", root=mnist_root)
    assert data.pixels.shape == (10_000, 1, 28, 28) and data.ink == "light" and data.classes[7] == "7"
    assert list(data.labels[:5]) == [7, 2, 1, 0, 4]
    assert np.median(data.pixels) == 0
    small = load_data("mnist", root=mnist_root, count=50, image=ImageSpec(1, 8, 8, "light"))
    assert small.pixels.shape == (50, 1, 8, 8) and np.median(small.pixels) < 30


@pytest.mark.parametrize("source", ["mnist", "fashion-mnist"])
def test_splits(made_root: Path, source: str) -> None:
    sizes = {split: len(load_data(source, split=split, root=made_root)) for split in ("train", "test", "all")}
    assert sizes == {"train": 60, "test": 20, "all": 80}
    data = load_data(source, split="all", root=made_root)
    assert data.ids[0] == f"{source}/train/0" and data.ids[-1] == f"{source}/test/19"
    assert len(data.classes) == 10


def test_validation_is_the_end_of_the_training_images(made_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentlab.data.mnist.VALIDATION", 10)
    data = load_data("mnist", split="validation", root=made_root)
    assert list(data.ids) == [f"mnist/train/{row}" for row in range(50, 60)]
    np.testing.assert_array_equal(data.pixels, load_data("mnist", split="train", root=made_root).pixels[50:])


def test_binarised_pixels_are_drawn_once_from_their_seed(made_root: Path) -> None:
    grey = load_data("mnist", split="all", root=made_root)
    data = load_data("mnist", split="all", root=made_root, binarise=3)
    assert data.pixels.dtype == np.uint8 and set(np.unique(data.pixels)) == {0, 255}
    assert set(np.unique(data.images)) == {0, 1}
    # Whatever is asked for, and whichever other images are, an image has the same pixels.
    by_id = dict(zip(data.ids, data.pixels, strict=True))
    for options in ({"split": "train"}, {"split": "test"}, {"split": "train", "count": 7, "seed": 5}):
        some = load_data("mnist", root=made_root, binarise=3, **options)
        for name, pixels in zip(some.ids, some.pixels, strict=True):
            np.testing.assert_array_equal(pixels, by_id[name])
    other = load_data("mnist", split="all", root=made_root, binarise=4)
    assert (other.pixels != data.pixels).any(axis=(1, 2, 3)).all()
    for name in ("labels", "ids"):
        np.testing.assert_array_equal(getattr(data, name), getattr(grey, name))


def test_the_parts_of_a_seed_draw_noise_of_their_own(made_root: Path) -> None:
    """With the same grey images in both parts, the same noise would give the same pixels."""
    raw = made_root / "MNIST" / "raw"
    for kind in ("images-idx3", "labels-idx1"):
        shutil.copy(raw / f"t10k-{kind}-ubyte", raw / f"train-{kind}-ubyte")
    train, test = (load_data("mnist", split=split, root=made_root, binarise=3).pixels for split in ("train", "test"))
    assert len(train) == len(test) == 20 and 0.2 < (train != test).mean() < 0.45


def test_a_pixel_is_white_with_its_grey_value_as_probability() -> None:
    grey = np.array([0, 1, 51, 128, 254, 255], np.uint8)
    drawn = binarised(np.tile(grey, (100_000, 1)), 0) == 255
    assert not drawn[:, 0].any() and drawn[:, 5].all()
    p = grey / 255
    error = np.sqrt(p * (1 - p) / len(drawn))
    assert (np.abs(drawn.mean(axis=0) - p) <= 4.5 * error).all()
    assert 0 < drawn[:, 1].sum() < len(drawn) * 2 / 255
    assert np.abs(np.corrcoef(drawn[:, 2:5].T) - np.eye(3)).max() < 0.02


def test_the_bytes_of_a_seed_never_change() -> None:
    """Likelihoods that were published are of these images."""
    drawn = binarised(np.arange(256, dtype=np.uint8).reshape(16, 16), [0, 1])
    assert hashlib.sha256(drawn.tobytes()).hexdigest()[:16] == "ce9275b339b4d522"


@pytest.mark.parametrize("seed", [-1, 1.0, True, "0"])
def test_what_is_no_seed_to_binarise_with(made_root: Path, seed: object) -> None:
    with pytest.raises(UsageError, match="binarise: expected a seed, a whole number of at least 0"):
        load_data("mnist", root=made_root, binarise=seed)


def test_an_option_that_mnist_does_not_have(made_root: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean binarise"):
        load_data("mnist", root=made_root, binarize=0)


def test_the_cache_is_looked_into_when_no_root_is_given(made_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(made_root / "cache"))
    with pytest.raises(DataError, match="--download"):
        load_data("mnist")
    shutil.copytree(made_root / "MNIST", made_root / "cache" / "latentlab" / "MNIST")
    assert len(load_data("mnist")) == 20


def test_files_that_are_cut_short_are_one_line(made_root: Path) -> None:
    file = made_root / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:5_000])
    with pytest.raises(DataError) as caught:
        load_data("mnist", root=made_root)
    assert "cannot read mnist" in str(caught.value) and "\n" not in str(caught.value)
    write_idx(made_root / "MNIST" / "raw", "t10k", 20)
    labels = made_root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte"
    labels.write_bytes(struct.pack(">II", 2049, 3) + b"\0\1\2")
    with pytest.raises(DataError, match="3 labels"):
        load_data("mnist", root=made_root)
