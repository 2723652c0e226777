"""Weights in few bits: the layout that a page reads, in closed form."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentlab.errors import FileFormatError, UsageError
from latentlab.report.live import Program, fill
from latentlab.report.live.program import Norm, Weight
from latentlab.report.live.weight import build_matrix, decode_weight


def program_of(*weights: Weight) -> Program:
    """A program that is nothing but weights: filling looks at no more."""
    return Program(({"slot": 0, "name": "z", "size": 1},), {"slot": 0, "shape": [1, 1, 1]}, (), weights)


def linear(rows: int, columns: int, source: str = "w") -> Weight:
    return Weight(rows, columns, "linear", source=source)


def test_bytes_stand_where_the_page_reads_them():
    # 150 columns: two whole blocks and one of 22; 300 rows, so that it is large enough for int8.
    torch.manual_seed(0)
    w = torch.randn(300, 150)
    w[7, 64:128] = 0
    filled = fill(program_of(linear(300, 150)), {"w": w}, "int8")
    assert filled.json["weights"] == [{"type": "int8", "offset": 0, "rows": 300, "columns": 150}]
    assert len(filled.blob) == 4 * 300 * 3 + 300 * 150
    for row, column in ((0, 0), (7, 70), (7, 128), (120, 63), (299, 149)):
        (scale,) = struct.unpack_from("<f", filled.blob, 4 * (row * 3 + column // 64))
        (byte,) = struct.unpack_from("<b", filled.blob, 4 * 300 * 3 + row * 150 + column)
        block = w[row, column // 64 * 64 : column // 64 * 64 + 64]
        assert scale == pytest.approx(float(block.abs().max()) / 127, rel=1e-6)
        assert byte * scale == pytest.approx(float(w[row, column]), abs=scale / 2 + 1e-9)
        assert -127 <= byte <= 127
    read = decode_weight(filled.json["weights"][0], filled.blob)
    steps = np.repeat(np.frombuffer(filled.blob, "<f4", 900).reshape(300, 3), 64, axis=1)[:, :150]
    assert (np.abs(read - w.numpy()) <= steps / 2 + 1e-9).all()
    assert (read[7, 64:128] == 0).all()


@pytest.mark.parametrize(
    "precision, rows, columns, expected",
    [
        ("int8", 100, 400, "int8"),
        ("int8", 100, 399, "float16"),
        ("int8", 32, 64, "float16"),
        ("int8", 23, 89, "float32"),
        ("float16", 32, 64, "float16"),
        ("float16", 23, 89, "float32"),
        ("float32", 100, 400, "float32"),
        ("int8", 50_000, 1, "float32"),
        ("float16", 50_000, 1, "float32"),
    ],
)
def test_small_weights_and_vectors_keep_their_bits(precision, rows: int, columns: int, expected: str):
    weight = linear(rows, columns) if columns > 1 else Weight(rows, 1, "vector", source="w")
    filled = fill(program_of(weight), {"w": torch.randn(rows, columns)}, precision)
    assert filled.json["weights"][0]["type"] == expected


def test_offsets_are_multiples_of_four_and_weights_follow_each_other():
    # 45,001 and 2,049 odd values: both end off a boundary.
    weights = {"a": torch.randn(11, 4091), "b": torch.randn(3, 683), "c": torch.randn(3)}
    program = program_of(linear(11, 4091, "a"), linear(3, 683, "b"), Weight(3, 1, "vector", source="c"))
    filled = fill(program, weights, "int8")
    entries = filled.json["weights"]
    assert [entry["type"] for entry in entries] == ["int8", "float16", "float32"]
    assert [entry["offset"] for entry in entries] == [0, 47_820, 51_920] and len(filled.blob) == 51_932
    np.testing.assert_array_equal(decode_weight(entries[2], filled.blob)[:, 0], weights["c"].numpy())
    np.testing.assert_array_equal(decode_weight(entries[1], filled.blob), weights["b"].half().float().numpy())


def test_numbers_beyond_half_precision_stay_single():
    w = torch.randn(64, 64)
    w[3, 3] = 70_000
    for precision in ("float16", "int8"):
        filled = fill(program_of(linear(64, 64)), {"w": w}, precision)
        np.testing.assert_array_equal(decode_weight(filled.json["weights"][0], filled.blob), w.numpy())


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.floats(1e-30, 1e30), st.integers(0, 2**31))
def test_int8_is_off_by_half_a_step_at_most(columns: int, size: float, seed: int):
    rows = math.ceil(40_000 / columns) if columns > 1 else 2
    w = (np.random.default_rng(seed).standard_normal((rows, columns)) * size).astype(np.float32)
    filled = fill(program_of(linear(rows, columns)), {"w": torch.from_numpy(w)}, "int8")
    read = decode_weight(filled.json["weights"][0], filled.blob)
    assert np.abs(read - w).max() <= np.abs(w).max() / 127 * 0.501


def test_layouts():
    w = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)
    state = {"w": w, "m": w[:, :, 0, 0], "v": torch.tensor([1.0, 2.0])}
    conv = build_matrix(Weight(2, 60, "conv", source="w"), state)
    assert conv[1, (2 * 4 + 3) * 5 + 1] == w[1, 2, 3, 1]
    transposed = build_matrix(Weight(3, 40, "transposed", source="w"), state)
    assert transposed[2, (3 * 5 + 4) * 2 + 1] == w[1, 2, 3, 4]
    np.testing.assert_array_equal(build_matrix(Weight(2, 3, "linear", source="m"), state), state["m"].numpy())
    np.testing.assert_array_equal(build_matrix(Weight(3, 2, "matrix", source="m"), state), state["m"].numpy().T)
    np.testing.assert_array_equal(build_matrix(Weight(6, 1, "vector", source="v"), state)[:, 0], [1, 2, 1, 2, 1, 2])
    np.testing.assert_array_equal(build_matrix(Weight(4, 1, "vector", value=(3.0,)), state)[:, 0], [3, 3, 3, 3])
    np.testing.assert_array_equal(build_matrix(Weight(2, 1, "vector"), state)[:, 0], [0, 0])
    np.testing.assert_array_equal(build_matrix(Weight(3, 3, "identity"), state), np.eye(3))
    value = build_matrix(Weight(2, 2, "linear", value=(1.0, 2.0, 3.0, 4.0)), state)
    np.testing.assert_array_equal(value, [[1, 2], [3, 4]])


def test_a_batch_norm_folds_into_weight_and_bias():
    torch.manual_seed(0)
    layer, norm = torch.nn.Linear(5, 4), torch.nn.BatchNorm1d(4, eps=0.1)
    with torch.no_grad():
        for name, tensor in norm.named_parameters():
            tensor.normal_(1.0 if name == "weight" else 0.0)
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    norm.eval()
    state = {**layer.state_dict(prefix="l."), **norm.state_dict(prefix="n.")}
    fold = Norm("n.running_mean", "n.running_var", 0.1, "n.weight", "n.bias")
    w = build_matrix(Weight(4, 5, "linear", source="l.weight", norm=fold), state)
    b = build_matrix(Weight(4, 1, "vector", source="l.bias", norm=fold), state)
    x = torch.randn(6, 5)
    wanted = norm(layer(x)).detach().numpy()
    np.testing.assert_allclose(x.numpy() @ w.T + b[:, 0], wanted, atol=1e-6)
    gain = build_matrix(Weight(4, 1, "gain", norm=fold), state)
    offset = build_matrix(Weight(4, 1, "vector", norm=fold), state)
    np.testing.assert_allclose(layer(x).detach().numpy() * gain[:, 0] + offset[:, 0], wanted, atol=1e-6)
    plain = Norm("n.running_mean", "n.running_var", 0.1)
    root = np.sqrt(norm.running_var.numpy() + 0.1)
    np.testing.assert_allclose(build_matrix(Weight(4, 1, "gain", norm=plain), state)[:, 0], 1 / root, rtol=1e-6)
    np.testing.assert_allclose(
        build_matrix(Weight(4, 1, "vector", norm=plain), state)[:, 0], -norm.running_mean.numpy() / root, rtol=1e-5
    )


@pytest.mark.parametrize(
    "weight, named",
    [
        (linear(2, 3, "gone"), "the tensor 'gone', got one without"),
        (linear(2, 4), r"'w' with 2 rows of 4 values, got shape \(2, 3\)"),
        (Weight(3, 2, "transposed", source="w"), "'w' with 3 rows of 2 values"),
        (Weight(3, 2, "transposed", source="four"), "'four' with 3 rows of 2 values"),
        (Weight(4, 1, "vector", source="v"), "'v' with a divisor of 4 values"),
        (Weight(2, 3, "linear", source="w", norm=Norm("v", "v", 0.1)), "'v' with 2 values"),
    ],
)
def test_weights_of_another_model_are_refused(weight: Weight, named: str):
    state = {"w": torch.ones(2, 3), "v": torch.ones(3), "four": torch.ones(3, 2, 1, 1)}
    with pytest.raises(FileFormatError, match=named):
        fill(program_of(weight), state, "float32")


def test_an_unknown_precision_is_refused():
    with pytest.raises(UsageError, match="expected precision int8, float16, float32, got 'int4'"):
        fill(program_of(), {}, "int4")  # type: ignore[arg-type]


def test_filling_needs_no_model_and_changes_nothing():
    w = torch.randn(40, 60, dtype=torch.float64, requires_grad=True)
    before = w.detach().clone()
    first = fill(program_of(linear(40, 60)), {"w": w}, "float16")
    assert first == fill(program_of(linear(40, 60)), {"w": w}, "float16") and torch.equal(w.detach(), before)
