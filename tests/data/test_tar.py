"""Tar files in webdataset's layout, made on the spot."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentlab.codec import ImageSpec
from latentlab.data import load_data
from latentlab.data import shard as shard_module
from latentlab.data.folder import hashed_split
from latentlab.data.pattern import expand
from latentlab.data.stream import Piece, Stream, stream_data
from latentlab.errors import DataError, LatentlabError, UnknownNameError, UsageError

SPEC = ImageSpec(3, 8, 8)
Members = Mapping[str, bytes]


def encoded(seed: int, kind: str = "png", size: tuple[int, int] = (8, 8)) -> bytes:
    content = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(noise).save(content, kind)
    return content.getvalue()


def packed(members: Members | list[tuple[str, bytes]]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, value in members.items() if isinstance(members, Mapping) else members:
            member = tarfile.TarInfo(name)
            member.size = len(value)
            tar.addfile(member, io.BytesIO(value))
    return content.getvalue()


def write(path: Path, members: Members | list[tuple[str, bytes]]) -> Path:
    path.write_bytes(packed(members))
    return path


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Three shards of ten samples each, with a class and attributes."""
    for number in range(3):
        members = {}
        for row in range(10):
            seed = 10 * number + row
            members[f"a/{seed:04}.png"] = encoded(seed)
            members[f"a/{seed:04}.cls"] = f"{seed % 3}\n".encode()
            members[f"a/{seed:04}.json"] = json.dumps({"Smiling": seed % 2 == 0, "age": seed, "text": "no"}).encode()
            members[f"a/{seed:04}.txt"] = b"a caption"
        write(tmp_path / f"train-{number:03}.tar", members)
    return tmp_path


def everything(place: object, **options: object) -> Stream:
    return stream_data(f"tar:{place}", image=SPEC, rows=4, **{"split": "all", **options})


def sent(piece: Piece) -> Piece:
    """A piece as another process gets it."""
    return pickle.loads(pickle.dumps(piece))  # noqa: S301


def blocks(stream: Stream, rows: int = 4) -> list:
    return [block for piece in stream.pieces for block in sent(piece).read(rows)]


def test_samples_are_images_with_what_lies_beside_them(shards: Path) -> None:
    stream = everything(shards / "train-{000..002}.tar")
    assert [piece.name for piece in stream.pieces] == [f"train-00{number}.tar" for number in range(3)]
    assert stream.classes == ("0", "1", "2") and stream.attributes == ("smile", "age") and stream.labelled
    assert stream.count is None
    found = blocks(stream)
    assert [len(block) for block in found] == [4, 4, 2] * 3
    ids = [name for block in found for name in block.ids]
    assert ids == [f"train-{row // 10:03}/a/{row:04}" for row in range(30)]
    np.testing.assert_array_equal(np.concatenate([block.labels for block in found]), np.arange(30) % 3)
    np.testing.assert_array_equal(np.concatenate([block.attributes["age"] for block in found]), np.arange(30))
    np.testing.assert_array_equal(
        np.concatenate([block.attributes["smile"] for block in found]), np.arange(30) % 2 == 0
    )
    for row, pixels in enumerate(np.concatenate([block.pixels for block in found])):
        stored = np.asarray(Image.open(io.BytesIO(encoded(row))))
        np.testing.assert_array_equal(pixels.transpose(1, 2, 0), stored)


def test_small_sets_are_loaded_as_any_other(shards: Path) -> None:
    place = f"tar:{shards}/train-*.tar"
    data = load_data(place, split="all")
    assert data.pixels.shape == (30, 3, 8, 8) and data.source == place and data.classes == ("0", "1", "2")
    found = blocks(everything(f"{shards}/train-*.tar"))
    np.testing.assert_array_equal(data.pixels, np.concatenate([block.pixels for block in found]))
    first = load_data(place, split="all", count=13)
    np.testing.assert_array_equal(first.ids, data.ids[:13])
    kept = load_data(place, split="all", without=["1"], count=5)
    assert len(kept) == 5 and 1 not in kept.labels


def test_splits_are_by_a_hash_of_the_id(shards: Path) -> None:
    place = shards / "train-*.tar"
    parts = {
        split: [name for block in blocks(everything(place, split=split)) for name in block.ids]
        for split in ("train", "validation", "test")
    }
    assert sum(map(len, parts.values())) == 30
    assert all(hashed_split(name) == split for split, names in parts.items() for name in names)


