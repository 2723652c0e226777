"""The ELBO with its KL taken apart: mutual information, total correlation, and the KL of each dimension."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from latentlab.codec import Terms
from latentlab.distributions import DiagonalNormal
from latentlab.distributions.normal import LOG_2PI
from latentlab.errors import CapabilityError
from latentlab.objectives.objective import Loss, unchanged


@dataclass(frozen=True)
class TotalCorrelation:
    """loss = −log p(x|z) + α MI + β TC + γ Σ_j KL(q(z_j) ‖ p(z_j)), the β-TC-VAE.

    With q(z) = Σ_n q(z|x_n) / N the aggregate posterior of the N training images, the mean KL of a VAE is the sum of
    the mutual information MI = E log q(z|x) / q(z), the total correlation TC = E log q(z) / Π_j q(z_j), and the KL of
    each dimension of q(z) from the prior. A weight β above 1 on the TC alone asks for independent dimensions without
    asking for a code that says less.

    q(z) is estimated from the batch (`aggregate_densities`). The KL an image is exact, and MI and TC enter as
    (α − γ) MI + (β − γ) TC + γ KL: with all three weights equal nothing is estimated, and the loss is that of `elbo`.

    Args:
        beta: on the total correlation.
        mutual_information: α.
        dimension_wise: γ.
        warmup_epochs: over which all three weights rise linearly from 0.
        images: N; 0 takes the number that training tells, and without training the size of the batch.

    References:
        R. T. Q. Chen, X. Li, R. Grosse, D. Duvenaud, "Isolating Sources of Disentanglement in Variational
        Autoencoders", 2018, arXiv:1802.04942.
    """

    kind: Literal["total-correlation"] = "total-correlation"
    beta: float = 6.0
    mutual_information: float = 1.0
    dimension_wise: float = 1.0
    warmup_epochs: float = 0.0
    images: int = 0

    seen = unchanged

    def __post_init__(self) -> None:
        for name in ("beta", "mutual_information", "dimension_wise", "warmup_epochs", "images"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}: expected 0 or more, got {getattr(self, name)}")

    def weight(self, epoch: float) -> float:
        """What all three terms are weighted with after `epoch` epochs, 0 to 1; fractions of an epoch count."""
        return min(1.0, epoch / self.warmup_epochs) if self.warmup_epochs else 1.0

    def __call__(self, terms: Terms, epoch: float) -> Loss:
        posterior, z = terms.posterior, terms.code
        if z is None or not isinstance(posterior, DiagonalNormal):
            raise CapabilityError(
                "the objective 'total-correlation' expected a model whose posterior has independent dimensions, got "
                "one without; the family 'vae' has such a posterior"
            )
        images = max(self.images or len(z), len(z))
        joint, marginals = aggregate_densities(posterior, z, images)
        kl = torch.stack(list(terms.kl.values())).sum(dim=0)
        information = posterior.log_prob(z) - joint
        correlation = joint - marginals.sum(dim=1)
        penalty = self.dimension_wise * kl
        for weight, term in ((self.mutual_information, information), (self.beta, correlation)):
            if weight != self.dimension_wise:
                penalty = penalty + (weight - self.dimension_wise) * term
        total = -terms.log_likelihood + self.weight(epoch) * penalty
        parts = {
            "reconstruction": -terms.log_likelihood,
            "kl": kl,
            "mutual_information": information,
            "total_correlation": correlation,
            "dimension_wise": kl - information - correlation,
        }
        for name, term in terms.auxiliary.items():
            total = total + term
            parts[name] = term
        return Loss(total, parts)


def aggregate_densities(
    posterior: DiagonalNormal, z: Float[Tensor, "n d"], images: int
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n d"]]:
    """log q(z) and log q(z_j) of samples z_i ~ q(z|x_i), from the posteriors of a batch of n of N images.

    The image that z_i was drawn from is one of N, so its posterior has the weight 1/N; each of the other n − 1 of the
    batch stands for (N − 1) / (n − 1) others. The estimate of q(z_i) is unbiased; it is the minibatch-stratified
    estimate with its one odd weight spread evenly over the images that could have had it.

    Args:
        posterior: q(z|x) of the batch.
        z: one sample of each posterior, in order.
        images: N, at least n.

    Returns:
        log q(z) of shape (n,), and log q(z_j) of shape (n, d), in nats.

    References:
        R. T. Q. Chen, X. Li, R. Grosse, D. Duvenaud, "Isolating Sources of Disentanglement in Variational
        Autoencoders", 2018, arXiv:1802.04942 (appendix C.2).
    """
    n = len(z)
    # log q(z_i|x_k) of every sample under every posterior, by dimension: of shape (n, n, d).
    squared = (z[:, None] - posterior.mean) ** 2 * torch.exp(-posterior.logvar)
    densities = -0.5 * (squared + posterior.logvar + LOG_2PI)
    weights = torch.full((n, n), math.log((images - 1) / (images * (n - 1))) if n > 1 else 0.0).to(z)
    weights.fill_diagonal_(-math.log(images) if n > 1 else 0.0)
    joint = torch.logsumexp(densities.sum(dim=2) + weights, dim=1)
    return joint, torch.logsumexp(densities + weights[:, :, None], dim=1)
