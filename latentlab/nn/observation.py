"""The last step of a decoder: from its unbounded output to a likelihood of images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from latentlab.distributions import LIKELIHOODS, Bernoulli, ContinuousBernoulli, Gaussian, LikelihoodName

Likelihood = Bernoulli | ContinuousBernoulli | Gaussian


@dataclass(frozen=True)
class Observation:
    """Which likelihood a model's images have; `sigma` belongs to the Gaussian, in units of the image's [0, 1]."""

    kind: LikelihoodName = "bernoulli"
    sigma: float | Literal["learned"] = 0.1

    def __post_init__(self) -> None:
        if self.sigma != "learned" and not 0 < self.sigma < math.inf:
            raise ValueError(f'sigma: expected a number above 0 or "learned", got {self.sigma}')

    def build(self) -> ObservationHead:
        """The module that turns a decoder's output into this likelihood."""
        return ObservationHead(self)


def widen(output: Tensor) -> Tensor:
    """A network's output as float32 at least: half precision ends here, since what follows sums thousands of terms."""
    return output.float() if output.dtype in (torch.bfloat16, torch.float16) else output


class ObservationHead(nn.Module):
    """Turns a decoder's output into a likelihood; holds log σ where σ is learned."""

    def __init__(self, observation: Observation) -> None:
        super().__init__()
        self.kind = observation.kind
        log_sigma = torch.tensor(math.log(0.1 if observation.sigma == "learned" else observation.sigma))
        if observation.kind == "gaussian" and observation.sigma == "learned":
            self.log_sigma = nn.Parameter(log_sigma)
        else:
            # Fixed by the configuration, so it is no part of the weights.
            self.register_buffer("log_sigma", log_sigma, persistent=False)

    def forward(self, output: Float[Tensor, "n c h w"]) -> Likelihood:
        output = widen(output)
        if self.kind == "gaussian":
            return Gaussian(torch.sigmoid(output), self.log_sigma)
        return LIKELIHOODS[self.kind](output)