def test_images_are_left_out_before_they_are_decoded(shards: Path) -> None:
    found = blocks(everything(shards / "train-*.tar", without=["2", "smile"]))
    rows = [row for row in range(30) if row % 3 != 2 and row % 2]
    assert [name for block in found for name in block.ids] == [f"train-{row // 10:03}/a/{row:04}" for row in rows]
    with pytest.raises(UnknownNameError, match="did you mean smile"):
        everything(shards / "train-*.tar", without=["smlie"])
    with pytest.raises(DataError, match="scores"):
        blocks(everything(shards / "train-*.tar", without=["age"]))


def test_a_csv_tells_by_key(shards: Path) -> None:
    lines = [f"{row:04}.png,{'cat' if row % 2 else 'dog'},{row % 5 == 0:d}" for row in range(20)]
    table = shards / "told.csv"
    table.write_text("\n".join(["filename,label,hat", *lines]))
    stream = everything(shards / "train-*.tar", attributes=table)
    assert stream.classes == ("cat", "dog") and stream.attributes == ("hat",)
    found = blocks(stream)
    labels = np.concatenate([block.labels for block in found])
    np.testing.assert_array_equal(labels, [1 - row % 2 if row < 20 else -1 for row in range(30)])
    hats = np.concatenate([block.attributes["hat"] for block in found])
    np.testing.assert_array_equal(hats, [row % 5 == 0 if row < 20 else np.nan for row in range(30)])
    assert len(pickle.dumps(stream.pieces[0])) < 1_000
    table.write_text("filename,hat\nnobody,1\n")
    with pytest.raises(DataError, match="no line speaks"):
        everything(shards / "train-*.tar", attributes=table)


def test_a_csv_may_say_the_split_and_name_whole_ids(shards: Path) -> None:
    lines = [f"train-{row // 10:03}/a/{row:04},{'test' if row % 3 else 'train'}" for row in range(30)]
    (shards / "told.csv").write_text("\n".join(["id,split", *lines]))
    stream = everything(shards / "train-*.tar", attributes=shards / "told.csv", split="test")
    assert sum(map(len, blocks(stream))) == 20 and stream.classes == ("0", "1", "2")


@pytest.mark.parametrize("label", [{"label": "cat"}, {"Class": "cat"}])
def test_json_may_name_the_class(tmp_path: Path, label: dict) -> None:
    members = {"1.jpg": encoded(0, "jpeg"), "1.json": json.dumps(label).encode()}
    write(tmp_path / "a.tar", {**members, "2.webp": encoded(1, "webp"), "2.json": b'{"label": "ape"}'})
    data = load_data(f"tar:{tmp_path}/a.tar", split="all")
    assert data.classes == ("ape", "cat") and list(data.labels) == [1, 0]


def test_classes_may_be_given(tmp_path: Path) -> None:
    write(tmp_path / "a-0.tar", {"1.png": encoded(0), "1.cls": b"0"})
    write(tmp_path / "a-1.tar", {"2.png": encoded(0), "2.cls": b"3"})
    place = f"{tmp_path}/a-{{0,1}}.tar"
    with pytest.raises(
        DataError, match=r"a-1\.tar: expected one of the classes 0, got 3 for '2'; tell of all labels in a CSV"
    ):
        blocks(everything(place))
    assert [list(block.labels) for block in blocks(everything(place, classes=4))] == [[0], [3]]
    assert everything(place, classes=["a", "b", "c", "d"]).classes == ("a", "b", "c", "d")
    for wrong in (0, "cat", [], ["a", "a"], True):
        with pytest.raises(UsageError, match="classes of tar"):
            everything(place, classes=wrong)


def test_values_of_minus_one_mean_the_same_in_every_shard(tmp_path: Path) -> None:
    """A block with ones alone has to be read as the first shard was."""
    write(tmp_path / "a-0.tar", {"1.png": encoded(0), "1.json": b'{"hat": -1}'})
    write(tmp_path / "a-1.tar", {"1.png": encoded(0), "1.json": b'{"hat": 1}', "2.png": encoded(1)})
    found = blocks(everything(f"{tmp_path}/a-*.tar"))
    np.testing.assert_array_equal(np.concatenate([b.attributes["hat"] for b in found]), [0, 1, np.nan])
    write(tmp_path / "a-1.tar", {"1.png": encoded(0), "1.json": b'{"hat": 0.5}'})
    with pytest.raises(DataError, match="expected -1 or 1"):
        blocks(everything(f"{tmp_path}/a-*.tar"))


