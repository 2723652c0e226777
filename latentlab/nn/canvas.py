"""From a latent to feature maps of an image's size, by the decoder of any network."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from latentlab.codec import ImageSpec
from latentlab.nn import Network


def build_canvas(network: Network, latent: int, image: ImageSpec, channels: int) -> nn.Module:
    """Latents (n, d) to features (n, channels, h, w): the network's decoder with another last layer.

    Args:
        network: whose decoder it is.
        latent: d.
        image: of whose height and width the features are.
        channels: how many features a pixel has.
    """
    *layers, last = network.build_decoder(latent, image).children()
    if isinstance(last, nn.Conv2d | nn.ConvTranspose2d):
        kept: tuple[Any, ...] = (last.kernel_size, last.stride, last.padding)
        return nn.Sequential(*layers, type(last)(last.in_channels, channels, *kept))
    flat = layers.pop()
    assert isinstance(flat, nn.Linear)
    shape = (channels, image.height, image.width)
    return nn.Sequential(*layers, nn.Linear(flat.in_features, math.prod(shape)), nn.Unflatten(1, shape))
