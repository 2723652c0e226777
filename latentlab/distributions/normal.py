"""Normal distributions with a diagonal covariance: posteriors and the standard prior."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class DiagonalNormal:
    """N(mean, exp(logvar)) in each of d dimensions, one distribution a row.

    Args:
        mean: of shape (n, d).
        logvar: log-variances of shape (n, d).
    """

    mean: Float[Tensor, "n d"]
    logvar: Float[Tensor, "n d"]

    @property
    def stddev(self) -> Float[Tensor, "n d"]:
        """σ = exp(logvar / 2), of shape (n, d)."""
        return torch.exp(0.5 * self.logvar)

    def sample(self, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """z = mean + σ ε with ε ~ N(0, 1), of shape (n, d); gradients reach mean and logvar.

        The noise is drawn on the generator's own device and moved, so that a seed gives the same latent
        wherever the model runs.

        References:
            D. P. Kingma, M. Welling, "Auto-Encoding Variational Bayes", 2013, arXiv:1312.6114.
        """
        device = self.mean.device if generator is None else generator.device
        noise = torch.randn(self.mean.shape, generator=generator, dtype=self.mean.dtype, device=device)
        return self.mean + self.stddev * noise.to(self.mean.device)

    def log_prob(self, value: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log N(value; mean, exp(logvar)) summed over dimensions, in nats, of shape (n,)."""
        squared = (value - self.mean) ** 2 * torch.exp(-self.logvar)
        return -0.5 * (squared + self.logvar + LOG_2PI).sum(dim=-1)

    def kl_to_standard(self) -> Float[Tensor, "n d"]:
        """KL(N(mean, σ²) ‖ N(0, 1)) = (mean² + σ² − 1 − log σ²) / 2, in nats a dimension, of shape (n, d)."""
        return 0.5 * (self.mean**2 + torch.exp(self.logvar) - 1.0 - self.logvar)


@dataclass(frozen=True)
class StandardNormal:
    """N(0, 1) in each of `size` dimensions: the prior of a VAE."""

    size: int

    def sample(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """Draws of shape (count, size)."""
        return torch.randn(count, self.size, generator=generator)

    def log_prob(self, value: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log N(value; 0, 1) summed over dimensions, in nats, of shape (n,)."""
        return -0.5 * (value**2 + LOG_2PI).sum(dim=-1)
