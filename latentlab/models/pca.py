"""Probabilistic principal component analysis: the linear member of the family, fitted in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from latentlab.codec import Block, ConditionSpec, ImageSpec, LatentSpec, Terms
from latentlab.distributions import DiagonalNormal, Gaussian, StandardNormal
from latentlab.distributions.normal import LOG_2PI
from latentlab.errors import DataError
from latentlab.models.condition import refuse_condition
from latentlab.nn.bound import check_sides, check_width
from latentlab.nn.observation import Observation, widen
from latentlab.statistics.leading import leading_axes

# A byte tells a pixel's value to within a step of 1/255, and no better: without it, components that explain images
# of which some pixels never vary would leave no noise at all.
LEAST_VARIANCE = 1 / (12 * 255**2)


@dataclass(frozen=True)
class PCAConfig:
    """Probabilistic PCA: the images that it takes, and how many components it has."""

    image: ImageSpec
    family: Literal["pca"] = "pca"
    latent: int = 16

    def __post_init__(self) -> None:
        check_width("latent", self.latent)
        check_sides(self.image)

    @property
    def convolutions(self) -> bool:
        """Whether it is made of convolutions: no."""
        return False

    @property
    def likelihood(self) -> Observation:
        """What its images are under: a Gaussian whose σ is fitted with the rest."""
        return Observation("gaussian", "learned")

    def build(self) -> PCA:
        """A new model that is not fitted yet.

        Raises:
            ValueError: when it has more components than an image has values.
        """
        return PCA(self)


class PCA(nn.Module):
    """p(z) = N(0, 1), p(x|z) = N(W z + μ, σ²), so that p(x) = N(μ, W Wᵀ + σ²) is known exactly.

    The posterior is N(M⁻¹ Wᵀ (x − μ), σ² M⁻¹) with M = Wᵀ W + σ². `fit` makes the columns of W principal axes, greatest
    variance first; M is diagonal then, and the posterior here, whose covariance is diagonal, exact. (For columns that
    are not orthogonal it is the nearest diagonal one: the same mean, variances σ² / M_jj.)

    A posterior mean is drawn towards 0, since noise is part of what was seen: `decode(encode(x))` is nearer to μ than
    plain PCA's reconstruction, which divides by WᵀW instead of M. That one is `project`. The squared errors of the two
    differ by σ⁴ / λ_j a component, λ_j the variance along it.

    References:
        M. E. Tipping, C. M. Bishop, "Probabilistic Principal Component Analysis", Journal of the Royal Statistical
        Society B 61, 1999.
    """

    condition: ConditionSpec | None = None
    # What a model card calls it, in place of the network that other families choose.
    network = "linear"

    def __init__(self, config: PCAConfig) -> None:
        super().__init__()
        if config.latent > config.image.size:
            raise ValueError(
                f"latent: expected at most the {config.image.size} values of {config.image} images, got {config.latent}"
            )
        self.config = config
        self.image = config.image
        self.latent = LatentSpec((Block("z", (config.latent,)),))
        self.decoder = nn.Sequential(nn.Linear(config.latent, config.image.size), nn.Unflatten(1, config.image.shape))
        self.observe = GaussianHead()

    @property
    def loadings(self) -> Float[Tensor, "pixels d"]:
        """W: each column a principal axis, as long as the deviation of images along it beyond the noise."""
        return self.decoder.get_parameter("0.weight")

    @property
    def mean(self) -> Float[Tensor, " pixels"]:
        """μ: the mean image, flat."""
        return self.decoder.get_parameter("0.bias")

    @torch.no_grad()
    def fit(self, images: Shaped[Tensor, "n c h w"]) -> PCA:
        """Set W, μ and σ to those of greatest likelihood, in closed form.

        With λ_j and u_j the eigenvalues and eigenvectors of the images' covariance: σ² is the mean of the eigenvalues
        that are left out, and W's columns are √(λ_j − σ²) u_j, the largest loading of each positive. σ is at least that
        of a pixel that was rounded to a byte; a component beyond the rank of the images stays empty.

        Args:
            images: of shape (n, c, h, w), uint8, or floating point in [0, 1].

        Returns:
            Itself.

        Raises:
            DataError: when the images are of another shape or not finite, fewer than two, or too many and too large
                for an exact answer.
        """
        if images.shape[1:] != self.image.shape:
            raise DataError(
                f"expected images of shape (n, {', '.join(map(str, self.image.shape))}), got {tuple(images.shape)}"
            )
        if not images.isfinite().all():
            raise DataError("expected finite images, got NaN or infinity; leave those images out")
        scale = 1.0 if images.is_floating_point() else 255.0
        found = leading_axes(images.flatten(1).cpu().numpy(), self.latent.size)
        variances = torch.zeros(self.latent.size, dtype=torch.float64)
        variances[: len(found.variances)] = torch.from_numpy(found.variances / scale**2)
        left_out = self.image.size - self.latent.size
        rest = found.total / scale**2 - float(variances.sum())
        noise = max(rest / left_out if left_out else 0.0, LEAST_VARIANCE)
        axes = torch.zeros(self.latent.size, self.image.size, dtype=torch.float64)
        axes[: len(found.axes)] = torch.from_numpy(found.axes)
        self.loadings.copy_(axes.T * (variances - noise).clamp(min=0).sqrt())
        self.mean.copy_(torch.from_numpy(found.mean / scale))
        self.observe.log_sigma.fill_(0.5 * math.log(noise))
        return self

    def encode(self, x: Float[Tensor, "n c h w"], condition: Tensor | None = None) -> Float[Tensor, "n d"]:
        """Posterior means of shape (n, d) of images (n, c, h, w)."""
        return self.posterior(x, condition).mean

    def decode(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Float[Tensor, "n c h w"]:
        """W z + μ, held to [0, 1]: mean images of shape (n, c, h, w) of latents (n, d)."""
        return self.likelihood(z, condition).mean

    def posterior(self, x: Float[Tensor, "n c h w"], condition: Tensor | None = None) -> DiagonalNormal:
        """p(z|x) of images (n, c, h, w)."""
        refuse_condition(self.config.family, condition)
        precision = self._precision()
        to_mean = torch.linalg.solve(precision, self.loadings.T)
        mean = (x.flatten(1) - self.mean) @ to_mean.T
        logvar = 2 * self.observe.log_sigma - precision.diagonal().log()
        return DiagonalNormal(widen(mean), logvar.expand_as(mean))

    def prior(self, condition: Tensor | None = None) -> StandardNormal:
        """p(z) = N(0, 1) in d dimensions."""
        refuse_condition(self.config.family, condition)
        return StandardNormal(self.latent.size)

    def likelihood(self, z: Float[Tensor, "n d"], condition: Tensor | None = None) -> Gaussian:
        """p(x|z) of latents (n, d)."""
        refuse_condition(self.config.family, condition)
        return self.observe(self.decoder(z))

    def terms(
        self,
        x: Float[Tensor, "n c h w"],
        condition: Tensor | None = None,
        generator: torch.Generator | None = None,
        seen: Float[Tensor, "n c h w"] | None = None,
    ) -> Terms:
        """log p(x|z) at one sample z ~ p(z|x), and KL(p(z|x) ‖ p(z)), of shape (n,), in nats; z is of `seen`."""
        posterior = self.posterior(x if seen is None else seen, condition)
        z = posterior.sample(generator)
        kl = posterior.kl_to_standard()
        return Terms(
            log_likelihood=self.likelihood(z).log_prob(x),
            kl={"z": kl.sum(dim=1)},
            code=z,
            posterior=posterior,
            kl_dimensions=kl,
        )

    def log_evidence(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """log p(x) = log N(x; μ, W Wᵀ + σ²) exactly, in nats, of shape (n,).

        By way of the d×d matrix M: |W Wᵀ + σ²| = σ^(2(D − d)) |M|, and the squared distance of x is
        |x − μ − W m|² / σ² + |m|² with m the posterior mean.
        """
        precision = self._precision()
        m = (x.flatten(1) - self.mean) @ torch.linalg.solve(precision, self.loadings.T).T
        # Nothing is subtracted here, so that float32 does.
        apart = ((x - self.decoder(m)) ** 2).flatten(1).sum(dim=1)
        distance = apart * torch.exp(-2 * self.observe.log_sigma) + (m**2).sum(dim=1)
        free = self.image.size - self.latent.size
        log_determinant = 2 * free * self.observe.log_sigma + torch.linalg.slogdet(precision).logabsdet
        return -0.5 * (distance + log_determinant + self.image.size * LOG_2PI)

    def project(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Plain PCA's reconstruction W (WᵀW)⁻¹ Wᵀ (x − μ) + μ of images (n, c, h, w), the nearest there is.

        It may leave [0, 1] a little, as pictures that `decode` makes do not.
        """
        centred = x.flatten(1) - self.mean
        flat = centred @ torch.linalg.pinv(self.loadings).T @ self.loadings.T + self.mean
        return flat.reshape(x.shape)

    def _precision(self) -> Float[Tensor, "d d"]:
        """M = Wᵀ W + σ²: the inverse of the posterior's covariance, times σ²."""
        noise = torch.exp(2 * self.observe.log_sigma).expand(self.latent.size)
        return self.loadings.T @ self.loadings + torch.diag(noise)


class GaussianHead(nn.Module):
    """The last step of a linear decoder: its output is the mean of a Gaussian, and σ is one of the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.log_sigma = nn.Parameter(torch.tensor(math.log(0.1)))

    def forward(self, location: Float[Tensor, "n c h w"]) -> Gaussian:
        return Gaussian(widen(location), self.log_sigma)
