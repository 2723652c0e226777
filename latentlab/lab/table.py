"""A table of latents on disk, and the model that made it where that is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlab.errors import CapabilityError, DataError
from latentlab.lab.result import Origin
from latentlab.latents.store import StoredLatents, open_latents

if TYPE_CHECKING:
    from latentlab.lab.lab import Lab

# Values that are read at once: 32 MB of float32.
BLOCK_VALUES = 2**23


def open_table(
    path: str | Path, model: str | Path | None = None, device: str = "auto"
) -> tuple[StoredLatents, Lab | None]:
    """Open a table of latents, and its model.

    Args:
        path: the table's folder, or a URL that fsspec knows.
        model: the model; None takes the bundled one whose checkpoint made the table, where there is one.
        device: where the model runs.

    Returns:
        The table, and the model or None.

    Raises:
        FileFormatError: when there is no whole table, or another checkpoint made it.
        DataError: when latents of unknown origin are of another size than the model's.
    """
    from latentlab.lab.lab import load

    if model is None:
        stored = open_latents(path)
        model = _bundled(stored.checkpoint)
        return stored, None if model is None else load(model, device)
    lab = load(model, device)
    stored = open_latents(path, lab.checkpoint)
    require_like(lab, stored)
    return stored, lab


def require_like(lab: Lab, stored: StoredLatents) -> None:
    """Refuse a table that is not of the latents of a model.

    Raises:
        FileFormatError: when another checkpoint made it.
        DataError: when nobody knows which made it, and its latents are of another size.
    """
    if stored.checkpoint not in ("", lab.checkpoint):
        # Says so, with both names.
        open_latents(stored.place.url, lab.checkpoint)
    if stored.size != lab.latent.size:
        raise DataError(
            f"expected latents of {lab.latent.size} dimensions for {lab.name}, got {stored.size} in {stored.name}; "
            "leave --model out to look at them without a model"
        )


def require_numbers(stored: StoredLatents, what: str) -> None:
    """Refuse a table of codes, whose numbers are neither near nor far.

    Raises:
        CapabilityError: with what can be done instead.
    """
    if not stored.plan.latent.continuous:
        raise CapabilityError(
            f"expected continuous latents for {what}, got the codes of {stored.plan.model} in {stored.name}; give the "
            "images with --data, and what can be done with codes is done"
        )


def table_notes(stored: StoredLatents, lab: Lab | None) -> list[str]:
    """What cannot be known of a table's latents."""
    if lab is None:
        made = f"by {stored.plan.model}, which is not here" if stored.checkpoint else "by a model that nobody named"
        return [f"the latents were made {made}: nothing is decoded; give the model with --model"]
    if not stored.checkpoint:
        return [f"nobody knows that {lab.name} made these latents: what is decoded is right only if it did"]
    return []


def table_origin(stored: StoredLatents, command: str, seed: int = 0, **inputs: Any) -> Origin:
    """Where a result of a table comes from."""
    return Origin(command, stored.plan.model, stored.checkpoint, seed, {**inputs, "latents": stored.place.url})


def block_rows(size: int) -> int:
    """How many latents of d dimensions are read at once."""
    return max(256, BLOCK_VALUES // size)


def _bundled(checkpoint: str) -> str | None:
    from latentlab.runs.bundled import bundled_cards

    return next((card["name"] for card in bundled_cards() if checkpoint and card["checkpoint"] == checkpoint), None)
