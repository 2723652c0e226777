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
# What a decoder puts out: unbounded numbers, or pixels in [0, 1] or [−1, 1], which are held to that range.
Output = Literal["logits", "unit", "signed"]


@dataclass(frozen=True)
class Observation:
    """Which likelihood a model's images have; `sigma` belongs to the Gaussian, in units of the image's [0, 1]."""

    kind: LikelihoodName = "bernoulli"
    sigma: float | Literal["learned"] = 0.1

    def __post_init__(self) -> None:
        if self.sigma != "learned" and not 0 < self.sigma < math.inf:
            raise ValueError(f'sigma: expected a number above 0 or "learned", got {self.sigma}')

    def build(self, output: Output = "logits") -> ObservationHead:
        """The module that turns a decoder's output into this likelihood."""
        return ObservationHead(self, output)


def widen(output: Tensor) -> Tensor:
    """A network's output as float32 at least: half precision ends here, since what follows sums thousands of terms."""
    return output.float() if output.dtype in (torch.bfloat16, torch.float16) else output


class ObservationHead(nn.Module):
    """Turns a decoder's output into a likelihood; holds log σ where σ is learned."""

    def __init__(self, observation: Observation, output: Output = "logits") -> None:
        super().__init__()
        self.kind, self.output = observation.kind, output
        if observation.kind == "gaussian" and observation.sigma == "learned":
            self.log_sigma = nn.Parameter(torch.tensor(math.log(0.1)))
        else:
            # Fixed by the configuration, so it is no part of the weights; it is known where these are not yet.
            sigma = 0.1 if observation.sigma == "learned" else observation.sigma
            self.register_buffer("log_sigma", torch.tensor(math.log(sigma), device="cpu"), persistent=False)

    def forward(self, output: Float[Tensor, "n c h w"]) -> Likelihood:
        output = widen(output)
        if self.output != "logits":
            return Gaussian(output if self.output == "unit" else (output + 1) / 2, self.log_sigma)
        if self.kind == "gaussian":
            return Gaussian(torch.sigmoid(output), self.log_sigma)
        return LIKELIHOODS[self.kind](output)
