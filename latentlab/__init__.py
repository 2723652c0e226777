"""latentlab: open a trained VAE, find directions that mean something, edit, morph and map its latent space.

>>> import latentlab as ll
>>> lab = ll.load("faces")  # doctest: +SKIP
>>> lab.morph("smile", "glasses")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latentlab.data import load_data
    from latentlab.lab.compare.models import compare
    from latentlab.lab.lab import load
    from latentlab.latents.store import open_latents
    from latentlab.runs.bundled import bundled_cards as bundled
    from latentlab.runs.train import train_recipe as train

    __version__: str

__all__ = ["__version__", "bundled", "compare", "load", "load_data", "open_latents", "train"]

# Where each public name lives: a name is imported when it is first asked for (PEP 562), and torch with it.
_PUBLIC = {
    "bundled": ("latentlab.runs.bundled", "bundled_cards"),
    "compare": ("latentlab.lab.compare.models", "compare"),
    "load": ("latentlab.lab.lab", "load"),
    "load_data": ("latentlab.data", "load_data"),
    "open_latents": ("latentlab.latents.store", "open_latents"),
    "train": ("latentlab.runs.train", "train_recipe"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("latentlab")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'latentlab' has no attribute {name!r}; it has {', '.join(__all__)}")
    from importlib import import_module

    module, attribute = _PUBLIC[name]
    globals()[name] = value = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
