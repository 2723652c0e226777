"""Tables on disk: what is written comes back, whatever its parts, and what is broken is said."""

from __future__ import annotations

import errno
import json
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentlab.codec import Block
from latentlab.errors import DataError, FileFormatError, LatentlabError
from latentlab.latents.store import open_latents
from latentlab.latents.store.manifest import MANIFEST, TablePlan, read_plan
from latentlab.latents.store.part import MEAN, Counted, read_part, vectors
from latentlab.latents.store.place import Place
from latentlab.latents.store.sidecar import sidecar_name
from latentlab.latents.store.stored import StoredLatents
from latentlab.latents.table import Latents
from latentlab.statistics.covariance import fit_covariance


def table(n: int = 300, size: int = 4, seed: int = 0) -> Latents:
    rng = np.random.default_rng(seed)
    return Latents(
        rng.normal(size=(n, size)).astype(np.float32),
        rng.normal(size=(n, size)).astype(np.float32),
        np.array([f"ü/{i}.png" for i in range(n)]),
        "all",
        ("cat", "dog"),
        rng.integers(-1, 2, n),
        {
            "smile": np.where(rng.random(n) < 0.2, np.nan, rng.integers(0, 2, n)).astype(np.float32),
            "tilt": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)).astype(np.float32),
        },
    )


def same(ours: Latents, theirs: Latents) -> None:
    for name in ("mean", "logvar", "ids", "labels"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert list(ours.attributes) == list(theirs.attributes)
    for name in ours.attributes:
        np.testing.assert_array_equal(ours.attributes[name], theirs.attributes[name])
    assert (ours.classes, dict(ours.thresholds)) == (theirs.classes, dict(theirs.thresholds))


@pytest.mark.parametrize("part_rows", [1, 7, 300])
def test_what_is_written_comes_back(write_table, part_rows: int) -> None:
    latents = table(60 if part_rows == 1 else 300)
    stored = open_latents(write_table(latents, part_rows=part_rows))
    assert (len(stored), stored.size, stored.checkpoint) == (len(latents), 4, "")
    same(stored.take(np.arange(len(latents))), latents)
    blocks = list(stored.blocks(64))
    assert max(map(len, blocks)) <= 64
    np.testing.assert_array_equal(np.concatenate([block.logvar for block in blocks]), latents.logvar)
    np.testing.assert_array_equal(np.concatenate(list(stored.means(5))), latents.mean)
    np.testing.assert_array_equal(stored.labels(), latents.labels)
    assert list(stored.ids()) == list(latents.ids)
    for name in ("smile", "tilt", "dog"):
        np.testing.assert_array_equal(stored.truth(name), latents.truth(name))
    assert stored.verify() == []


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.integers(0, 299), max_size=40))
def test_rows_come_in_the_order_in_which_they_are_asked_for(hundreds: Path, rows: list[int]) -> None:
    same(open_latents(hundreds).take(rows), table().take(np.array(rows, np.int64)))


@pytest.fixture(scope="module")
def hundreds(write_table) -> Path:
    return write_table(table(), part_rows=70)


def test_rows_that_are_not_there_are_refused(hundreds: Path) -> None:
    with pytest.raises(DataError, match="rows from 0 to 299, got 300"):
        open_latents(hundreds).take([3, 300])
    with pytest.raises(LatentlabError, match="unknown attribute"):
        open_latents(hundreds).attribute("dog")


def test_a_part_is_read_where_it_lies(hundreds: Path) -> None:
    buffer = Place(str(hundreds)).buffer("part-00001.arrow")
    plan = read_plan(Place(str(hundreds)))
    found = vectors(read_part(buffer, plan, "x"), MEAN, 4)
    assert buffer.address <= found.ctypes.data < buffer.address + buffer.size
    assert not found.flags.writeable


def test_sums_over_parts_are_those_over_rows(hundreds: Path) -> None:
    stored, latents = open_latents(hundreds), table()
    assert stored.summary.count == 300
    np.testing.assert_allclose(stored.covariance().center, fit_covariance(latents.mean).center, atol=1e-6)
    with_ = stored.summary.whole().counts()[1]
    assert with_.tolist() == [int((latents.truth("tilt") == kind).sum()) for kind in (0, 1)]


def test_columns_are_typed_as_they_are_said(hundreds: Path) -> None:
    import pyarrow as pa

    with pa.memory_map(str(hundreds / "part-00000.arrow")) as file:
        schema = pa.ipc.open_file(file).schema
    assert schema.names == ["id", "split", "label", "attribute.smile", "attribute.tilt", "mean", "logvar"]
    assert schema.field("attribute.smile").type == pa.bool_()
    assert schema.field("attribute.tilt").type == pa.float32()
    assert schema.field("mean").type.list_size == 4
    assert schema.field("label").nullable and not schema.field("mean").nullable


def broken(hundreds: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(hundreds, tmp_path / "broken"))


