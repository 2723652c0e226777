"""Convolutional networks between images and grids."""

from __future__ import annotations

import pytest
import torch

from latentlab.codec import ImageSpec
from latentlab.nn.grid import Grid


@pytest.mark.parametrize("image", [ImageSpec(1, 8, 8), ImageSpec(3, 9, 6), ImageSpec(1, 28, 28), ImageSpec(3, 5, 11)])
@pytest.mark.parametrize("blocks", [0, 2])
@pytest.mark.parametrize("channels", [(4,), (4, 6)])
def test_every_size_comes_back(image: ImageSpec, channels: tuple[int, ...], blocks: int):
    network = Grid(channels=channels, blocks=blocks)
    grid = network.build_encoder(image, 5)(torch.zeros(2, *image.shape))
    assert grid.shape == (2, 5, *network.size(image))
    assert network.build_decoder(5, image)(grid).shape == (2, *image.shape)


def test_a_place_sees_its_part_of_the_image_only():
    """Two stages and no block: 7×7 pixels, from 4k − 3 to 4k + 3."""
    torch.manual_seed(0)
    image = ImageSpec(1, 32, 32)
    encoder = Grid(channels=(4, 4), blocks=0).build_encoder(image, 3)
    x = torch.zeros(1, 1, 32, 32, requires_grad=True)
    encoder(x)[0, :, 4, 4].sum().backward()
    assert x.grad is not None
    seen = x.grad[0, 0].nonzero()
    assert seen.min(dim=0).values.tolist() == [13, 13] and seen.max(dim=0).values.tolist() == [19, 19]


def test_blocks_of_the_encoder_and_the_decoder():
    network = Grid(channels=(4,), blocks=3)
    names = [type(layer).__name__ for layer in network.build_encoder(ImageSpec(1, 8, 8), 2)]
    assert names == ["Conv2d", *3 * ["ResidualBlock"], "SiLU", "Conv2d"]
    names = [type(layer).__name__ for layer in network.build_decoder(2, ImageSpec(1, 8, 8))]
    assert names == ["Conv2d", *3 * ["ResidualBlock"], "SiLU", "ConvTranspose2d"]
    # Without blocks nothing linear follows something linear.
    for layers in (Grid(channels=(4,), blocks=0).build_encoder(ImageSpec(1, 8, 8), 2),
                   Grid(channels=(4,), blocks=0).build_decoder(2, ImageSpec(1, 8, 8))):  # fmt: skip
        assert [type(layer).__name__ for layer in layers][1] == "SiLU" and len(list(layers)) == 3


@pytest.mark.parametrize(
    ("options", "key"), [({"channels": ()}, "channels"), ({"channels": (0,)}, "channels"), ({"blocks": -1}, "blocks")]
)
def test_sizes_that_no_network_has(options: dict, key: str):
    with pytest.raises(ValueError, match=f"^{key}: expected"):
        Grid(**options)


def test_an_image_too_small_to_be_halved_so_often():
    network = Grid(channels=(4, 4, 4, 4))
    for call in (network.size, lambda image: network.build_encoder(image, 2)):
        with pytest.raises(ValueError, match=r"^channels: expected at most 3 stages"):
            call(ImageSpec(1, 8, 8))
