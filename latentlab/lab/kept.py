"""Fills of the codes of some images: what the code kept and what the decoder fills in, ready to be shown."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from latentlab.lab.row import pick_rows, row_name

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

# Codes that are shown; the share of the variance is over all that are picked.
SHOWN = 8


def kept_part(lab: Lab, data: Dataset | None = None, *, seed: int = 0) -> Section:
    """The section on fills of a model of the family `lossy`.

    Args:
        lab: the model.
        data: images to take codes from; None takes those of the gallery.
        seed: of the choice of images and of the fills.

    Raises:
        CapabilityError: when the model's decoder fills nothing in, or there are neither images nor a gallery.
    """
    from latentlab.evaluation.kept import Kept, score_kept
    from latentlab.latents.fill import fill_latents
    from latentlab.report.sections.kept import kept_section

    known = lab.known(data)
    window = getattr(lab.codec, "window", None)
    rows = pick_rows(known, seed)
    latents = known.mean[rows]
    kept = score_kept(latents, partial(fill_latents, lab.codec), seed=seed)
    shown = slice(SHOWN)
    return kept_section(
        Kept(kept.fills[shown], kept.mean[shown], kept.spread[shown], kept.share),
        [row_name(known, row) for row in rows[shown]],
        real=None if data is None else data.take(rows[shown]).images,
        pictures=lab.decode(latents[shown]),
        window=None if window is None else window.numpy(),
        notes=[f"The share of the variance is over the codes of {len(rows)} images."],
    )