def test_what_is_missing_cut_or_flipped_is_found(hundreds: Path, tmp_path: Path) -> None:
    folder = broken(hundreds, tmp_path)
    (folder / "part-00000.arrow").unlink()
    cut = folder / "part-00001.arrow"
    cut.write_bytes(cut.read_bytes()[:-100])
    flipped = folder / "part-00002.arrow"
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 1
    flipped.write_bytes(content)
    (folder / sidecar_name("part-00003.arrow")).unlink()
    faults = {fault.part: fault.reason for fault in open_latents(folder).verify()}
    assert list(faults) == [f"part-0000{i}.arrow" for i in range(4)]
    assert faults["part-00000.arrow"] == "is missing"
    assert "cut short" in faults["part-00001.arrow"]
    assert faults["part-00002.arrow"] == "has other bytes than were written"
    with pytest.raises(FileFormatError, match="cut short: encode again"):
        open_latents(folder).take(np.arange(100, 140))


def test_a_part_of_another_table_is_refused(hundreds: Path, tmp_path: Path, write_table) -> None:
    folder = broken(hundreds, tmp_path)
    other = write_table(table(70, size=5))
    (folder / "part-00000.arrow").write_bytes((other / "part-00000.arrow").read_bytes())
    with pytest.raises(FileFormatError, match="of another table"):
        open_latents(folder).take([0])
    (folder / "part-00000.sidecar").write_bytes((other / "part-00000.sidecar").read_bytes())
    with pytest.raises(FileFormatError, match="got one of another"):
        _ = open_latents(folder).summary


@pytest.mark.parametrize("cut", [0, 4, 40, 400])
def test_a_sidecar_that_is_cut_is_refused(hundreds: Path, tmp_path: Path, cut: int) -> None:
    folder = broken(hundreds, tmp_path)
    path = folder / "part-00000.sidecar"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(FileFormatError, match="encode again with --resume"):
        _ = open_latents(folder).summary


def test_what_is_no_table_says_so(tmp_path: Path, write_table) -> None:
    with pytest.raises(FileFormatError, match="got no manifest"):
        open_latents(tmp_path)
    with pytest.raises(FileFormatError, match="got no manifest"):
        open_latents(tmp_path / "nowhere")
    with pytest.raises(FileFormatError, match="encoding has not finished; go on with --resume"):
        open_latents(write_table(table(10), whole=False))
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(FileFormatError, match="not JSON"):
        open_latents(tmp_path)
    (tmp_path / MANIFEST).write_text("[]")
    with pytest.raises(FileFormatError, match="got something else"):
        open_latents(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 99}, "expected version 1"),
        ({"plan": {}}, "it was edited"),
        ({"parts": [{"name": "x"}]}, "it was edited"),
        ({"parts": "x"}, "it was edited"),
    ],
)
def test_an_edited_manifest_is_refused(hundreds: Path, tmp_path: Path, change: dict, said: str) -> None:
    folder = broken(hundreds, tmp_path)
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, **change}))
    with pytest.raises(FileFormatError, match=said):
        open_latents(folder)


def test_a_table_of_another_checkpoint_is_refused(write_table) -> None:
    folder = write_table(table(10), checkpoint="a" * 64)
    assert open_latents(folder, "a" * 64).checkpoint == "a" * 64
    with pytest.raises(FileFormatError, match=r"latents of checkpoint bbbbbbbbbbbb, got .* of aaaaaaaaaaaa \(mine\)"):
        open_latents(folder, "b" * 64)
    # Nobody knows what made adopted latents: they go with any model.
    assert open_latents(write_table(table(10)), "b" * 64).checkpoint == ""


def test_plans_tell_their_differences() -> None:
    from latentlab.codec import Block

    one = TablePlan("a", "c", "fit-1", (Block("z", (2,)),), "x", "all")
    other = TablePlan("a", "c", "fit-2", (Block("z", (2,)),), "x", "test")
    assert one.digest != other.digest
    assert one.differences(other) == ["preprocessing: fit-1, not fit-2", "split: all, not test"]


def test_an_empty_part_is_a_part(tmp_path: Path) -> None:
    from latentlab.codec import Block
    from latentlab.latents.store import Manifest
    from latentlab.latents.store.manifest import write_manifest
    from latentlab.latents.store.write import write_part

    place = Place(str(tmp_path / "t"))
    like = table(10)
    plan = TablePlan(
        "m",
        "",
        "",
        (Block("z", (4,)),),
        "x",
        "all",
        like.classes,
        True,
        tuple(like.attributes),
        like.thresholds,
        pieces=2,
    )
    parts = [write_part(place, plan, number, like.take(np.arange(count)), "x") for number, count in enumerate((10, 0))]
    write_manifest(place, Manifest(plan, tuple(parts)))
    stored = open_latents(place.url)
    assert (len(stored), stored.verify()) == (10, [])
    same(stored.take(np.arange(10)), like)
    assert stored.summary.count == 10


def test_sums_that_were_changed_are_refused(hundreds: Path, tmp_path: Path) -> None:
    folder = broken(hundreds, tmp_path)
    path = folder / "part-00001.sidecar"
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="other sums than were written"):
        _ = open_latents(folder).summary
    assert [fault.part for fault in open_latents(folder).verify()] == ["part-00001.arrow"]


