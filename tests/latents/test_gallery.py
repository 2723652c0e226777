from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from latentlab.errors import FileFormatError
from latentlab.latents.gallery import read_gallery, write_gallery
from latentlab.latents.table import Latents

HASH = "ab" * 32


def full(count: int = 4) -> Latents:
    generator = np.random.default_rng(0)
    return Latents(
        mean=generator.standard_normal((count, 3), dtype=np.float32),
        logvar=generator.standard_normal((count, 3), dtype=np.float32),
        ids=np.array([f"mnist/{row}" for row in range(count)]),
        split="validation",
        classes=("0", "é", "two words"),
        labels=np.arange(count) % 3 - 1,
        attributes={"smile": np.array([0, 1, np.nan, 0.5] * count)[:count], "a.b/c": np.ones(count)},
        loss=generator.random(count, dtype=np.float32),
    )


def assert_equal(first: Latents, second: Latents) -> None:
    for name in ("mean", "logvar", "labels", "loss"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert (first.split, first.classes) == (second.split, second.classes)
    assert first.ids.tolist() == second.ids.tolist()
    assert set(first.attributes) == set(second.attributes)
    assert first.thresholds == second.thresholds
    for name, values in first.attributes.items():
        np.testing.assert_array_equal(np.float32(values), second.attributes[name])


def test_what_is_written_is_read(tmp_path: Path):
    path = write_gallery(tmp_path / "gallery.safetensors", full(), HASH)
    read = read_gallery(path, HASH)
    assert_equal(full(), read)
    assert read.mean.dtype == np.float32 and read.labels is not None and read.labels.dtype == np.int64


def test_what_is_not_known_stays_unknown(tmp_path: Path):
    bare = Latents(np.zeros((2, 3), np.float32)[:, ::-1], None, np.array(["a", "b"]))
    read = read_gallery(write_gallery(tmp_path / "g", bare, HASH), HASH)
    assert read.logvar is read.labels is read.loss is None and not read.attributes and read.classes == ()


def test_scores_are_split_where_those_of_the_whole_table_were(tmp_path: Path):
    lent = replace(full(4), thresholds={"smile": 0.75}).take(np.array([1, 3]))
    np.testing.assert_array_equal(lent.truth("smile"), [1, 0])
    read = read_gallery(write_gallery(tmp_path / "g", lent, HASH), HASH)
    assert read.thresholds == {"smile": 0.75}
    np.testing.assert_array_equal(read.truth("smile"), [1, 0])


def test_a_gallery_from_before_thresholds_is_read(tmp_path: Path):
    header = {"format": "latentlab-gallery", "checkpoint": HASH, "split": "test", "classes": [], "ids": list("abc")}
    arrays = {"mean": np.zeros((3, 1), np.float32), "attribute.smile": np.array([1, 2, 3], np.float32)}
    path = tmp_path / "g"
    path.write_bytes(save(arrays, {"latentlab": json.dumps(header)}))
    np.testing.assert_array_equal(read_gallery(path, HASH).truth("smile"), [0, 0, 1])


def test_the_same_table_is_the_same_bytes(tmp_path: Path):
    first, second = (write_gallery(tmp_path / name, full(), HASH).read_bytes() for name in "ab")
    assert first == second


def test_the_gallery_of_another_checkpoint_is_refused(tmp_path: Path):
    path = write_gallery(tmp_path / "g", full(), HASH)
    with pytest.raises(
        FileFormatError, match="expected the gallery of checkpoint cdcdcdcdcdcd, got that of abababababab"
    ):
        read_gallery(path, "cd" * 32)


def test_a_gallery_that_is_cut_short_foreign_or_not_there(tmp_path: Path):
    path = write_gallery(tmp_path / "g", full(), HASH)
    content = path.read_bytes()
    for damaged in [content[:n] for n in range(0, len(content), 61)] + [b"# text" * 40, content + b"\0"]:
        path.write_bytes(damaged)
        with pytest.raises(FileFormatError):
            read_gallery(path, HASH)
    path.write_bytes(save({"mean": np.zeros((1, 1), np.float32)}))
    with pytest.raises(FileFormatError, match="expected a latentlab-gallery"):
        read_gallery(path, HASH)
    with pytest.raises(FileFormatError, match="cannot be read as a gallery"):
        read_gallery(tmp_path / "none", HASH)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=6), children, max_size=3),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(["format", "checkpoint", "split", "classes", "ids", "thresholds", None]), value=json_values)
def test_an_edited_header_is_refused_or_is_a_table(key: str | None, value: Any, tmp_path: Path):
    header: Any = {"format": "latentlab-gallery", "checkpoint": HASH, "split": "test", "classes": [], "ids": ["a"]}
    header = {**header, key: value} if key else value
    path = tmp_path / "g"
    arrays = {"mean": np.zeros((1, 2), np.float32), "attribute.smile": np.full(1, 2, np.float32)}
    path.write_bytes(save(arrays, {"latentlab": json.dumps(header)}))
    try:
        assert len(read_gallery(path, HASH)) == 1
    except FileFormatError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("lost", ["mean", "ids", "rows"])
def test_a_gallery_that_lacks_something(tmp_path: Path, lost: str):
    path = write_gallery(tmp_path / "g", full(), HASH)
    arrays = load(path.read_bytes())
    header = {"format": "latentlab-gallery", "checkpoint": HASH, "split": "test", "classes": [], "ids": list("abcd")}
    if lost == "ids":
        del header["ids"]
    else:
        arrays = {k: v for k, v in arrays.items() if k != "mean"} if lost == "mean" else {**arrays, "loss": np.ones(3)}
    path.write_bytes(save(arrays, {"latentlab": json.dumps(header)}))
    with pytest.raises(FileFormatError):
        read_gallery(path, HASH)
