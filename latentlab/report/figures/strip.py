"""The strip player: frames to scrub through, to play, and to choose from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from latentlab.errors import DataError
from latentlab.report.figures.picture import Frame, cells, picture_uri, shown_size
from latentlab.report.template import fill

NEEDS = frozenset({"strip"})
# Large enough for the stage; the strip underneath shows the same picture smaller.
STAGE_SIDE = 160
# Frames in a row of the strip, in a wide and in a narrow window.
MOST_IN_ROW = (18, 8)


def strip_player(
    frames: np.ndarray,
    captions: Sequence[str],
    seconds: float = 0.12,
    title: str = "frames",
    ends: Sequence[str] = (),
) -> Markup:
    """Show frames one at a time, with a slider, a play button and the whole strip underneath.

    Args:
        frames: of shape (n, c, h, w) in [0, 1].
        captions: one a frame.
        seconds: how long a frame stands when played.
        title: what the frames show, for those who hear the page.
        ends: names that stand under the slider, evenly spaced from its start to its end.

    Raises:
        DataError: when there is no frame, or not one caption a frame.
    """
    if len(frames) == 0 or len(captions) != len(frames):
        raise DataError(f"expected at least one frame and a caption for each, got {len(frames)} and {len(captions)}")
    shown = [
        Frame(picture_uri(image, STAGE_SIDE), f"{title}, frame {index} of {len(frames)}: {caption}", caption)
        for index, (image, caption) in enumerate(zip(frames, captions, strict=True), 1)
    ]
    width, height = shown_size(frames, STAGE_SIDE)
    return fill(
        "strip.html.jinja",
        frames=shown,
        seconds=seconds,
        title=title,
        ends=ends,
        width=width,
        height=height,
        cells=cells(frames),
        rows=[math.ceil(len(frames) / math.ceil(len(frames) / most)) for most in MOST_IN_ROW],
    )