@pytest.mark.parametrize(
    "change",
    [{"rows": -1}, {"name": "../x/part-00000.arrow"}, {"name": "/etc/passwd"}, {"name": "part-00001.arrow"}],
)
def test_parts_that_no_table_has_are_refused(hundreds: Path, tmp_path: Path, change: dict) -> None:
    folder = broken(hundreds, tmp_path)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["parts"][0] |= change
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(FileFormatError, match="it was edited"):
        open_latents(folder)
    (folder / MANIFEST).write_text(json.dumps({**manifest, "parts": []}))
    with pytest.raises(FileFormatError, match="each once, got 0; it was edited"):
        open_latents(folder)
    with pytest.raises(FileFormatError, match="expected the folder of a table, got the file"):
        open_latents(folder / MANIFEST)


def test_names_that_are_no_text_are_written_out() -> None:
    from latentlab.latents.store.part import id_text

    assert id_text("a\udcff.png") == "a\\xff.png"
    assert id_text("ü \n.png") == "ü \n.png"


def test_a_part_counts_only_when_it_is_there(hundreds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from latentlab.latents.store.write import write_part

    place, plan = Place(str(broken(hundreds, tmp_path))), read_plan(Place(str(hundreds)))
    before, left = place.read("part-00001.arrow"), 1_000

    def full(self: Counted, content: bytes) -> int:
        nonlocal left
        if (left := left - memoryview(content).nbytes) < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, content)

    write = Counted.write
    monkeypatch.setattr(Counted, "write", full)
    with pytest.raises(LatentlabError, match="the disk is full"):
        write_part(place, plan, 1, table(70), "x")
    # The part that stood there before is whole, but not even its sidecar vouches for it.
    assert left < 0 and place.read("part-00001.arrow") == before
    assert sidecar_name("part-00001.arrow") not in place.names()
    assert not [path for path in place.path.iterdir() if path.name.endswith(".part")]


def test_a_part_is_written_without_a_second_copy_of_it(tmp_path: Path) -> None:
    import pyarrow as pa

    from latentlab.latents.store.write import write_part

    rng = np.random.default_rng(0)
    latents = replace(table(20_000), mean=rng.normal(size=(20_000, 64)).astype(np.float32), logvar=None)
    plan = TablePlan(
        "x", "", "", (Block("z", (64,)),), "x", latents.split, latents.classes, labelled=latents.labels is not None,
        attributes=tuple(latents.attributes), thresholds=latents.thresholds, posterior=False,
    )  # fmt: skip
    place = Place(str(tmp_path))
    held = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        entry = write_part(place, plan, 0, latents, "x")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert entry.bytes > latents.mean.nbytes == 5_120_000
    assert peak < 4_500_000, "names as Python has them, and what the sums of some rows need"
    assert pa.total_allocated_bytes() == held
    assert zlib.crc32(place.read(entry.name)) == entry.crc32 and place.size(entry.name) == entry.bytes


def test_a_sidecar_of_another_part_is_refused(hundreds: Path, tmp_path: Path) -> None:
    folder = broken(hundreds, tmp_path)
    (folder / "part-00001.sidecar").write_bytes((folder / "part-00000.sidecar").read_bytes())
    with pytest.raises(FileFormatError, match="got one of another"):
        _ = open_latents(folder).summary


@pytest.mark.parametrize("kind", ["local", "memory"])
def test_places_are_alike(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("fsspec")
    place = Place(str(tmp_path / "t") if kind == "local" else f"memory://{tmp_path.name}/t")
    assert (place.names(), place.size("a"), place.is_remote) == (set(), -1, kind == "memory")
    place.write("a", b"abc")
    place.write("a", b"abcd")
    assert (place.names(), place.size("a"), place.read("a")) == ({"a"}, 4, b"abcd")
    assert place.buffer("a").to_pybytes() == b"abcd"
    place.remove("a")
    place.remove("a")
    with pytest.raises(FileFormatError, match="cannot read"):
        place.read("a")
    with pytest.raises(FileFormatError, match="cannot read"):
        place.buffer("a")
    with place.locked():
        pass


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    place = Place(str(tmp_path))
    with place.locked(), pytest.raises(LatentlabError, match="got another process that is"), place.locked():
        pass
    with place.locked():
        pass


def test_a_url_that_nothing_opens_is_one_line() -> None:
    with pytest.raises(LatentlabError, match="URL that fsspec can open"):
        open_latents("nonsense://bucket/latents")


def test_of_a_store_rows_of_many_parts_are_taken_a_part_at_a_time(
    hundreds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"memory://{tmp_path.name}/table"
    for file in hundreds.iterdir():
        with fsspec.open(f"{url}/{file.name}", "wb") as copy:
            copy.write(file.read_bytes())
    asked = []
    picked = StoredLatents._picked
    monkeypatch.setattr(
        StoredLatents, "_picked", lambda self, numbers, within: asked.append(numbers) or picked(self, numbers, within)
    )
    rows = [290, 3, 75, 290, 141, 0]
    same(open_latents(url).take(rows), table().take(np.array(rows)))
    same(open_latents(hundreds).take(rows), table().take(np.array(rows)))
    assert asked == [[0], [1], [2], [4], [0, 1, 2, 4]]
