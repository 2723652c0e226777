"""Trained models on disk."""

from latentlab.checkpoints.native import Checkpoint, read_checkpoint, read_header, write_checkpoint

__all__ = ["Checkpoint", "read_checkpoint", "read_header", "write_checkpoint"]