def test_unreadable_images_are_skipped_and_named(tmp_path: Path) -> None:
    cut = encoded(2, "jpeg", (40, 40))
    members = {"0.png": encoded(0), "1.jpg": cut[: len(cut) // 2], "2.cls": b"1", "3.png": b"", "4.png": encoded(4)}
    write(tmp_path / "a.tar", members)
    (block,) = blocks(everything(tmp_path / "a.tar", classes=2), rows=9)
    assert list(block.ids) == ["a/0", "a/4"]
    assert {bad.name for bad in block.skipped} == {"a/1", "a/2", "a/3"}
    assert all(bad.name.removeprefix("a/") in bad.reason for bad in block.skipped)
    with pytest.raises(DataError, match="3 of 5 files cannot be read"):
        load_data(f"tar:{tmp_path}/a.tar", split="all", image=SPEC)
    empty = next(iter(everything(tmp_path / "a.tar", classes=2).pieces[0].read(1)))
    assert len(empty) == 1
    sizes = [len(block) for block in everything(tmp_path / "a.tar", classes=2).pieces[0].read(1)]
    assert sizes == [1, 0, 0, 0, 1]


def test_members_that_are_no_sample_are_passed_over(tmp_path: Path) -> None:
    members = {"._1.png": b"x", "__MACOSX/1.png": b"x", "d/1.seg.png": b"x", "1.png": encoded(0), "1.mp3": b"x"}
    write(tmp_path / "a.tar", members)
    assert [list(block.ids) for block in blocks(everything(tmp_path / "a.tar"))] == [["a/1"]]


def test_too_large_a_member_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.tar", {"1.png": encoded(0), "2.png": encoded(1, size=(60, 60)), "3.json": b'{"a": 1}     '})
    monkeypatch.setattr(shard_module, "MOST_IMAGE_BYTES", 1_000)
    (block,) = blocks(everything(tmp_path / "a.tar"))
    assert list(block.ids) == ["a/1"] and "at most" in block.skipped[0].reason
    monkeypatch.setattr(shard_module, "MOST_TEXT_BYTES", 9)
    with pytest.raises(DataError, match=r"a\.tar: expected a small file 3\.json"):
        everything(tmp_path / "a.tar")


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda whole: None, "found none"),
        (lambda whole: whole[:600], "unexpected end of data"),
        (lambda whole: whole[:1024], "cut short"),
        (lambda whole: whole[:1224], "cut short"),
        (lambda whole: whole[: 3 * 512], "unexpected end of data"),
        (lambda whole: whole[:1024] + b"\7" * 512 + whole[1536:], "broken"),
        (lambda whole: b"\7" * 2048, "cannot read the shard"),
        (lambda whole: b"", "empty file"),
        (lambda whole: b"\x1f\x8b" + whole, "bad checksum"),
    ],
)
def test_a_broken_shard_is_one_line(tmp_path: Path, change: Callable, words: str, second: bool) -> None:
    """Also where it ends between two members, which tarfile takes for the end."""
    good = {"1.cls": b"0", "1.png": encoded(0)}
    write(tmp_path / "a-0.tar", good)
    write(tmp_path / "a-1.tar", good)
    path = tmp_path / f"a-{second:d}.tar"
    changed = change(path.read_bytes())
    path.unlink() if changed is None else path.write_bytes(changed)
    with pytest.raises(DataError) as caught:
        blocks(everything(f"{tmp_path}/a-{{0..1}}.tar"))
    assert words in str(caught.value) and path.name in str(caught.value) and "\n" not in str(caught.value)


