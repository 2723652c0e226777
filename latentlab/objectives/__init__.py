"""Objectives: losses composed of the terms that a model answers with, one file each."""

from latentlab.objectives.denoising import Denoising
from latentlab.objectives.elbo import ELBO
from latentlab.objectives.objective import Loss
from latentlab.objectives.reconstruction import Reconstruction
from latentlab.objectives.sparse import Sparse
from latentlab.objectives.total_correlation import TotalCorrelation

Objective = ELBO | Reconstruction | TotalCorrelation | Sparse | Denoising

OBJECTIVES = {
    "elbo": ELBO,
    "reconstruction": Reconstruction,
    "total-correlation": TotalCorrelation,
    "sparse": Sparse,
    "denoising": Denoising,
}

__all__ = [
    "ELBO",
    "OBJECTIVES",
    "Denoising",
    "Loss",
    "Objective",
    "Reconstruction",
    "Sparse",
    "TotalCorrelation",
]
