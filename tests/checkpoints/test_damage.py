"""Whatever has happened to a checkpoint, it is refused in one line or it is the same model."""

from __future__ import annotations

import json
import pickle
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from latentlab.checkpoints import read_checkpoint
from latentlab.checkpoints.native import LONGEST_HEADER
from latentlab.errors import FileFormatError
from latentlab.models import VAE

LONGEST_MESSAGE = 4_000


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(FileFormatError) as caught:
        read_checkpoint(path)
    text = str(caught.value)
    assert text.startswith((str(path), f"cannot read {path}")) and "\n" not in text and len(text) < LONGEST_MESSAGE
    return text


def refused_or_equal(path: Path, content: bytes, model: VAE) -> None:
    path.write_bytes(content)
    try:
        read = read_checkpoint(path)
    except FileFormatError as error:
        assert "\n" not in str(error)
        return
    assert read.model.config == model.config
    for key, tensor in model.state_dict().items():
        assert torch.equal(read.model.state_dict()[key], tensor)


def test_cut_short_anywhere(whole: bytes, path: Path, cut: Any):
    header = 8 + cut(whole).length
    places = {0, 1, 7, 8, 9, 8 + header // 2, header - 1, header, header + 1, len(whole) - 4, len(whole) - 1}
    places |= set(range(10, len(whole), 97))
    for place in sorted(places):
        refusal(path, whole[:place])
    refusal(path, whole + b"\0")
    refusal(path, whole[1:])


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit(data: st.DataObject, whole: bytes, model: VAE, path: Path):
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    refused_or_equal(path, bytes(content), model)


def test_every_flipped_weight_is_noticed(whole: bytes, path: Path, cut: Any):
    start = 8 + cut(whole).length
    for place in range(start, len(whole), 41):
        content = bytearray(whole)
        content[place] ^= 4
        assert "changed after training" in refusal(path, bytes(content))


FOREIGN: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is not a whole safetensors file"),
    "text": (lambda: b"# a README, and no checkpoint\n" * 40, "with a header of at most"),
    "picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(500), "with a header of at most"),
    "pickle": (lambda: pickle.dumps({"a": 1}) * 9, "with a header of at most"),
    "zip of torch.save": (lambda: b"PK\x03\x04" + bytes(4) + b"archive/data.pkl" * 9, "with a header of at most"),
    "safetensors of others": (lambda: save({"w": torch.zeros(2)}), "without latentlab's header"),
    "theirs, with metadata": (lambda: save({"w": torch.zeros(2)}, {"format": "pt"}), "without latentlab's header"),
    "a gallery": (
        lambda: save({"mean": torch.zeros(2, 2)}, {"latentlab": '{"format": "latentlab-gallery"}'}),
        "expected a latentlab-checkpoint, got 'latentlab-gallery'",
    ),
    "a list": (lambda: save({"w": torch.zeros(2)}, {"latentlab": "[]"}), "got something else"),
    "no JSON": (lambda: save({"w": torch.zeros(2)}, {"latentlab": "{"}), "its header is not JSON"),
    "deep JSON": (lambda: save({"w": torch.zeros(2)}, {"latentlab": "[" * 100_000}), "its header is not JSON"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files(name: str, path: Path):
    build, says = FOREIGN[name]
    assert says in refusal(path, build())


def test_a_pickle_is_never_run(path: Path, tmp_path: Path):
    trace = tmp_path / "ran"

    class Trap:
        def __reduce__(self):
            return (Path.touch, (trace,))

    refusal(path, pickle.dumps(Trap()))
    torch.save({"model": Trap()}, path)
    refusal(path, path.read_bytes())
    assert not trace.exists()


EDITS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "version": (lambda h: h.update(version=2), "expected checkpoint version 1, got 2; a newer latentlab"),
    "no model": (lambda h: h.pop("model"), "model: expected a table, got None"),
    "no family": (lambda h: h["model"].pop("family"), "model.family: missing; expected vae or autoencoder"),
    "other family": (lambda h: h["model"].update(family="autoencoder"), "missing: to_code.bias, to_code.weight"),
    "unknown family": (lambda h: h["model"].update(family="vea"), "did you mean vae?"),
    "unknown key": (lambda h: h["model"].update(latnet=3), "model.latnet: unknown key; did you mean latent?"),
    "larger latent": (lambda h: h["model"].update(latent=3), "of another shape: decoder.0.weight, to_posterior.bias"),
    "latent as text": (lambda h: h["model"].update(latent="2"), "model.latent: expected a whole number, got '2'"),
    "latent of 0": (lambda h: h["model"].update(latent=0), "latent: expected 1 to 65536, got 0"),
    "absurd latent": (lambda h: h["model"].update(latent=10**12), "latent: expected 1 to 65536"),
    "absurd digits": (lambda h: h["model"].update(latent=10**4000), "a number of 4001 digits"),
    "absurd image": (lambda h: h["model"]["image"].update(height=10**9), "sides of at most 4096"),
    "no image": (lambda h: h["model"]["image"].update(channels=2), "1 or 3 channels"),
    "absurd hidden": (lambda h: h["model"].update(network={"kind": "mlp", "hidden": [1] * 10**6}), "got 1000000"),
    "absurd widths": (lambda h: h["model"].update(network={"kind": "mlp", "hidden": [65536] * 64}), "and 212 more"),
    "absurd blocks": (
        lambda h: h["model"].update(network={"kind": "residual", "channels": [1], "blocks": [10**9]}),
        "blocks: expected numbers from 0 to 64, got [1000000000]",
    ),
    "absurd stages": (lambda h: h["model"]["network"].update(channels=[4] * 10**5), "got 100000"),
    "many stages": (lambda h: h["model"]["network"].update(channels=[4] * 9), "at most 3 stages for 6×5 grey"),
    "many mistakes": (lambda h: h["model"]["network"].update(channels=["x"] * 10**5), "and 99995 more"),
    "infinite sigma": (lambda h: h["model"]["likelihood"].update(sigma=float("inf")), "sigma: expected a number"),
    "fixed sigma": (lambda h: h["model"]["likelihood"].update(sigma=0.5), "unexpected: observe.log_sigma"),
    "no hash": (lambda h: h.pop("hash"), "expected hash None"),
    "other hash": (lambda h: h.update(hash="0" * 64), "expected hash 000000000000"),
    "other activation": (lambda h: h["model"]["network"].update(activation="gelu"), "changed after training"),
    "other ink": (lambda h: h["model"]["image"].update(ink="dark"), "changed after training"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_header(name: str, whole: bytes, path: Path, cut: Any):
    edit, says = EDITS[name]
    file = cut(whole)
    ours = file.ours
    edit(ours)
    file.ours = ours
    assert says in (text := refusal(path, file.content())), text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=6),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=6), children, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_anywhere_in_the_header(data: st.DataObject, whole: bytes, model: VAE, path: Path, cut: Any):
    file = cut(whole)
    ours = file.ours
    place = ours
    while True:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(json_values)
    file.ours = ours
    refused_or_equal(path, file.content(), model)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_edit_of_the_list_of_tensors(data: st.DataObject, whole: bytes, model: VAE, path: Path, cut: Any):
    file = cut(whole)
    name = data.draw(st.sampled_from(sorted(set(file.header) - {"__metadata__"})))
    what = data.draw(st.sampled_from(["dtype", "shape", "data_offsets", "name", "remove"]))
    if what == "remove":
        del file.header[name]
    elif what == "name":
        file.header[data.draw(st.text(max_size=5)) or "x"] = file.header.pop(name)
    else:
        numbers = st.lists(st.integers(-1, 2**64), max_size=4)
        types = st.sampled_from(["F64", "F32", "BF16", "F16", "I32", "U8", "BOOL", "F8_E4M3", "C64", "X"])
        file.header[name][what] = data.draw(types if what == "dtype" else numbers)
    refused_or_equal(path, file.content(), model)


def test_missing_and_unexpected_weights_are_all_listed(whole: bytes, path: Path, model: VAE, cut: Any):
    tensors = dict(model.state_dict())
    del tensors["encoder.0.weight"], tensors["decoder.0.bias"]
    tensors |= {"extra.weight": torch.zeros(2), "another": torch.zeros(1), "to_posterior.bias": torch.zeros(5)}
    text = refusal(path, save(tensors, {"latentlab": json.dumps(cut(whole).ours)}))
    assert "missing: decoder.0.bias, encoder.0.weight; unexpected: another, extra.weight; of another shape" in text
    assert text.endswith("to_posterior.bias")


def test_weights_of_another_type(whole: bytes, path: Path, model: VAE, cut: Any):
    tensors = {name: tensor.half() for name, tensor in model.state_dict().items()}
    text = refusal(path, save(tensors, {"latentlab": json.dumps(cut(whole).ours)}))
    assert "as torch.float32, got torch.float16" in text


@pytest.mark.parametrize("length", [LONGEST_HEADER + 1, 99_999_999, 2**40, 2**63, 2**64 - 1])
def test_an_absurd_length_costs_neither_time_nor_memory(length: int, whole: bytes, path: Path):
    refusal_of_absurd(path, length.to_bytes(8, "little") + whole[8:])


def test_a_long_header_is_refused_before_it_is_read(whole: bytes, path: Path, cut: Any):
    file = cut(whole)
    ours = file.ours
    ours["about"]["note"] = "x" * LONGEST_HEADER
    file.ours = ours
    assert "with a header of at most" in refusal(path, file.content())


def test_a_claim_of_huge_tensors_costs_neither_time_nor_memory(whole: bytes, path: Path, cut: Any):
    file = cut(whole)
    file.header["encoder.0.weight"] = {"dtype": "F32", "shape": [2**20, 2**20], "data_offsets": [0, 2**42]}
    refusal_of_absurd(path, file.content())
    file = cut(whole)
    ours = file.ours
    ours["model"]["network"] = {"kind": "residual", "channels": [65536] * 3, "blocks": [64] * 3, "hidden": 65536}
    ours["model"]["image"] |= {"height": 4096, "width": 4096}
    file.ours = ours
    refusal_of_absurd(path, file.content())


def refusal_of_absurd(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    tracemalloc.start()
    began = time.perf_counter()
    try:
        with pytest.raises(FileFormatError) as caught:
            read_checkpoint(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < LONGEST_MESSAGE
    assert peak < 30e6
    assert time.perf_counter() - began < 20
