"""Objectives: losses composed of the terms that a model answers with, one file each."""

from latentlab.objectives.elbo import ELBO
from latentlab.objectives.objective import Loss
from latentlab.objectives.reconstruction import Reconstruction

Objective = ELBO | Reconstruction

OBJECTIVES = {"elbo": ELBO, "reconstruction": Reconstruction}

__all__ = ["ELBO", "OBJECTIVES", "Loss", "Objective", "Reconstruction"]
