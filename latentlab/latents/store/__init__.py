"""Tables of latents on disk: Arrow parts with a sidecar each, and a manifest that comes last."""

from latentlab.latents.store.manifest import Manifest, PartEntry, TablePlan
from latentlab.latents.store.stored import StoredLatents, open_latents

__all__ = ["Manifest", "PartEntry", "StoredLatents", "TablePlan", "open_latents"]
