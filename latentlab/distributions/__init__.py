"""Distributions over images and latents, with all their constants, in nats."""

from latentlab.distributions.likelihood import Bernoulli, ContinuousBernoulli, Gaussian, LikelihoodName
from latentlab.distributions.normal import DiagonalNormal, StandardNormal

LIKELIHOODS = {"bernoulli": Bernoulli, "continuous-bernoulli": ContinuousBernoulli, "gaussian": Gaussian}

__all__ = [
    "LIKELIHOODS",
    "Bernoulli",
    "ContinuousBernoulli",
    "DiagonalNormal",
    "Gaussian",
    "LikelihoodName",
    "StandardNormal",
]
