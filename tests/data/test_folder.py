from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentlab.codec import ImageSpec
from latentlab.data import Dataset, load_data
from latentlab.data.folder import hashed_split
from latentlab.errors import DataError

SPEC = ImageSpec(3, 8, 8)
Make = Callable[..., Path]


def everything(folder: Path, **options: object) -> Dataset:
    return load_data(f"folder:{folder}", **{"split": "all", **options})


def test_all_kinds_are_found_in_all_depths(tmp_path: Path, make_image: Make) -> None:
    names = ["a.jpg", "b.JPEG", "c.png", "d/e.webp", "d/f/g.bmp", "h i/ü.gif", "j.tiff"]
    for name in names:
        make_image(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    make_image(tmp_path / ".hidden" / "k.png")
    make_image(tmp_path / "__MACOSX" / "l.png")
    data = everything(tmp_path)
    assert list(data.ids) == sorted(names)
    assert data.pixels.shape == (7, 3, 10, 12) and data.pixels.dtype == np.uint8
    assert data.labels is None and not data.attributes
    stored = np.asarray(Image.open(tmp_path / "c.png").convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(
        data.pixels[2 if list(data.ids)[2] == "c.png" else list(data.ids).index("c.png")], stored
    )


def test_a_bare_path_is_a_folder_and_images_are_fitted(photos: Path) -> None:
    data = load_data(photos, split="all", image=ImageSpec(1, 6, 6, "light"))
    assert data.pixels.shape == (30, 1, 6, 6) and data.ink == "light"


def test_grey_folders_are_grey_unless_one_image_is_coloured(tmp_path: Path, make_image: Make) -> None:
    make_image(tmp_path / "a.png", mode="L")
    assert everything(tmp_path).pixels.shape[1] == 1
    make_image(tmp_path / "b.png")
    assert everything(tmp_path).pixels.shape[1] == 3


def test_sub_folders_are_classes(photos: Path) -> None:
    data = everything(photos)
    assert data.classes == ("a", "b")
    assert [data.classes[label] for label in data.labels] == [name[0] for name in data.ids]


def test_numbers_are_classes_in_their_order(tmp_path: Path, make_image: Make) -> None:
    for name in ("10", "9", "1"):
        make_image(tmp_path / name / "x.png")
    assert everything(tmp_path).classes == ("1", "9", "10")


def test_one_sub_folder_is_no_class(tmp_path: Path, make_image: Make) -> None:
    make_image(tmp_path / "img" / "x.png")
    assert everything(tmp_path).labels is None


def test_sub_folders_may_be_splits(tmp_path: Path, make_image: Make) -> None:
    for split, count in (("Train", 4), ("val", 2), ("test", 3)):
        for number in range(count):
            make_image(tmp_path / split / f"{number % 2}" / f"{number}.png")
    sizes = {split: len(load_data(tmp_path, split=split)) for split in ("train", "validation", "test", "all")}
    assert sizes == {"train": 4, "validation": 2, "test": 3, "all": 9}
    assert load_data(tmp_path, split="test").classes == ("0", "1")


def test_splits_by_name_are_apart_complete_and_lasting(photos: Path, make_image: Make) -> None:
    parts = {split: set(load_data(photos, split=split).ids) for split in ("train", "validation", "test")}
    assert sum(map(len, parts.values())) == 30 and len(set.union(*parts.values())) == 30
    for number in range(10):
        make_image(photos / "a" / f"new{number}.png")
    assert parts["test"] <= set(load_data(photos, split="test").ids)
    shares = np.unique([hashed_split(f"{number}.jpg") for number in range(4_000)], return_counts=True)
    np.testing.assert_allclose(shares[1] / 4_000, [0.1, 0.8, 0.1], atol=0.02)


def test_a_count_takes_a_seeded_sample(photos: Path) -> None:
    one, same, other = (everything(photos, count=10, seed=seed) for seed in (0, 0, 1))
    assert len(one) == 10 and list(one.ids) == list(same.ids) != list(other.ids)
    assert len(everything(photos, count=99)) == 30


def test_unreadable_files_are_named_and_skipped(photos: Path) -> None:
    whole = everything(photos)
    (photos / "a" / "000002.png").write_bytes(b"no image")
    cut = photos / "b" / "000003.png"
    cut.write_bytes(cut.read_bytes()[:120])
    for options in ({"image": ImageSpec(3, 10, 12)}, {}):
        data = everything(photos, max_bad=0.1, **options)
        assert {bad.name for bad in data.skipped} == {"a/000002.png", "b/000003.png"}
        rows = [row for row, name in enumerate(whole.ids) if name in set(data.ids)]
        assert len(data) == 28
        np.testing.assert_array_equal(data.pixels, whole.pixels[rows])
        np.testing.assert_array_equal(data.labels, whole.labels[rows])
        with pytest.raises(DataError, match=r"a/000002\.png.*--max-bad 0\.01"):
            everything(photos, **options)


@pytest.mark.parametrize("image", [None, SPEC])
def test_a_folder_in_which_nothing_can_be_read_fails_whatever_is_allowed(
    tmp_path: Path, image: ImageSpec | None
) -> None:
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(DataError, match="1 of 1 files"):
        everything(tmp_path, max_bad=1.0, image=image)


def test_sizes_that_differ_need_a_size(tmp_path: Path, make_image: Make) -> None:
    make_image(tmp_path / "a.png", (12, 10))
    make_image(tmp_path / "b.png", (10, 12))
    with pytest.raises(DataError, match=r"10×12.*give the model or a size"):
        everything(tmp_path)
    assert everything(tmp_path, image=SPEC).pixels.shape == (2, 3, 8, 8)


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found none"):
        everything(tmp_path)


def write_csv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "attributes.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("yes", "no", "missing"),
    [
        ("1", "0", ""),
        ("1", "-1", ""),
        ("yes", "no", "?"),
        ("True", "FALSE", "nan"),
        ("1.0", "0.0", "NA"),
        (" 1 ", " 0", " "),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_attributes_in_every_spelling(
    photos: Path, tmp_path: Path, yes: str, no: str, missing: str, delimiter: str
) -> None:
    rows = [
        ["filename", "Smiling", "length"],
        ["000000.png", yes, "0.25"],
        ["000001.png", no, "7"],
        ["000002.png", missing, ""],
    ]
    path = write_csv(tmp_path, "\ufeff" + "\r\n".join(delimiter.join(row) for row in rows) + "\n")
    data = everything(photos, attributes=path)
    rows_of = {Path(name).name: row for row, name in enumerate(data.ids)}
    order = [rows_of[f"00000{number}.png"] for number in range(4)]
    np.testing.assert_array_equal(data.attributes["smile"][order], [1, 0, np.nan, np.nan])
    np.testing.assert_array_equal(data.attributes["length"][order], np.float32([0.25, 7, np.nan, np.nan]))
    assert len(data) == 30 and data.labels is None


@pytest.mark.parametrize(
    "name", ["b/000001.png", "000001.png", "000001", "b/000001", "photos/b/000001.png", "b\\000001.png"]
)
@pytest.mark.parametrize("column", ["filename", "file", "image", "Image_ID", "path", "id", "picture"])
def test_a_row_names_its_file_in_many_ways(photos: Path, tmp_path: Path, name: str, column: str) -> None:
    data = everything(photos, attributes=write_csv(tmp_path, f"{column},hat\n{name},1\n"))
    assert [image for image, value in zip(data.ids, data.attributes["hat"], strict=True) if value == 1] == [
        "b/000001.png"
    ]


def test_the_column_of_names_need_not_be_the_first(photos: Path, tmp_path: Path) -> None:
    data = everything(photos, attributes=write_csv(tmp_path, "hat,filename,label\n1,000001,cat\n0,000002,dog\n"))
    assert data.classes == ("cat", "dog") and list(data.attributes) == ["hat"]
    assert sorted(data.labels) == [-1] * 28 + [0, 1]


def test_the_csv_may_say_the_split(photos: Path, tmp_path: Path) -> None:
    lines = [f"{number:06},{['train', 'val', 'test'][number % 3]}" for number in range(29)]
    path = write_csv(tmp_path, "filename,split\n" + "\n".join(lines))
    sizes = [len(load_data(photos, split=split, attributes=path)) for split in ("train", "validation", "test", "all")]
    assert sizes == [10, 10, 9, 30]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("filename,hat\nnobody.png,1\n", "no line matches an image, such as 'nobody.png' in line 2"),
        (
            "filename,hat\n000001.png,1\nnobody.png,1\n",
            "1 of 2 lines match no image, such as 'nobody.png' in line 3",
        ),
        ("filename,hat\n000001.png,perhaps\n", "line 2, column hat"),
        ("filename,hat\n000001.png,inf\n", "line 2, column hat"),
        ("filename,hat\n000001.png,1,2\n", "at most 2 values"),
        ("filename,hat\n000001.png,1\nb/000001.png,0\n", "same image"),
        ("filename,Smiling,smile\n000001.png,1,1\n", "name of its own"),
        ("filename,split\n000001.png,half\n", "train, validation or test"),
        ("000001.png,1\n000002.png,0\n", "expected column names in line 1"),
        ("filename,hat\n", "got 1 of them"),
        ("", "a line an image"),
    ],
)
def test_mistakes_in_the_csv_are_named(photos: Path, tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        everything(photos, attributes=write_csv(tmp_path, text))
    assert words in str(caught.value) and "attributes.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_a_name_that_may_be_two_files_is_an_error(photos: Path, tmp_path: Path, make_image: Make) -> None:
    make_image(photos / "a" / "000001.png")
    with pytest.raises(DataError, match=r"a/000001\.png and b/000001\.png"):
        everything(photos, attributes=write_csv(tmp_path, "filename,hat\n000001.png,1\n"))
    data = everything(photos, attributes=write_csv(tmp_path, "filename,hat\na/000001.png,1\n"))
    assert data.ids[data.attributes["hat"] == 1] == ["a/000001.png"]


def test_a_whole_path_is_meant_where_there_is_one(photos: Path, tmp_path: Path, make_image: Make) -> None:
    make_image(photos / "000001.png")
    data = everything(photos, attributes=write_csv(tmp_path, "filename,hat\n000001.png,1\n"))
    assert data.ids[data.attributes["hat"] == 1] == ["000001.png"]


def test_cells_may_hold_line_breaks_and_lines_be_empty(photos: Path, tmp_path: Path) -> None:
    text = '\n\nfilename,label\n"000001.png","a\nb"\n\n000002.png,c\n'
    data = everything(photos, attributes=write_csv(tmp_path, text))
    assert data.classes == ("a\nb", "c")
    with pytest.raises(DataError, match="line 9: expected at most 2"):
        everything(photos, attributes=write_csv(tmp_path, text + "\n1,2,3\n"))


def test_a_csv_that_cannot_be_read_is_one_line(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the attributes"):
        everything(photos, attributes=tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("filename,hüt\n".encode("latin-1"))
    with pytest.raises(DataError, match="UTF-8"):
        everything(photos, attributes=tmp_path / "latin.csv")
