from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentlab.codec import ImageSpec
from latentlab.data import load_data
from latentlab.data.attribute import PLAIN_NAMES, plain_name
from latentlab.errors import DataError

COUNT = 20


@pytest.fixture
def celeba_root(tmp_path: Path) -> Path:
    """A small made folder in the layout of the real one; the middle 148×148 pixels are white."""
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{number:06}.jpg" for number in range(1, COUNT + 1)]
    values = np.where(np.random.default_rng(0).random((COUNT, 40)) < 0.5, 1, -1)
    for name in names:
        picture = np.zeros((218, 178, 3), np.uint8)
        picture[35:183, 15:163] = 255
        Image.fromarray(picture).save(folder / "img_align_celeba" / name, quality=95)
    lines = [f"{name}  {' '.join(f'{value:2}' for value in row)}" for name, row in zip(names, values, strict=True)]
    (folder / "list_attr_celeba.txt").write_text("\n".join([str(COUNT), " ".join(PLAIN_NAMES), *lines]) + "\n")
    splits = [f"{name} {0 if number < 12 else 1 if number < 16 else 2}" for number, name in enumerate(names)]
    (folder / "list_eval_partition.txt").write_text("\n".join(splits) + "\n")
    np.save(tmp_path / "values.npy", values)
    return tmp_path


def test_the_official_splits_and_all_attributes(celeba_root: Path) -> None:
    sizes = [
        len(load_data("celeba", split=split, root=celeba_root)) for split in ("train", "validation", "test", "all")
    ]
    assert sizes == [12, 4, 4, 20]
    data = load_data("celeba", root=celeba_root)
    assert list(data.ids) == [f"celeba/{number:06}.jpg" for number in range(17, 21)]
    values = np.load(celeba_root / "values.npy")[16:]
    assert list(data.attributes) == list(PLAIN_NAMES.values()) and len(data.attributes) == 40
    np.testing.assert_array_equal(np.stack(list(data.attributes.values()), axis=1), (values + 1) / 2)


def test_the_face_is_cut_out(celeba_root: Path) -> None:
    data = load_data("celeba", root=celeba_root)
    assert data.pixels.shape == (4, 3, 64, 64) and data.pixels.min() > 200
    assert load_data("celeba", root=celeba_root, image=ImageSpec(1, 32, 32)).pixels.shape == (4, 1, 32, 32)


def test_the_root_may_be_the_folder_itself_and_a_count_is_a_sample(celeba_root: Path) -> None:
    data = load_data("celeba", root=celeba_root / "celeba", split="train", count=5)
    assert len(data) == 5 and len(data.attributes["smile"]) == 5


def test_unreadable_photographs_are_skipped(celeba_root: Path) -> None:
    (celeba_root / "celeba" / "img_align_celeba" / "000018.jpg").unlink()
    data = load_data("celeba", root=celeba_root, max_bad=0.5)
    assert [bad.name for bad in data.skipped] == ["000018.jpg"] and len(data) == len(data.attributes["hat"]) == 3
    with pytest.raises(DataError, match=r"000018\.jpg"):
        load_data("celeba", root=celeba_root)


@pytest.mark.parametrize("name", ["list_attr_celeba.txt", "list_eval_partition.txt"])
@pytest.mark.parametrize("change", ["gone", "cut", "other"])
def test_broken_lists_are_one_line(celeba_root: Path, name: str, change: str) -> None:
    path = celeba_root / "celeba" / name
    if change == "gone":
        path.unlink()
    elif change == "cut":
        text = path.read_text()
        path.write_text(text[: len(text) * 9 // 10] if "attr" in name else text[:-3])
    else:
        path.write_text("something else\nentirely\n")
    with pytest.raises(DataError) as caught:
        load_data("celeba", split="all", root=celeba_root)
    assert "\n" not in str(caught.value)


def test_the_same_as_a_folder_with_a_csv(celeba_root: Path, tmp_path: Path) -> None:
    """The other layout: the pictures in a folder, the attributes in a CSV with CelebA's own names."""
    values = np.load(celeba_root / "values.npy")
    rows = [f"{number + 1:06}.jpg,{','.join(map(str, row))}" for number, row in enumerate(values)]
    (tmp_path / "a.csv").write_text("\n".join([",".join(["image_id", *PLAIN_NAMES]), *rows]))
    pictures = celeba_root / "celeba" / "img_align_celeba"
    data = load_data(pictures, split="all", attributes=tmp_path / "a.csv", image=ImageSpec(3, 64, 64))
    whole = load_data("celeba", split="all", root=celeba_root)
    assert list(data.attributes) == list(whole.attributes)
    for name in whole.attributes:
        np.testing.assert_array_equal(data.attributes[name], whole.attributes[name])


@pytest.mark.parametrize(
    ("name", "plain"),
    [("Smiling", "smile"), ("smiling", "smile"), ("Wearing Hat", "hat"), ("Eyeglasses", "glasses"), ("Male", "male"),
     ("5_o_Clock_Shadow", "five_o_clock_shadow"), ("my own", "my own"), (" Blond-Hair ", "blond_hair")],
)  # fmt: skip
def test_names_are_made_plain(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_plain_names_are_all_different() -> None:
    assert len(PLAIN_NAMES) == len(set(PLAIN_NAMES.values())) == 40
