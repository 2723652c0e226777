"""The weights of a learned mixture."""

from __future__ import annotations

import math

import torch
from torch import nn

from latentlab.distributions.mixture import NormalMixture


class Mixture(nn.Module):
    """A mixture of normal distributions that is learned; at the start its mean is near 0 and its variance near 1.

    Args:
        components: how many.
        size: the dimensions of the latent.
    """

    def __init__(self, components: int, size: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(components))
        # Half of the variance between the components, half within.
        self.means = nn.Parameter(math.sqrt(0.5) * torch.randn(components, size))
        self.logvars = nn.Parameter(torch.full((components, size), math.log(0.5)))

    def forward(self) -> NormalMixture:
        return NormalMixture(self.logits, self.means, self.logvars)
