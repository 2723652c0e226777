"""Mixtures of normal distributions: a prior that follows where the latents of images are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from latentlab.distributions.normal import LOG_2PI

# Rows × components × dimensions that are compared at once: more would cost memory, and is no faster.
MOST_COMPARED = 2**22


@dataclass(frozen=True)
class NormalMixture:
    """p(z) = Σ_k π_k N(z; mean_k, exp(logvar_k)) with π = softmax(logits) and diagonal covariances.

    KL(q ‖ p) has no closed form. log q(z) − log p(z) at a draw z ~ q estimates it without bias; one draw may be
    negative.

    Args:
        logits: of the weights, of shape (k,).
        means: of the components, of shape (k, d).
        logvars: log-variances of the components, of shape (k, d).

    References:
        N. Dilokthanakul et al., "Deep Unsupervised Clustering with Gaussian Mixture Variational Autoencoders", 2016,
        arXiv:1611.02648; J. M. Tomczak, M. Welling, "VAE with a VampPrior", 2017, arXiv:1705.07120 (the mixture of
        Gaussians that it is compared with).
    """

    logits: Float[Tensor, " k"]
    means: Float[Tensor, "k d"]
    logvars: Float[Tensor, "k d"]

    @property
    def size(self) -> int:
        """The number of dimensions d."""
        return self.means.shape[1]

    @property
    def weights(self) -> Float[Tensor, " k"]:
        """π, of shape (k,)."""
        return torch.softmax(self.logits, dim=0)

    @property
    def mean(self) -> Float[Tensor, " d"]:
        """E[z] = Σ π_k mean_k, of shape (d,)."""
        return self.weights @ self.means

    @property
    def variance(self) -> Float[Tensor, " d"]:
        """Var[z] = Σ π_k (σ_k² + (mean_k − E[z])²) in each dimension, of shape (d,)."""
        return self.weights @ (torch.exp(self.logvars) + (self.means - self.mean) ** 2)

    def sample(self, count: int, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """Draws of shape (count, d), on the generator's device: a component, then a point of it."""
        device = self.means.device if generator is None else generator.device
        weights, means, logvars = (part.to(device) for part in (self.weights, self.means, self.logvars))
        chosen = torch.multinomial(weights, count, replacement=True, generator=generator)
        noise = torch.randn(count, self.size, generator=generator, dtype=means.dtype, device=device)
        return means[chosen] + torch.exp(0.5 * logvars[chosen]) * noise

    def log_prob(self, value: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """log Σ_k π_k N(value; mean_k, exp(logvar_k)), in nats, of shape (n,)."""
        return torch.logsumexp(self._joint(value), dim=1)

    def responsibilities(self, value: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """p(k|z): which component a latent belongs to, of shape (n, k); rows sum to 1."""
        return torch.softmax(self._joint(value), dim=1)

    def _joint(self, value: Tensor) -> Tensor:
        """log π_k + log N(value; mean_k, exp(logvar_k)), of shape (n, k)."""
        rows = max(1, MOST_COMPARED // self.means.numel())
        squared = torch.cat([self._squared(part) for part in value.split(rows)])
        constant = torch.log_softmax(self.logits, dim=0) - 0.5 * (self.logvars + LOG_2PI).sum(dim=1)
        return constant - 0.5 * squared

    def _squared(self, value: Tensor) -> Tensor:
        """Squared distances in units of each component's deviations, of shape (n, k)."""
        # Not by a product of matrices: its differences of large numbers lose the digits that narrow components need.
        away = value[:, None, :] - self.means
        return (away**2 * torch.exp(-self.logvars)).sum(dim=2)
