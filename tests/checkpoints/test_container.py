"""What lies at a path: files of torch and safetensors as torch itself reads them, and nothing that a file orders."""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from latentlab.checkpoints.container import open_container
from latentlab.checkpoints.torch_file import MAPPED
from latentlab.errors import FileFormatError


def weights() -> dict[str, Tensor]:
    matrix = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    return {
        "plain": matrix,
        "view": matrix[1:3],
        "turned": matrix.t(),
        "every second": matrix[::2, ::2],
        "half": matrix.half(),
        "brain": matrix.bfloat16(),
        "double": matrix.double(),
        "whole": torch.tensor(5),
        "empty": torch.zeros(0, 3),
        "parameter": nn.Parameter(matrix.clone()),
        "scalar": torch.tensor(2.5),
    }


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_torch_file_is_what_torch_reads(legacy: bool, protocol: int, tmp_path: Path):
    path = tmp_path / "w.pt"
    torch.save(weights(), path, _use_new_zipfile_serialization=not legacy, pickle_protocol=protocol)
    part = open_container(path).parts[0]
    assert (part.container, part.under) == ("torch", "")
    for name, tensor in weights().items():
        assert part.tensors[name].dtype == tensor.dtype and torch.equal(part.tensors[name], tensor), name


WRAPPED: dict[str, tuple[Callable[[dict[str, Tensor]], Any], str, dict[str, Any]]] = {
    "state_dict": (lambda w: {"state_dict": w, "epoch": 3}, "state_dict", {"epoch": 3}),
    "model_state_dict": (lambda w: {"model_state_dict": w, "loss": 0.5}, "model_state_dict", {"loss": 0.5}),
    "model": (lambda w: {"step": torch.tensor(3), "model": w}, "model", {}),
    "parallel": (lambda w: {"module." + name: tensor for name, tensor in w.items()}, "", {}),
    "compiled": (lambda w: {"state_dict": {"module._orig_mod." + n: t for n, t in w.items()}}, "state_dict", {}),
    "with a namespace": (
        lambda w: {"state_dict": w, "hyper_parameters": argparse.Namespace(latent=4, sizes=[1, (2, 3)])},
        "state_dict",
        {"hyper_parameters": {"latent": 4, "sizes": [1, [2, 3]]}},
    ),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_weights_are_found_where_trainers_put_them(name: str, tmp_path: Path):
    wrap, under, beside = WRAPPED[name]
    torch.save(wrap({"a.weight": torch.ones(2), "b.weight": torch.zeros(3)}), tmp_path / "w.pt")
    part = open_container(tmp_path / "w.pt").parts[0]
    assert part.under == under and part.beside == beside
    assert {key: tensor.tolist() for key, tensor in part.tensors.items()} == {"a.weight": [1, 1], "b.weight": [0, 0, 0]}


def test_a_table_of_state_dicts(tmp_path: Path):
    parts = {"encoder": nn.Linear(2, 3).state_dict(), "decoder": nn.Linear(3, 2).state_dict(), "optimizer": {"a": {}}}
    torch.save(parts, tmp_path / "w.pt")
    names = {"encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"}
    assert set(open_container(tmp_path / "w.pt").tensors) == names


def test_a_large_file_is_mapped(tmp_path: Path):
    torch.save({"w": torch.arange(MAPPED // 4 + 1000, dtype=torch.float32)}, tmp_path / "w.pt")
    tensor = open_container(tmp_path / "w.pt").tensors["w"]
    assert tensor[-1] == MAPPED // 4 + 999
    tensor[0] = 7
    assert open_container(tmp_path / "w.pt").tensors["w"][0] == 0


def test_safetensors(tmp_path: Path):
    save_file({"module.a": torch.ones(2), "module.b": torch.zeros(1)}, tmp_path / "w.bin", {"format": "pt"})
    part = open_container(tmp_path / "w.bin").parts[0]
    assert part.container == "safetensors" and list(part.tensors) == ["a", "b"] and part.beside == {"format": "pt"}


def test_programs_are_recognised(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "p.pt", "w") as archive:
        for name in ("p/code/__torch__.py", "p/constants.pkl", "p/data.pkl"):
            archive.writestr(name, b"")
    assert open_container(tmp_path / "p.pt").parts[0].container == "torchscript"
    with zipfile.ZipFile(tmp_path / "e.pt2", "w") as archive:
        archive.writestr("e/archive_format", b"pt2")
    assert open_container(tmp_path / "e.pt2").parts[0].container == "exported"
    (tmp_path / "o.onnx").write_bytes(b"\x08\x08\x12\x07pytorch")
    assert open_container(tmp_path / "o.onnx").parts[0].container == "onnx"


def refusal(path: Path) -> str:
    with pytest.raises(FileFormatError) as caught:
        open_container(path)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 1000 and str(path.parent) in text
    return text


class Runs:
    """A pickle that would make a file when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return (Path.touch, (self.trace,))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_a_whole_module_is_refused_with_what_to_do(legacy: bool, inside: bool, tmp_path: Path):
    module = nn.Sequential(nn.Linear(2, 2))
    torch.save({"model": module} if inside else module, tmp_path / "m.pt", _use_new_zipfile_serialization=not legacy)
    says = refusal(tmp_path / "m.pt")
    assert "a whole module (torch.nn.modules.container.Sequential)" in says
    assert "save model.state_dict() instead, or give --loader module:factory" in says


def test_nothing_in_a_file_is_run(tmp_path: Path):
    trace = tmp_path / "ran"
    for index, value in enumerate((Runs(trace), {"a": Runs(trace)}, [Runs(trace)])):
        for legacy in (False, True):
            torch.save(value, tmp_path / f"{index}.pt", _use_new_zipfile_serialization=not legacy)
            refusal(tmp_path / f"{index}.pt")
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Runs(trace)))
    assert "bare pickle" in refusal(tmp_path / "bare.pt")
    torch.save({"a.weight": torch.ones(2), "callback": Runs(trace)}, tmp_path / "beside.pt")
    assert list(open_container(tmp_path / "beside.pt").tensors) == ["a.weight"]
    assert not trace.exists()


def entries(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rezip(path: Path, content: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def test_archives_that_are_none_of_torch(tmp_path: Path):
    torch.save({"w": torch.zeros(1000)}, tmp_path / "w.pt")
    bomb = entries(tmp_path / "w.pt")
    assert "an entry of 4000 bytes in a file of" in refusal(rezip(tmp_path / "bomb.pt", bomb, zipfile.ZIP_DEFLATED))
    torch.save({"w": torch.rand(1000)}, tmp_path / "w.pt")
    whole = entries(tmp_path / "w.pt")
    assert "compressed entry" in refusal(rezip(tmp_path / "bomb.pt", whole, zipfile.ZIP_DEFLATED))
    assert "points out of it" in refusal(rezip(tmp_path / "out.pt", {**whole, "w/../../x": b""}))
    assert "points out of it" in refusal(rezip(tmp_path / "abs.pt", {**whole, "/etc/x": b""}))
    assert "no torch checkpoint" in refusal(rezip(tmp_path / "other.pt", {"a/readme": b"", "b": b""}))
    assert "without its entry" in refusal(
        rezip(tmp_path / "less.pt", {name: data for name, data in whole.items() if "data/0" not in name})
    )
    assert "byte order" in refusal(rezip(tmp_path / "big.pt", {**whole, "w/byteorder": b"big"}))
    assert open_container(rezip(tmp_path / "again.pt", whole)).tensors["w"].shape == (1000,)


class Pickled:
    """A pickle step by step."""

    def __init__(self) -> None:
        self.out = io.BytesIO()
        self.out.write(b"\x80\x02")

    def text(self, value: str) -> bytes:
        return b"X" + len(value).to_bytes(4, "little") + value.encode()

    def number(self, value: int) -> bytes:
        size = value.bit_length() // 8 + 1
        return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)

    def tensor(self, name: str, count: int, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> bytes:
        stored = b"(" + self.text("storage") + b"ctorch\nFloatStorage\n" + self.text("0") + self.text("cpu")
        stored += self.number(count) + b"tQ"
        shape = b"(" + b"".join(map(self.number, size)) + b"t(" + b"".join(map(self.number, stride)) + b"t"
        call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + stored + self.number(offset) + shape + b"\x89}tR"
        return b"}" + self.text(name) + call + b"s."


CLAIMS: dict[str, tuple[int, tuple[int, ...], tuple[int, ...], int]] = {
    "more numbers than there are": (2**40, (4,), (1,), 0),
    "a tensor of repeated numbers": (8, (2**20, 2**20), (0, 0), 0),
    "a stride out of it": (8, (4,), (2**40,), 0),
    "an offset out of it": (8, (4,), (1,), 6),
    "a negative size": (8, (-1,), (1,), 0),
    "fewer strides than sizes": (8, (2, 2), (1,), 0),
    "forty dimensions": (8, (1,) * 40, (1,) * 40, 0),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_tensor_is_no_larger_than_its_numbers(name: str, tmp_path: Path):
    torch.save({"w": torch.zeros(8)}, tmp_path / "w.pt")
    whole = entries(tmp_path / "w.pt")
    count, size, stride, offset = CLAIMS[name]
    whole["w/data.pkl"] = b"\x80\x02" + Pickled().tensor("w", count, size, stride, offset)
    refusal(rezip(tmp_path / "x.pt", whole))
    whole["w/data.pkl"] = b"\x80\x02" + Pickled().tensor("w", 8, (2, 4), (4, 1))
    assert open_container(rezip(tmp_path / "y.pt", whole)).tensors["w"].shape == (2, 4)


PICKLES: dict[str, bytes] = {
    "an allocation": b"cbuiltins\nbytearray\n\x8a\x06\x00\x00\x00\x00\x00\x01\x85R.",
    "a system call": b"cos\nsystem\nX\x04\x00\x00\x00true\x85R.",
    "a place in memory": b"}r\xff\xff\xff\xff.",
    "a long string": b"X\xff\xff\xff\xffab.",
    "deep lists": b"]" * 50_000 + b"a" * 49_999 + b".",
    "a deep key": b"}" + b")" + b"\x85" * 200_000 + b"K\x01s.",
    "many steps": b"]" + b"K\x010" * 800_000 + b".",
    "nothing": b"",
    "no end": b"}",
    "an empty stack": b"0.",
    "text of the first protocol": b"(dp0\nS'a'\np1\nI1\ns.",
    "itself": b"]q\x00h\x00a.",
}


@pytest.mark.parametrize("name", PICKLES)
def test_pickles_that_harm(name: str, tmp_path: Path):
    torch.save({"w": torch.zeros(8)}, tmp_path / "w.pt")
    whole = entries(tmp_path / "w.pt")
    whole["w/data.pkl"] = b"\x80\x02" + PICKLES[name]
    refusal(rezip(tmp_path / "x.pt", whole))


def test_a_legacy_file_that_lies(tmp_path: Path):
    path = tmp_path / "w.pt"
    torch.save({"w": torch.zeros(300)}, path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    place = whole.rindex((300).to_bytes(8, "little"))
    path.write_bytes(whole[:place] + (2**60).to_bytes(8, "little") + whole[place + 8 :])
    assert "whose numbers need" in refusal(path)
    path.write_bytes(whole[:-1])
    assert "whose numbers need" in refusal(path)


KINDS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no safetensors, torch checkpoint"),
    "text": (b"# a README\n" * 40, "no safetensors, torch checkpoint"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "web page": (b"\n<!DOCTYPE html><html>", "is a web page"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "is a picture"),
    "gzip": (b"\x1f\x8b\x08" + bytes(100), "gzip"),
    "header bomb": ((2**40).to_bytes(8, "little") + b"{" + bytes(100), "header of at most"),
    "cut zip": (b"PK\x03\x04" + bytes(100), "without its end"),
}


@pytest.mark.parametrize("name", KINDS)
def test_files_of_another_kind(name: str, tmp_path: Path):
    content, says = KINDS[name]
    (tmp_path / "x.pt").write_bytes(content)
    assert says in refusal(tmp_path / "x.pt")


def test_a_folder(tmp_path: Path):
    torch.save({"a.weight": torch.ones(2)}, tmp_path / "model.pt")
    torch.save({"old": torch.ones(2)}, tmp_path / "model-10.pt")
    (tmp_path / "specs.json").write_text(json.dumps({"latent_dim": 3}))
    (tmp_path / "notes.json").write_text("{")
    (tmp_path / "encoder.pkl").write_bytes(b"x")
    contents = open_container(tmp_path)
    assert list(contents.tensors) == ["a.weight"] and contents.json == {"specs.json": {"latent_dim": 3}}
    assert contents.others == ("encoder.pkl", "model-10.pt", "notes.json")
    assert open_container(tmp_path / "model.pt").json == contents.json
    (tmp_path / "specs.json").write_text("{")
    assert "is not JSON" in refusal(tmp_path)


def test_a_folder_does_not_reach_out_of_itself(tmp_path: Path):
    outside, folder = tmp_path / "outside.pt", tmp_path / "folder"
    folder.mkdir()
    torch.save({"a": torch.ones(2)}, outside)
    (folder / "model.pt").symlink_to(outside)
    assert "holds no weights" in refusal(folder)
    store = tmp_path / "models--a--b"
    (store / "blobs").mkdir(parents=True)
    (store / "snapshots" / "1").mkdir(parents=True)
    (store / "blobs" / "2").write_bytes(outside.read_bytes())
    (store / "snapshots" / "1" / "model.pt").symlink_to(store / "blobs" / "2")
    assert list(open_container(store / "snapshots" / "1").tensors) == ["a"]


def test_a_folder_of_a_pipeline_says_where_the_model_is(tmp_path: Path):
    (tmp_path / "vae").mkdir()
    assert f"give {tmp_path / 'vae'}" in refusal(tmp_path)
    for index in range(5):
        torch.save({"a": torch.ones(2)}, tmp_path / f"{index}.pt")
    assert "holds 5 files of weights; give one of them" in refusal(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.pt")
    assert "no regular file" in refusal(tmp_path / "pipe.pt")
    assert "cannot read" in refusal(tmp_path / "not there.pt")


def test_order_is_kept(tmp_path: Path):
    torch.save(OrderedDict((f"z{9 - i}", torch.zeros(1)) for i in range(9)), tmp_path / "w.pt")
    assert list(open_container(tmp_path / "w.pt").tensors) == [f"z{9 - i}" for i in range(9)]
