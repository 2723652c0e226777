from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from latentlab.codec import ImageSpec
from latentlab.nn import MLP, NETWORKS, Conv, Residual
from latentlab.nn.activation import ACTIVATIONS, build_activation
from latentlab.nn.pyramid import build_down, build_up, halvings
from latentlab.nn.residual import ResidualBlock


@settings(deadline=None, max_examples=60)
@given(height=st.integers(1, 40), width=st.integers(1, 40), times=st.integers(0, 5))
def test_every_size_comes_back_from_its_halvings(height: int, width: int, times: int):
    image = ImageSpec(1, height, width)
    if min(height, width) <= 2 ** (times - 1):
        with pytest.raises(ValueError, match=r"^channels: expected at most \d+ stages"):
            halvings(image, times)
        return
    sizes = halvings(image, times)
    x = torch.zeros(1, 1, height, width)
    for size in sizes[1:]:
        x = build_down(1, 1)(x)
        assert x.shape[2:] == size
    for size in reversed(sizes[:-1]):
        x = build_up(1, 1, size)(x)
        assert x.shape[2:] == size


def test_an_even_size_is_painted_evenly():
    """The overlap of neighbouring kernels is what leaves a chequerboard; here every inner pixel is met as often."""
    layer = build_up(1, 1, (16, 16))
    nn.init.ones_(layer.weight)
    nn.init.zeros_(layer.bias)
    assert layer(torch.ones(1, 1, 8, 8))[0, 0, 2:-2, 2:-2].unique().numel() == 1


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_built_new(name: str):
    first, second = build_activation(name), build_activation(name)
    assert first is not second
    assert torch.isfinite(first(torch.linspace(-20, 20, 9))).all()


def test_a_residual_block_begins_as_the_identity():
    x = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(ResidualBlock(3, "silu")(x), x)


@pytest.mark.parametrize(
    ("network", "weights"),
    [
        # 784-400-d and back, with biases.
        (MLP(hidden=(400,)), 784 * 400 + 400 + (20 * 400 + 400 + 400 * 784 + 784)),
        (MLP(hidden=()), 20 * 784 + 784),
        # 3×3 down, 4×4 up to 28 and 14.
        (
            Conv(channels=(2, 3), hidden=0),
            (9 * 2 + 2 + 9 * 6 + 3) + (20 * 147 + 147) + (16 * 6 + 2) + (16 * 2 + 1),
        ),
    ],
)
def test_the_number_of_weights(network: MLP | Conv, weights: int):
    image = ImageSpec(1, 28, 28)
    encoder, width = network.build_encoder(image)
    decoder = network.build_decoder(20, image)
    assert sum(p.numel() for part in (encoder, decoder) for p in part.parameters()) == weights
    assert encoder(torch.zeros(2, 1, 28, 28)).shape == (2, width)


@pytest.mark.parametrize(
    ("kind", "options", "key"),
    [
        (MLP, {"hidden": (0,)}, "hidden"),
        (MLP, {"hidden": (65_537,)}, "hidden"),
        (MLP, {"hidden": (1,) * 65}, "hidden"),
        (Conv, {"channels": ()}, "channels"),
        (Conv, {"channels": (8, 0)}, "channels"),
        (Conv, {"channels": (1,) * 17}, "channels"),
        (Conv, {"hidden": -1}, "hidden"),
        (Conv, {"hidden": 10**100}, "hidden"),
        (Residual, {"blocks": (1,)}, "blocks"),
        (Residual, {"blocks": (1, -1)}, "blocks"),
        (Residual, {"blocks": (1, 10**9)}, "blocks"),
        (Residual, {"blocks": (1,) * 10**6}, "blocks"),
        (Residual, {"channels": (10**6, 1)}, "channels"),
        (Residual, {"head": 0}, "head"),
        (Residual, {"head": 10**6}, "head"),
    ],
)
def test_sizes_that_no_network_has_are_refused_in_a_line(kind: type, options: dict, key: str):
    with pytest.raises(ValueError, match=f"^{key}: expected") as caught:
        kind(**options)
    assert len(str(caught.value)) < 150 and "\n" not in str(caught.value)


def test_the_registry_is_by_kind():
    assert {name: network().kind for name, network in NETWORKS.items()} == {name: name for name in NETWORKS}
