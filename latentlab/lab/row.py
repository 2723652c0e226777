"""Rows of a table of latents that are picked to be shown, and what they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from latentlab.latents.table import Latents

PICKED = 50


def pick_rows(known: Latents, seed: int) -> np.ndarray:
    """Rows drawn by the seed, the first of them of different classes where there are classes."""
    order = np.random.default_rng(seed).permutation(len(known))[:PICKED]
    if known.labels is None:
        return order
    _, first = np.unique(known.labels[order], return_index=True)
    rest = np.setdiff1d(np.arange(len(order)), first)
    return order[np.concatenate([first, rest])]


def row_name(known: Latents, row: int) -> str:
    """A row of a table as `@row`, with its class where that is known."""
    label = -1 if known.labels is None else int(known.labels[row])
    return f"@{row}" if label < 0 else f"@{row}: {known.classes[label]}"