def test_every_cut_is_seen(tmp_path: Path) -> None:
    """Wherever the download stopped; the end mark is two blocks, and one of them is enough to say that all is there."""
    whole = packed({"1.cls": b"0", "1.png": encoded(0), "2.png": encoded(1)})
    end = len(whole.rstrip(b"\0"))
    end += -end % 512
    for length in range(1, end + 512, 97):
        (tmp_path / "a.tar").write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"a\.tar"):
            blocks(everything(tmp_path / "a.tar"))
    (tmp_path / "a.tar").write_bytes(whole[: end + 512])
    assert sum(map(len, blocks(everything(tmp_path / "a.tar")))) == 2


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("1.png", encoded(0)), ("2.png", encoded(1)), ("1.cls", b"0")], "'1' twice"),
        ([("1.png", encoded(0)), ("1.png", encoded(1))], "got two for '1'"),
        ([("1.png", encoded(0)), ("1.jpg", encoded(1))], "one image a key"),
        ([("1.png", encoded(0)), ("1.cls", b"cat")], "whole number in 1.cls"),
        ([("1.png", encoded(0)), ("1.json", b"{")], "1.json is not JSON"),
        ([("1.png", encoded(0)), ("1.json", b"[" * 100_000)], "1.json is not JSON"),
        ([("1.png", encoded(0)), ("1.json", b"[1]")], "expected an object"),
        ([("1.png", encoded(0)), ("1.json", b'{"a": 1e999}')], "finite number as a"),
        ([("1.png", encoded(0)), ("1.json", b'{"a": 1' + b"0" * 400 + b"}")], "finite number as a"),
        ([("1.png", encoded(0)), ("1.json", b'{"label": [1]}')], "a number or a name as label"),
        ([("1.png", encoded(0)), ("1.cls", b"0"), ("2.png", b""), ("2.json", b'{"label": "a"}')], "got both"),
        ([("1.png", encoded(0)), ("1.cls", b"-7")], "labels from 0 up"),
        ([("1.txt", b"no image")], "expected images in the shard"),
    ],
)
def test_mistakes_in_a_shard_name_it(tmp_path: Path, members: list, words: str) -> None:
    write(tmp_path / "a.tar", members)
    with pytest.raises(DataError) as caught:
        blocks(everything(tmp_path / "a.tar"))
    assert words in str(caught.value) and "a.tar" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "options", "kind", "words"),
    [
        ("/no/such/*.tar", {}, DataError, "found none"),
        ("/no/such/a.tar", {}, DataError, "found none"),
        ("nothing://a.tar", {}, DataError, "cannot look for shards"),
        ("a-{5..2}.tar", {}, DataError, "such as {000..009}"),
        ("a-{0..99999}-{0..99999}.tar", {}, DataError, "at most 1,000,000"),
        ("{a,b}/x.tar", {}, DataError, "x.tar twice"),
        ("x.tar", {"count": 3}, UsageError, "come by the shard"),
        ("x.tar", {"rows": 0}, UsageError, "rows"),
        ("x.tar", {"colour": 0}, UnknownNameError, "option of tar"),
    ],
)
def test_mistakes_in_the_call_are_one_line(place: str, options: dict, kind: type[LatentlabError], words: str) -> None:
    with pytest.raises(kind) as caught:
        stream_data(f"tar:{place}", **{"image": SPEC, "rows": 2, "split": "all", **options})
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_patterns_stand_for_shards_in_order(tmp_path: Path) -> None:
    assert expand("memory://x/{a,bc}-{08..11}.tar") == [
        f"memory:///x/{letter}-{number:02}.tar" for letter in ("a", "bc") for number in range(8, 12)
    ]
    for name in ("b.tar", "a.tar"):
        (tmp_path / name).touch()
    assert [Path(place).name for place in expand(f"{tmp_path}/*.tar")] == ["a.tar", "b.tar"]


def test_shards_may_lie_wherever_fsspec_reaches() -> None:
    import fsspec

    with fsspec.open("memory://shards/a.tar", "wb") as file:
        file.write(packed({"1.png": encoded(0)}))
    assert [list(block.ids) for block in blocks(everything("memory://shards/a*.tar"))] == [["a/1"]]


def test_a_shard_is_never_all_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    content = encoded(0, "png", (200, 200))
    write(tmp_path / "a.tar", {f"{row:04}.png": content for row in range(300)})
    (piece,) = everything(tmp_path / "a.tar").pieces
    # What is imported by the first image is no matter.
    next(piece.read(4))
    tracemalloc.start()
    count = sum(len(block) for block in piece.read(4))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 300 and peak < (tmp_path / "a.tar").stat().st_size / 4


def test_what_was_passed_over_is_forgotten(tmp_path: Path) -> None:
    """Shards may have members by the hundred thousand."""
    import tracemalloc

    members = {f"{row:06}.txt": b"" for row in range(8_000)}
    write(tmp_path / "a.tar", {"a.png": encoded(0), **members, "b.png": encoded(1)})
    (piece,) = everything(tmp_path / "a.tar").pieces
    next(piece.read(1))
    tracemalloc.start()
    count = sum(len(block) for block in piece.read(4))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 2 and peak < 10**6
