"""A walk between latents, as frames to scrub through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.score import scores as score_list
from latentlab.report.figures.strip import NEEDS, strip_player
from latentlab.report.page import Section


def morph_section(
    frames: np.ndarray,
    captions: Sequence[str],
    ends: Sequence[str],
    scores: Mapping[str, object] | None = None,
    notes: Sequence[str] = (),
    seconds: float = 0.12,
) -> Section:
    """Show the frames of a path in a player.

    Args:
        frames: of shape (n, c, h, w).
        captions: one a frame.
        ends: the names of what the path goes between, in order.
        scores: numbers about the path.
        notes: what the reader should know.
        seconds: how long a frame stands when played.
    """
    title = "from " + " to ".join(ends)
    html = [strip_player(frames, captions, seconds, title, ends), score_list(scores or {}), note_list(notes)]
    return Section("morph", "Morph", Markup().join(html), needs=NEEDS)
