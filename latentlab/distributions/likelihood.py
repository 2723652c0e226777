"""Likelihoods p(x|z) of an image given what a decoder puts out, with all their constants, in nats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from latentlab.distributions.normal import LOG_2PI

LikelihoodName = Literal["bernoulli", "continuous-bernoulli", "gaussian"]


@dataclass(frozen=True)
class Bernoulli:
    """Independent pixels, each on with probability sigmoid(logits).

    log p(x|z) = Σ x log λ + (1 − x) log(1 − λ). For grey pixels this is a pseudo-likelihood: it is no density
    over [0, 1], and must not be compared with one.

    Args:
        logits: of shape (n, c, h, w).
    """

    logits: Float[Tensor, "n c h w"]

    @property
    def mean(self) -> Float[Tensor, "n c h w"]:
        """λ = sigmoid(logits), of shape (n, c, h, w)."""
        return torch.sigmoid(self.logits)

    def log_prob(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Σ x log λ + (1 − x) log(1 − λ) an image, in nats, of shape (n,)."""
        return -F.binary_cross_entropy_with_logits(self.logits, x, reduction="none").flatten(1).sum(dim=1)

    def sample(self, generator: torch.Generator | None = None) -> Float[Tensor, "n c h w"]:
        """Black and white images of shape (n, c, h, w)."""
        # Drawn on the generator's own device and moved, as for every distribution here.
        u = torch.rand(self.logits.shape, generator=generator).to(self.logits)
        return (u < self.mean).to(self.logits)


@dataclass(frozen=True)
class ContinuousBernoulli:
    """The Bernoulli made a density over [0, 1]: p(x) = C(λ) λˣ (1 − λ)¹⁻ˣ with λ = sigmoid(logits).

    Args:
        logits: of shape (n, c, h, w).

    References:
        G. Loaiza-Ganem, J. P. Cunningham, "The continuous Bernoulli: fixing a pervasive error in variational
        autoencoders", 2019, arXiv:1907.06845.
    """

    logits: Float[Tensor, "n c h w"]

    @property
    def mean(self) -> Float[Tensor, "n c h w"]:
        """E[x] = 1/2 + (coth(l/2) − 2/l) / 2 with l the logit, of shape (n, c, h, w)."""
        near, safe = self._near_half()
        exact = 0.5 + 0.5 * (1 / torch.tanh(0.5 * safe) - 2 / safe)
        return torch.where(near, 0.5 + self.logits / 12, exact)

    def log_normaliser(self) -> Float[Tensor, "n c h w"]:
        """log C(λ) = log(l / tanh(l/2)) with l the logit; log 2 + l²/12 about 0, of shape (n, c, h, w)."""
        near, safe = self._near_half()
        exact = torch.log(safe.abs()) - torch.log(torch.tanh(0.5 * safe.abs()))
        return torch.where(near, 0.6931471805599453 + self.logits**2 / 12, exact)

    def log_prob(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Σ log C(λ) + x log λ + (1 − x) log(1 − λ) an image, in nats, of shape (n,)."""
        return Bernoulli(self.logits).log_prob(x) + self.log_normaliser().flatten(1).sum(dim=1)

    def sample(self, generator: torch.Generator | None = None) -> Float[Tensor, "n c h w"]:
        """Draws of shape (n, c, h, w), by the inverse of the distribution function."""
        near, safe = self._near_half()
        u = torch.rand(self.logits.shape, generator=generator).to(self.logits)
        # F⁻¹(u) = log(1 + u (eˡ − 1)) / l, turned round for positive l so that nothing overflows.
        v = torch.where(safe > 0, 1 - u, u)
        size = safe.abs()
        drawn = -torch.log1p(v * torch.expm1(-size)) / size
        drawn = torch.where(safe > 0, 1 - drawn, drawn)
        return torch.where(near, u, drawn).clamp(0, 1)

    def _near_half(self) -> tuple[Tensor, Tensor]:
        # About λ = 1/2 the exact forms are 0/0; the series is good to 1e-6 there.
        near = self.logits.abs() < 0.05
        return near, torch.where(near, torch.ones_like(self.logits), self.logits)


@dataclass(frozen=True)
class Gaussian:
    """Independent pixels N(location, σ²) with one σ for all.

    log p(x|z) = Σ −(x − location)² / 2σ² − log σ − log(2π) / 2.

    Args:
        location: of shape (n, c, h, w).
        log_sigma: log σ, a scalar.

    References:
        O. Rybkin, K. Daniilidis, S. Levine, "Simple and Effective VAE Training with Calibrated Decoders", 2020,
        arXiv:2006.13202 (one learned σ).
    """

    location: Float[Tensor, "n c h w"]
    log_sigma: Float[Tensor, ""]

    @property
    def mean(self) -> Float[Tensor, "n c h w"]:
        """The picture: the location, held to [0, 1], of shape (n, c, h, w)."""
        return self.location.clamp(0, 1)

    def log_prob(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """Σ log N(x; location, σ²) an image, in nats, of shape (n,)."""
        squared = ((x - self.location) ** 2).flatten(1).sum(dim=1)
        constant = 0.5 * LOG_2PI + self.log_sigma
        return -0.5 * squared * torch.exp(-2 * self.log_sigma) - constant * x[0].numel()

    def sample(self, generator: torch.Generator | None = None) -> Float[Tensor, "n c h w"]:
        """Draws of shape (n, c, h, w); they leave [0, 1] where σ reaches over its ends."""
        noise = torch.randn(self.location.shape, generator=generator).to(self.location)
        return self.location + torch.exp(self.log_sigma) * noise
