"""Masked convolutions see what they say they see, all at once and pixel by pixel."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from latentlab.nn.masked import GatedBlock, MaskedConv2d, seen_offsets, seen_window


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("kernel", "centre", "count"), [(1, True, 1), (3, False, 4), (3, True, 5), (7, False, 24)])
def test_a_kernel_sees_what_is_read_before(kernel: int, centre: bool, count: int):
    offsets = seen_offsets(kernel, centre)
    assert len(offsets) == len(set(offsets)) == count
    assert all(row < 0 or (row == 0 and column < centre) for row, column in offsets)
    assert all(max(-row, abs(column)) <= kernel // 2 for row, column in offsets)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("centre", [False, True])
def test_it_is_a_convolution_with_a_mask(kernel: int, centre: bool):
    """The usual way: a square kernel of which all but the pixels before are multiplied by 0."""
    torch.manual_seed(0)
    layer = MaskedConv2d(2, 3, kernel, centre)
    square = torch.zeros(3, 2, kernel, kernel)
    mask = torch.zeros(kernel, kernel)
    mask[: kernel // 2] = 1
    mask[kernel // 2, : kernel // 2 + centre] = 1
    square[:, :, mask == 1] = layer.weight.detach()
    x = noise(2, 2, 6, 4)
    nn.init.constant_(layer.bias, 0.3)
    torch.testing.assert_close(layer(x), F.conv2d(x, square, layer.bias, padding=kernel // 2))


@settings(deadline=None, max_examples=25)
@given(
    kernels=st.lists(st.sampled_from([1, 3, 5]), max_size=3),
    first=st.sampled_from([3, 5]),
    height=st.integers(3, 9),
    width=st.integers(3, 9),
)
def test_gradients_reach_the_window_and_nothing_else(kernels: list[int], first: int, height: int, width: int):
    layers = [MaskedConv2d(1, 1, first, centre=False), *(MaskedConv2d(1, 1, kernel, True) for kernel in kernels)]
    for layer in layers:
        # Positive weights: what is seen on several ways must not cancel.
        nn.init.uniform_(layer.weight, 0.5, 1.0)
    x = noise(1, 1, height, width).requires_grad_()
    y = nn.Sequential(*layers)(x)
    window = seen_window([layer.offsets for layer in layers])
    reach = len(window) - 1
    assert window.shape == (reach + 1, 2 * reach + 1)
    assert reach == first // 2 + sum(kernel // 2 for kernel in kernels)
    row, column = height - 1, width // 2
    (slope,) = torch.autograd.grad(y[0, 0, row, column], x)
    wanted = torch.zeros(height, width, dtype=torch.bool)
    for up, across in window.nonzero().tolist():
        at, beside = row - reach + up, column - reach + across
        if 0 <= at < height and 0 <= beside < width:
            wanted[at, beside] = True
    assert torch.equal(slope[0, 0] != 0, wanted)
    assert not wanted[row, column:].any()


def test_the_blind_spot_of_small_kernels_is_in_the_window():
    """Steps of one row each can go only one column to the right: the far right above is not seen."""
    window = seen_window([seen_offsets(3, False), seen_offsets(3, True), seen_offsets(3, True)])
    assert [int(row.sum()) for row in window] == [7, 6, 5, 3]
    assert window[0].all() and not window[1, 6] and not window[2, 5:].any()


@pytest.mark.parametrize(("kernel", "centre"), [(1, True), (3, False), (5, True)])
def test_pixel_by_pixel_it_is_the_same(kernel: int, centre: bool):
    torch.manual_seed(0)
    layer = MaskedConv2d(2, 3, kernel, centre)
    x = noise(4, 2, 6, 5)
    reach = layer.reach
    padded = F.pad(x, (reach, reach, reach, 0))
    whole = layer(x)
    for row, column in ((0, 0), (3, 2), (5, 4)):
        seen = [padded[:, :, row + reach + down, column + reach + right] for down, right in layer.offsets]
        torch.testing.assert_close(layer.at(torch.cat(seen, dim=1)), whole[:, :, row, column])


def test_a_gated_block_at_single_pixels():
    torch.manual_seed(0)
    block = GatedBlock(4, 1, "silu")
    h = noise(2, 4, 3, 3)
    alone = block.at(h[:, :, 1, 2], block.activation(h[:, :, 1, 2]))
    torch.testing.assert_close(block(h)[:, :, 1, 2], alone)
    given = F.silu(h)
    gated = block.content(given) * torch.sigmoid(block.gate(given))
    torch.testing.assert_close(block(h), h + block.mix(gated))
