"""Pairs of ONNX files through onnxruntime, and what is looked at before it reads them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from latentlab.checkpoints.foreign import Claims, onnx_pair
from latentlab.checkpoints.foreign.onnx_pair import check_graph
from latentlab.checkpoints.foreign.protobuf import fields
from latentlab.editing.walk import walk_evenly
from latentlab.errors import CapabilityError, FileFormatError
from latentlab.latents.encode import codec_has_posterior, decode_latents, encode_images
from latentlab.latents.energy import decoder_energy
from latentlab.report.live import trace_program
from tests.checkpoints.foreign.networks import holding, images

onnx = pytest.importorskip("onnx")
LATENT, SIDE = 3, 6
WEIGHT = np.random.default_rng(0).normal(size=(SIDE * SIDE, 2 * LATENT)).astype(np.float32)


def node(kind: str, given: str, made: str, **attributes: Any) -> Any:
    return onnx.helper.make_node(kind, given.split(), made.split(), **attributes)


def value(name: str, *shape: int | str) -> Any:
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)


def saved(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], **weights: np.ndarray) -> Path:
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = onnx.helper.make_graph(nodes, "g", inputs, outputs, tensors)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return path


def encoder(path: Path, *, both: bool = True, flat: bool = False, rows: int | str = "n") -> Path:
    """x ↦ x W, cut in two halves where `both`."""
    nodes = [node("MatMul", "x W", "m")] if flat else [node("Flatten", "x", "f"), node("MatMul", "f W", "m")]
    given = value("x", "n", SIDE * SIDE) if flat else value("x", rows, 1, SIDE, SIDE)
    if not both:
        return saved(path, nodes, [given], [value("m", "n", 2 * LATENT)], W=WEIGHT)
    nodes.append(node("Split", "m s", "a b", axis=1))
    outputs = [value("a", "n", LATENT), value("b", "n", LATENT)]
    return saved(path, nodes, [given], outputs, W=WEIGHT, s=np.array([LATENT, LATENT]))


def decoder(path: Path, size: int = LATENT, *, flat: bool = False) -> Path:
    """z ↦ sigmoid(z V)."""
    nodes = [node("MatMul", "z V", "m"), node("Sigmoid", "m", "f")]
    made = value("f", "n", SIDE * SIDE)
    if not flat:
        nodes.append(node("Reshape", "f shape", "y"))
        made = value("y", "n", 1, SIDE, SIDE)
    shape = {} if flat else {"shape": np.array([-1, 1, SIDE, SIDE])}
    return saved(path, nodes, [value("z", "n", size)], [made], V=WEIGHT.T[:size].copy(), **shape)


def opened(*files: Path, **claims: Any) -> Any:
    pytest.importorskip("onnxruntime")
    return onnx_pair.read(holding(*files, container="onnx"), Claims(**claims))


def reference(x: Tensor) -> Tensor:
    return x.flatten(1) @ torch.from_numpy(WEIGHT)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("flat", [False, True])
def test_a_pair_is_a_latent_model(tmp_path: Path, swapped: bool, flat: bool):
    files = [encoder(tmp_path / "a.onnx", flat=flat), decoder(tmp_path / "b.onnx", flat=flat)]
    found = opened(*(files[::-1] if swapped else files))
    model, x = found.module, images((1, SIDE, SIDE))
    assert (model.image.shape, model.latent.size, model.config.origin) == ((1, SIDE, SIDE), LATENT, "onnx")
    mean, logvar = reference(x).chunk(2, dim=1)
    torch.testing.assert_close(model.encode(x), mean, rtol=0, atol=1e-5)
    torch.testing.assert_close(model.posterior(x).logvar, logvar.clamp(-30, 20), rtol=0, atol=1e-5)
    wanted = torch.sigmoid(mean @ torch.from_numpy(WEIGHT.T[:LATENT])).reshape(-1, 1, SIDE, SIDE)
    torch.testing.assert_close(model.decode(mean), wanted, rtol=0, atol=1e-5)
    z = encode_images(model, x.numpy())
    assert decode_latents(model, z).shape == x.shape
    assert "a.onnx encodes" in found.told[0]


def test_without_a_log_variance_it_is_a_codec(tmp_path: Path):
    model = opened(encoder(tmp_path / "a.onnx", both=False), decoder(tmp_path / "b.onnx", 2 * LATENT)).module
    assert not codec_has_posterior(model) and model.latent.size == 2 * LATENT


@pytest.mark.parametrize("rows", [1, 4])
def test_one_that_was_exported_for_so_many_at_once_takes_any_number(tmp_path: Path, rows: int):
    model = opened(encoder(tmp_path / "a.onnx", rows=rows), decoder(tmp_path / "b.onnx")).module
    x = images((1, SIDE, SIDE), count=6)
    torch.testing.assert_close(model.encode(x), reference(x)[:, :LATENT], rtol=0, atol=1e-5)


def test_what_needs_gradients_says_so(tmp_path: Path):
    model = opened(encoder(tmp_path / "a.onnx"), decoder(tmp_path / "b.onnx")).module
    ends = np.eye(2, LATENT, dtype=np.float32)
    with pytest.raises(CapabilityError, match="got ONNX, which has none"):
        walk_evenly(ends, 5, "geodesic", lambda z: decode_latents(model, z), energy=decoder_energy(model))
    with pytest.raises(CapabilityError, match="live decoder"):
        trace_program(model)


def test_one_file_alone_is_refused_with_the_way_out(tmp_path: Path):
    with pytest.raises(CapabilityError, match="got 1 file; put both into a folder"):
        onnx_pair.read(holding(decoder(tmp_path / "b.onnx"), container="onnx"), Claims())


def test_two_of_a_kind_are_no_pair(tmp_path: Path):
    with pytest.raises(CapabilityError, match="expected an encoder of images and a decoder"):
        opened(decoder(tmp_path / "a.onnx"), decoder(tmp_path / "b.onnx", 2))


def test_without_onnxruntime_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    files = holding(encoder(tmp_path / "a.onnx"), decoder(tmp_path / "b.onnx"), container="onnx")
    with pytest.raises(CapabilityError, match=r"pip install 'latentlab\[onnx\]'"):
        onnx_pair.read(files, Claims())


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "a/b", "", "missing.data"])
def test_numbers_that_lie_elsewhere_are_refused(tmp_path: Path, location: str):
    (tmp_path / "secret").write_bytes(b"0" * 1000)
    folder = tmp_path / "model"
    folder.mkdir()
    path = encoder(folder / "a.onnx")
    model = onnx.load(str(path))
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], location=location)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(FileFormatError, match="expected its numbers in it or in a file beside it"):
        check_graph(path)


def test_numbers_beside_it_are_taken(tmp_path: Path):
    path = encoder(tmp_path / "a.onnx")
    onnx.save_model(
        onnx.load(str(path)), str(path), save_as_external_data=True, location="a.onnx.data", size_threshold=100
    )
    check_graph(path)
    model = opened(path, decoder(tmp_path / "b.onnx")).module
    x = images((1, SIDE, SIDE))
    torch.testing.assert_close(model.encode(x), reference(x)[:, :LATENT], rtol=0, atol=1e-5)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    path = encoder(folder / "a.onnx")
    onnx.save_model(onnx.load(str(path)), str(path), save_as_external_data=True, location="d", size_threshold=100)
    (folder / "d").rename(tmp_path / "d")
    (folder / "d").symlink_to(tmp_path / "d")
    with pytest.raises(FileFormatError, match="a file beside it, got 'd'"):
        check_graph(path)


def test_files_that_are_not_whole(tmp_path: Path):
    whole = encoder(tmp_path / "a.onnx").read_bytes()
    broken = tmp_path / "broken.onnx"
    draw = random.Random(0)
    for _ in range(300):
        changed = bytearray(whole)
        for _ in range(draw.randrange(1, 4)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        broken.write_bytes(changed[: draw.randrange(len(changed) // 2, len(changed))])
        try:
            check_graph(broken)
        except FileFormatError as error:
            assert "\n" not in str(error)
    broken.write_bytes(whole[:-1])
    with pytest.raises(FileFormatError, match="no whole ONNX file"):
        check_graph(broken)


def test_messages_are_read_by_their_fields():
    message = bytes([8, 150, 1, 18, 3]) + b"abc" + bytes([29, 1, 2, 3, 4])
    assert [(n, v if isinstance(v, int) else bytes(v)) for n, v in fields(memoryview(message))] == [
        (1, 150),
        (2, b"abc"),
        (3, b"\1\2\3\4"),
    ]
    for cut in (b"\x08", b"\x12\x05ab", b"\x0b", b"\x08" + b"\xff" * 11):
        with pytest.raises(ValueError, match=r"message|number"):
            list(fields(memoryview(cut)))
