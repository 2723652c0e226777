"""A loss that asks for codes of which few values are on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from latentlab.codec import Terms
from latentlab.errors import CapabilityError
from latentlab.objectives.elbo import ELBO
from latentlab.objectives.objective import Loss, unchanged

# Codes that are all of one length are on to the degree 1 − exp(−1/2), and no others more.
HIGHEST_RATE = -math.expm1(-0.5)
# Of a value that is 0 for all images, so that its rate costs much, but not infinitely much.
LEAST_SQUARE, LEAST_RATE = 1e-6, 1e-6


@dataclass(frozen=True)
class Sparse:
    """loss = −log p(x|z) + w · penalty(z), and the KL of a model that has one.

    penalty = "kl": Σ_j KL(r ‖ r_j), in nats, draws the rate r_j at which each value of the code is on to the target
    r = `rate` (`rate_penalty`). penalty = "l1": Σ_j |z_j|, for each image on its own.

    In the literature's KL the degree to which a value is on is its sigmoid. Codes here have no bounds, and would meet
    any target by moving to its logit, where all of them are a little on for every image; or by shrinking, with larger
    weights in the decoder. So the degree is measured against the value's own mean square, which neither changes. The l1
    penalty can be met by shrinking: `training.weight_decay` is the bound there.

    Args:
        penalty: which.
        weight: w; nats a unit of |z| for l1, a pure number for kl.
        rate: the mean degree to which a value of the code should be on; of kl only.

    References:
        A. Ng, "Sparse autoencoder", CS294A lecture notes, 2011 (kl); B. A. Olshausen, D. J. Field, "Emergence of
        simple-cell receptive field properties by learning a sparse code for natural images", Nature 381, 1996 (l1,
        and values measured by their scale).
    """

    kind: Literal["sparse"] = "sparse"
    penalty: Literal["kl", "l1"] = "kl"
    weight: float = 1.0
    rate: float = 0.05

    seen = unchanged

    def __post_init__(self) -> None:
        if not 0 <= self.weight < math.inf:
            raise ValueError(f"weight: expected 0 or more, got {self.weight}")
        if not 0 < self.rate < HIGHEST_RATE:
            raise ValueError(f"rate: expected a number above 0 and below {HIGHEST_RATE:.3f}, got {self.rate}")

    def __call__(self, terms: Terms, epoch: float) -> Loss:
        if terms.code is None:
            raise CapabilityError(
                "the objective 'sparse' expected a model that gives its code, got none; the family 'autoencoder' does"
            )
        penalty = rate_penalty(terms.code, self.rate) if self.penalty == "kl" else terms.code.abs().sum(dim=1)
        dense = ELBO()(terms, epoch)
        parts = {"reconstruction": dense.parts["reconstruction"], "sparsity": penalty, **dense.parts}
        return Loss(dense.total + self.weight * penalty, parts)


def rate_penalty(code: Float[Tensor, "n d"], rate: float) -> Float[Tensor, " n"]:
    """Σ_j KL(r ‖ r_j) = Σ_j r log r/r_j + (1 − r) log (1 − r)/(1 − r_j), in nats.

    r_j is the mean over images of 1 − exp(−z_j² / 2s_j²) with s_j² the mean of z_j²: .29 for a normal z_j, and about p
    for one that is 0 but for a share p of the images. It is a property of the batch: every image has the same penalty,
    in shape (n,).
    """
    degree = activity(code)
    on = degree.mean(dim=0).clamp(min=LEAST_RATE)
    divergence = rate * (math.log(rate) - on.log()) + (1 - rate) * (math.log1p(-rate) - torch.log1p(-on))
    return divergence.sum().expand(len(code))


def activity(code: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """The degree 1 − exp(−z_j² / 2s_j²) to which each value is on, 0 to 1, with s_j² the mean of z_j² over images."""
    squared = code**2
    return -torch.expm1(-0.5 * squared / (squared.mean(dim=0) + LEAST_SQUARE))
