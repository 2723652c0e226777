"""Images that come a piece at a time are those that are loaded at once."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import latentlab.data.stream
from latentlab.codec import ImageSpec
from latentlab.data import Dataset, folder, load_data, names
from latentlab.data.attribute import PLAIN_NAMES
from latentlab.data.stream import Stream, stream_data
from latentlab.errors import DataError, UnknownNameError, UsageError

SPEC = ImageSpec(3, 8, 8)


def read(stream: Stream, rows: int) -> list[Dataset]:
    # As other processes get them.
    pieces = [pickle.loads(pickle.dumps(piece)) for piece in stream.pieces]  # noqa: S301
    return [block for piece in pieces for block in piece.read(rows)]


def compare(stream: Stream, data: Dataset, rows: int = 3) -> None:
    blocks = read(stream, rows)
    assert max(map(len, blocks)) <= rows
    assert (stream.source, stream.split, stream.classes) == (data.source, data.split, data.classes)
    assert stream.attributes == tuple(data.attributes) and stream.labelled == (data.labels is not None)
    np.testing.assert_array_equal(np.concatenate([block.ids for block in blocks]), data.ids)
    np.testing.assert_array_equal(np.concatenate([block.pixels for block in blocks]), data.pixels)
    assert blocks[0].pixels.dtype == data.pixels.dtype and {block.image for block in blocks} == {data.image}
    if data.labels is not None:
        np.testing.assert_array_equal(np.concatenate([block.labels for block in blocks]), data.labels)
    for block in blocks:
        assert tuple(block.attributes) == stream.attributes and (block.labels is None) == (data.labels is None)
        assert all(values.dtype == np.float32 for values in block.attributes.values())
    for name, values in data.attributes.items():
        np.testing.assert_array_equal(np.concatenate([block.attributes[name] for block in blocks]), values)
    assert tuple(bad for block in blocks for bad in block.skipped) == data.skipped


@pytest.fixture
def celeba_root(tmp_path: Path) -> Path:
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    generator = np.random.default_rng(0)
    names = [f"{number:06}.jpg" for number in range(1, 15)]
    for name in names:
        Image.fromarray(generator.integers(0, 256, (218, 178, 3), np.uint8)).save(folder / "img_align_celeba" / name)
    values = np.where(generator.random((14, 40)) < 0.5, 1, -1)
    lines = [f"{name} {' '.join(map(str, row))}" for name, row in zip(names, values, strict=True)]
    (folder / "list_attr_celeba.txt").write_text("\n".join(["14", " ".join(PLAIN_NAMES), *lines]))
    (folder / "list_eval_partition.txt").write_text("\n".join(f"{name} {row % 3}" for row, name in enumerate(names)))
    return tmp_path


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_pieces_of_made_images_are_those_that_are_loaded(rows: int) -> None:
    stream = stream_data("faces", image=ImageSpec(1, 16, 16), rows=rows, count=20, seed=3)
    compare(stream, load_data("faces", image=ImageSpec(1, 16, 16), count=20, seed=3))
    assert len(stream.pieces) == -(-20 // rows) and stream.count == 20
    assert stream.pieces[0].name == f"images 0–{min(rows, 20) - 1}"
    compare(
        stream_data("digits", image=ImageSpec(1, 8, 8, "dark"), rows=rows, without=["3"], count=30),
        load_data("digits", image=ImageSpec(1, 8, 8, "dark"), without=["3"], count=30),
    )


@pytest.mark.parametrize("sizes", [None, (5, 3, 20, 4)], ids=["in memory", "on disk"])
@pytest.mark.parametrize("options", [{}, {"split": "train"}, {"count": 9, "seed": 2}, {"without": ["b"], "count": 6}])
def test_pieces_of_a_folder_are_what_is_loaded(
    photos: Path, options: dict, sizes: tuple[int, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = stream_data(photos, image=SPEC, rows=4, **{"split": "all", **options}).fingerprint
    if sizes is not None:
        for name, value in zip(("RUN", "STEP", "HELD"), sizes[:3], strict=True):
            monkeypatch.setattr(names, name, value)
        for module in (folder, latentlab.data.stream):
            monkeypatch.setattr(module, "LOOKED_AT", sizes[3])
    options = {"split": "all", **options}
    stream = stream_data(photos, image=SPEC, rows=4, **options)
    compare(stream, load_data(photos, image=SPEC, **options))
    assert stream.count == sum(len(block) for block in read(stream, 2))
    assert stream.fingerprint == known


def test_pieces_are_made_when_they_are_asked_for_and_not_held(photos: Path) -> None:
    pieces = stream_data(photos, image=SPEC, rows=4, split="all").pieces
    assert len(pieces) == 8 and pieces[-1].name == "images 28–29"
    assert pieces[2] is not pieces[2] and [piece.name for piece in pieces[:2]] == ["images 0–3", "images 4–7"]
    with pytest.raises(IndexError):
        pieces[8]


def test_pieces_of_a_folder_know_its_csv(photos: Path, tmp_path: Path) -> None:
    lines = [f"{number:06}.png,{number % 2},{'xyz'[number % 3]}" for number in range(28)]
    (tmp_path / "a.csv").write_text("\n".join(["filename,hat,label", *lines]))
    options = {"split": "all", "attributes": tmp_path / "a.csv", "without": ["hat"]}
    compare(stream_data(photos, image=SPEC, rows=5, **options), load_data(photos, image=SPEC, **options))
    compare(
        stream_data(photos, image=ImageSpec(1, 6, 6, "light"), rows=5, split="all"),
        load_data(photos, image=ImageSpec(1, 6, 6, "light"), split="all"),
    )


@pytest.mark.parametrize("options", [{}, {"split": "all", "without": ["smile"]}, {"count": 3}])
def test_pieces_of_celeba_are_what_is_loaded(celeba_root: Path, options: dict) -> None:
    image = ImageSpec(3, 32, 32)
    stream = stream_data("celeba", image=image, rows=2, root=celeba_root, **options)
    compare(stream, load_data("celeba", image=image, root=celeba_root, **options))
    assert len(stream.attributes) == 40


def test_a_photograph_that_occurs_twice_is_refused(celeba_root: Path) -> None:
    path = celeba_root / "celeba" / "list_eval_partition.txt"
    path.write_text(path.read_text() + "\n000003.jpg 2\n")
    with pytest.raises(DataError, match=r"id of its own for every image of celeba, got '000003\.jpg' twice"):
        stream_data("celeba", image=SPEC, rows=2, root=celeba_root, split="all")


def test_ids_that_occur_twice_are_refused(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((3, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "x.npz", images=images, ids=np.array(["a", "b", "a"]))
    with pytest.raises(DataError, match="'a' twice") as caught:
        stream_data(tmp_path / "x.npz", image=ImageSpec(1, 8, 8), rows=2, split="all")
    assert "\n" not in str(caught.value)
    np.savez(tmp_path / "x.npz", images=images)
    stream = stream_data(tmp_path / "x.npz", image=ImageSpec(1, 8, 8), rows=2, split="all")
    compare(stream, load_data(tmp_path / "x.npz", image=ImageSpec(1, 8, 8), split="all"))


def test_two_lists_of_names_have_two_fingerprints(tmp_path: Path) -> None:
    images = np.zeros((2, 8, 8), np.float32)
    found = set()
    for ids in (["ab", "c"], ["a", "bc"], ["c", "ab"]):
        np.savez(tmp_path / "x.npz", images=images, ids=np.array(ids))
        found.add(stream_data(tmp_path / "x.npz", image=ImageSpec(1, 8, 8), rows=2, split="all").fingerprint)
    assert len(found) == 3


def test_unreadable_files_are_named_by_their_block_and_a_block_may_be_empty(photos: Path) -> None:
    for number in (0, 2, 4):
        (photos / "a" / f"{number:06}.png").write_bytes(b"no image")
    blocks = read(stream_data(photos, image=SPEC, rows=30, split="all"), 3)
    assert [len(block) for block in blocks] == [0] + [3] * 9
    assert [bad.name for bad in blocks[0].skipped] == [f"a/{number:06}.png" for number in (0, 2, 4)]
    assert blocks[0].pixels.shape == (0, 3, 8, 8) and blocks[0].labels.shape == (0,)
    assert all(not block.skipped for block in blocks[1:])


def test_pieces_are_read_from_any_folder_and_carry_their_own_names_alone(
    photos: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(photos.parent)
    stream = stream_data("folder:photos", image=SPEC, rows=2, split="all")
    sizes = [len(pickle.dumps(piece)) for piece in stream.pieces]
    assert max(sizes) < 1_500
    assert b"000028.png" not in pickle.dumps(stream.pieces[0])
    monkeypatch.chdir(tmp_path.parent)
    assert sum(map(len, read(stream, 9))) == 30


def test_threads_and_blocks_change_nothing(photos: Path) -> None:
    stream = stream_data(photos, image=ImageSpec(3, 7, 5), rows=30, split="all")
    whole = next(stream.pieces[0].read(30)).pixels
    for rows, threads in ((1, 1), (7, 2), (30, 8)):
        parts = [block.pixels for block in stream.pieces[0].read(rows, threads)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_the_text_of_preprocessing_tells_what_changes_pixels(photos: Path) -> None:
    def text(**options: object) -> str:
        return stream_data("patterns", **{"image": ImageSpec(1, 4, 4), "rows": 9, "count": 3, **options}).preprocessing

    texts = {
        text(), text(noise=0), text(image=ImageSpec(1, 4, 4, "dark")), text(image=ImageSpec(3, 4, 4)),
        text(image=ImageSpec(1, 4, 5)),
    }  # fmt: skip
    assert len(texts) == 5 and text() == text(count=2, rows=1)


@pytest.mark.parametrize(
    ("source", "options", "kind", "words"),
    [
        ("digits", {"rows": 0}, UsageError, "rows"),
        ("digits", {"rows": 1.5}, UsageError, "rows"),
        ("digits", {"split": "tset"}, UnknownNameError, "did you mean test"),
        ("digits", {"count": 0}, UsageError, "at least 1"),
        ("digits", {"attributes": "a.csv"}, UsageError, "folder:PATH"),
        ("folder:/no/such", {}, DataError, "not there"),
        ("mnits", {}, UnknownNameError, "did you mean mnist"),
    ],
)
def test_mistakes_are_one_line(source: str, options: dict, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as caught:
        stream_data(source, **{"image": SPEC, "rows": 2, **options})
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_nothing_is_opened_before_it_is_read(photos: Path, make_image: Callable[..., Path]) -> None:
    for path in photos.rglob("*.png"):
        path.write_bytes(b"")
    stream = stream_data(photos, image=SPEC, rows=8, split="all", without=["a"], count=5)
    assert stream.count == 5 and len(stream.pieces) == 1
