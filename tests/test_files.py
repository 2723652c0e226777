from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from latentlab.errors import FileFormatError, LatentlabError
from latentlab.files import read_json, write_bytes, write_json, write_text


def test_what_is_written_is_read_and_folders_are_made(tmp_path: Path):
    path = tmp_path / "a" / "b" / "c.json"
    assert write_json(path, {"é": [1, None, 0.1]}) == path
    assert read_json(path) == {"é": [1, None, 0.1]}
    write_text(path, "[]")
    assert read_json(path) == []
    assert [p.name for p in path.parent.iterdir()] == ["c.json"]


def fail(code: int):
    def broken(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    return broken


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize(("code", "says"), [(errno.ENOSPC, "disk is full"), (errno.EIO, "input/output error")])
def test_a_failed_write_leaves_the_earlier_file_and_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int, says: str
):
    path = write_bytes(tmp_path / "file", b"earlier")
    monkeypatch.setattr(os, step, fail(code))
    with pytest.raises(LatentlabError, match=says) as caught:
        write_bytes(path, b"later")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert path.read_bytes() == b"earlier"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_an_interrupted_write_leaves_the_earlier_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write_bytes(tmp_path / "file", b"earlier")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(path, b"later")
    assert path.read_bytes() == b"earlier"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_places_that_cannot_be_written_say_so_in_a_line(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file" / "below", tmp_path, tmp_path / ("n" * 300), tmp_path / ("n" * 300) / "below"):
        with pytest.raises(LatentlabError, match=r"^cannot write .*; choose another folder") as caught:
            write_bytes(path, b"x")
        assert "\n" not in str(caught.value)


def test_a_folder_without_the_right_to_look_into_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # As root no folder refuses, so the refusal is played.
    monkeypatch.setattr("builtins.open", fail(errno.EACCES))
    monkeypatch.setattr(Path, "unlink", fail(errno.EACCES))
    with pytest.raises(LatentlabError, match="permission denied"):
        write_bytes(tmp_path / "file", b"x")


def test_nan_is_no_json_and_leaves_nothing(tmp_path: Path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", float("nan"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_not_json(tmp_path: Path, content: bytes):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="is not JSON"):
        read_json(path)


def test_a_json_file_that_is_not_there(tmp_path: Path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(FileFormatError, match="cannot read"):
            read_json(path)
