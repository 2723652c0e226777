"""The Lab: one opened model, and the verbs that work on it."""

from latentlab.lab.lab import Lab, load

__all__ = ["Lab", "load"]
