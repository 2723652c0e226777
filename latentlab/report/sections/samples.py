"""Images that the model draws by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.picture import gallery
from latentlab.report.page import Section

# More than this is a folder of files, not something to look at.
MOST_SHOWN = 256
SIDE = 84


def samples_section(images: np.ndarray, notes: Sequence[str] = ()) -> Section:
    """Show samples side by side.

    Args:
        images: of shape (n, c, h, w).
        notes: what the reader should know.
    """
    shown = images[:MOST_SHOWN]
    left_out = [f"The first {len(shown)} of {len(images):,} samples."] if len(images) > len(shown) else []
    html = [
        gallery(shown, [f"sample {index}" for index in range(1, len(shown) + 1)], side=SIDE),
        note_list([*left_out, *notes]),
    ]
    return Section("samples", "Samples", Markup().join(html))
