"""Paths: the ways from one latent to another, one file each."""

from __future__ import annotations

from latentlab.editing.paths.geodesic import geodesic
from latentlab.editing.paths.line import line
from latentlab.editing.paths.preserving import preserving
from latentlab.editing.paths.slerp import slerp
from latentlab.editing.paths.space import Path

PATHS: dict[str, Path] = {
    "line": line,
    "slerp": slerp,
    "preserving": preserving,
    "geodesic": geodesic,
}
