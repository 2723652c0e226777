"""What the model makes of images: real above guess."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from latentlab.errors import DataError
from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.picture import cells, picture_uri, shown_size
from latentlab.report.figures.score import number
from latentlab.report.page import Section
from latentlab.report.template import fill

MOST_SHOWN = 128


def reconstructions_section(
    real: np.ndarray | None,
    guess: np.ndarray,
    ids: Sequence[object],
    loss: np.ndarray | None = None,
    unit: str = "nats",
    notes: Sequence[str] = (),
) -> Section:
    """Show each image above its reconstruction, with its loss.

    Args:
        real: of shape (n, c, h, w), or None where only latents are known.
        guess: of shape (n, c, h, w).
        ids: one an image.
        loss: of shape (n,), or None.
        unit: of the loss.
        notes: what the reader should know.

    Raises:
        DataError: when there are not as many of each.
    """
    lengths = {len(part) for part in (real, guess, ids, loss) if part is not None}
    if len(lengths) > 1:
        raise DataError(f"expected as many images, reconstructions, ids and losses, got {sorted(lengths)}")
    pairs = []
    for index in range(min(len(guess), MOST_SHOWN)):
        name = str(ids[index])
        sources = [] if real is None else [(picture_uri(real[index]), f"{name}, real")]
        sources.append((picture_uri(guess[index]), f"{name}, reconstruction"))
        pairs.append((name, sources, "" if loss is None else f"{number(float(loss[index]))} {unit}"))
    width, height = shown_size(guess)
    left_out = [f"The first {len(pairs)} of {len(guess):,} images."] if len(guess) > len(pairs) else []
    html = [
        fill("pairs.html.jinja", pairs=pairs, width=width, height=height, cells=cells(guess)),
        note_list([*left_out, *notes]),
    ]
    summary = "Decoded from latents alone: the real images are not at hand." if real is None else "Real above guess."
    return Section("reconstructions", "Reconstructions", Markup().join(html), summary)
