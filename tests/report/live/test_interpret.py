"""The plain reading of a program, held to the table's own words for what torch has no name for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from latentlab.errors import DataError
from latentlab.report.live import Filled, fill, run, trace_program

RANDOM = np.random.default_rng(0)


def filled(ops: list[dict[str, Any]], size: int, shape: list[int], weights: list[np.ndarray] | None = None) -> Filled:
    entries, blob = [], b""
    for weight in weights or []:
        entries.append({"type": "float32", "offset": len(blob), "rows": len(weight), "columns": weight[0].size})
        blob += weight.astype("<f4").tobytes()
    slot = ops[-1]["y"]
    inputs = [{"slot": 0, "name": "z", "size": size}]
    output = {"slot": slot, "shape": shape}
    return Filled({"version": 1, "inputs": inputs, "output": output, "ops": ops, "weights": entries}, blob)


def once(op: dict[str, Any], size: int, n: int, weights: list[np.ndarray] | None = None) -> tuple[Any, Any]:
    """What one operation makes of two latents: (latents, results)."""
    z = RANDOM.standard_normal((2, size)).astype(np.float32)
    return z, run(filled([{"x": 0, "y": 1, **op}], size, [1, 1, n], weights), z).reshape(2, n)


def test_a_slice_takes_a_part_of_every_row():
    z, y = once({"op": "slice", "outer": 3, "size": 5, "start": 1, "length": 2}, 15, 6)
    np.testing.assert_array_equal(y, [[row[o * 5 + 1 + i] for o in range(3) for i in range(2)] for row in z])


def test_a_concatenation_goes_row_by_row():
    ops = [
        {"op": "slice", "x": 0, "y": 1, "outer": 1, "size": 10, "start": 0, "length": 4},
        {"op": "slice", "x": 0, "y": 2, "outer": 1, "size": 10, "start": 4, "length": 6},
        {"op": "concat", "xs": [1, 2, 1], "y": 3, "sizes": [2, 3, 2], "outer": 2},
    ]
    z = np.arange(10, dtype=np.float32)[None]
    y = run(filled(ops, 10, [1, 2, 7]), z)[0, 0]
    np.testing.assert_array_equal(y, [[0, 1, 4, 5, 6, 0, 1], [2, 3, 7, 8, 9, 2, 3]])


def test_an_expansion_repeats_each_value_and_then_all():
    z, y = once({"op": "expand", "size": 3, "inner": 2, "n": 14}, 3, 14)
    np.testing.assert_array_equal(y, [[row[i // 2 % 3] for i in range(14)] for row in z])


@pytest.mark.parametrize("name", ["add", "mul", "sub", "keep"])
def test_a_smaller_second_value_is_repeated(name: str):
    ops = [
        {"op": "slice", "x": 0, "y": 1, "outer": 1, "size": 12, "start": 2, "length": 3},
        {"op": name, "x": 0, "z": 1, "y": 2, "n": 12, "inner": 2, "size": 3},
    ]
    z = RANDOM.standard_normal((2, 12)).astype(np.float32)
    z[0, 3] = 0
    other = np.stack([[row[2 + i // 2 % 3] for i in range(12)] for row in z])
    wanted = {"add": z + other, "mul": z * other, "sub": z - other, "keep": np.where(other != 0, z, 0)}[name]
    np.testing.assert_array_equal(run(filled(ops, 12, [1, 1, 12]), z).reshape(2, 12), wanted)


def test_what_is_not_kept_is_zero_even_where_it_is_no_number():
    ops = [
        {"op": "activation", "kind": "less", "low": 0.5, "x": 0, "y": 1, "n": 3},
        {"op": "activation", "kind": "reciprocal", "x": 0, "y": 2, "n": 3},
        {"op": "keep", "x": 2, "z": 1, "y": 3, "n": 3},
    ]
    y = run(filled(ops, 3, [1, 1, 3]), np.array([[-2.0, 0.25, np.nan]]))
    np.testing.assert_array_equal(y.reshape(3), [-0.5, 4.0, 0.0])
    ops[0] |= {"low": -1e9}
    assert (run(filled(ops, 3, [1, 1, 3]), np.array([[0.0, 1.0, np.inf]])) == 0).all()


def test_a_scale_has_a_factor_and_an_offset_a_channel():
    a, b = np.array([2.0, 3.0]), np.array([0.5, -1.0])
    z, y = once({"op": "scale", "a": 0, "b": 1, "channels": 2, "inner": 3}, 6, 6, [a, b])
    np.testing.assert_allclose(y, z * np.repeat(a, 3) + np.repeat(b, 3), rtol=1e-6)


def test_a_group_norm_is_of_groups_of_channels():
    a, b = RANDOM.standard_normal((2, 4))
    op = {"op": "group_norm", "a": 0, "b": 1, "channels": 4, "inner": 3, "groups": 2, "eps": 0.1}
    z, y = once(op, 12, 12, [a, b])
    groups = z.reshape(2, 2, 6)
    normed = (groups - groups.mean(axis=2, keepdims=True)) / np.sqrt(groups.var(axis=2, keepdims=True) + 0.1)
    np.testing.assert_allclose(y, normed.reshape(2, 12) * np.repeat(a, 3) + np.repeat(b, 3), atol=1e-5)


def test_a_linear_layer_takes_vectors_that_lie_one_after_the_other():
    w, b = RANDOM.standard_normal((4, 3)), RANDOM.standard_normal(4)
    z, y = once({"op": "linear", "w": 0, "b": 1, "rows": 4, "columns": 3, "count": 2}, 6, 8, [w, b])
    np.testing.assert_allclose(y, (z.reshape(2, 2, 3) @ w.T + b).reshape(2, 8), atol=1e-5)


def test_a_convolution_reads_each_value_of_a_small_image_several_times():
    kernel = np.zeros((1, 9))
    kernel[0, 4] = 1
    op = {"op": "conv2d", "w": 0, "b": 1, "in": [1, 2, 2], "out": [1, 6, 6], "kernel": [3, 3], "stride": [1, 1]}
    op |= {"padding": [1, 1], "dilation": [1, 1], "up": 3}
    z, y = once(op, 4, 36, [kernel, np.zeros(1)])
    np.testing.assert_array_equal(y.reshape(2, 6, 6), z.reshape(2, 2, 2).repeat(3, 1).repeat(3, 2))


def test_latents_come_as_arrays_or_tensors(cases):
    decoder = cases["by-class"].build()
    program = fill(trace_program(decoder), decoder.state_dict(), "float32")
    z, y = decoder.inputs(3)
    wanted = run(program, z, y)
    assert wanted.dtype == np.float32 and wanted.shape == (3, *decoder.image.shape)
    np.testing.assert_array_equal(run(program, z.double().requires_grad_(), y.numpy()), wanted)
    np.testing.assert_array_equal(run(program, z.numpy(), y[:, None].numpy()), wanted)


@pytest.mark.parametrize(
    "name, given, named",
    [
        ("linear", (torch.zeros(2, 3),), r"expected z of shape \(n, 12\), got \(2, 3\)"),
        ("linear", (torch.zeros(12),), r"expected z of shape \(n, 12\), got \(12,\)"),
        ("linear", (torch.zeros(2, 12), torch.zeros(2)), "expected no condition"),
        ("by-class", (torch.zeros(2, 12),), "expected a condition for this decoder, got none"),
        ("by-class", (torch.zeros(2, 12), torch.tensor([0, 5])), "expected classes from 0 to 4, got 0 to 5"),
        ("by-class", (torch.zeros(2, 12), torch.tensor([-1, 0])), "expected classes from 0 to 4, got -1 to 0"),
        ("by-class", (torch.zeros(2, 12), torch.tensor([0.5, 1])), "expected classes"),
        ("by-class", (torch.zeros(2, 12), torch.tensor([1])), "a condition for each latent, got 1 and 2 rows"),
        ("by-attributes", (torch.zeros(2, 12), torch.zeros(2)), r"expected condition of shape \(n, 3\), got \(2,\)"),
    ],
)
def test_what_does_not_fit_is_refused(cases, name: str, given: tuple, named: str):
    decoder = cases[name].build()
    program = fill(trace_program(decoder), decoder.state_dict(), "float32")
    with pytest.raises(DataError, match=named):
        run(program, *given)
