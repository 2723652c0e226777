"""Trained models on disk."""

from latentlab.checkpoints.native import Checkpoint, is_native, read_checkpoint, read_header, write_checkpoint

__all__ = ["Checkpoint", "is_native", "read_checkpoint", "read_header", "write_checkpoint"]
