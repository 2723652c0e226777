"""The decoder that a page carries, or why it carries none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.errors import CapabilityError
from latentlab.lab.embedding import embedded

if TYPE_CHECKING:
    from latentlab.lab.lab import Lab

# Latents at which the decoder of the page is compared with the model's own.
COMPARED = 8
OMITTED = "it was made with --no-live"


@dataclass(frozen=True)
class PageDecoder:
    """A decoder for a page.

    Args:
        data: what goes into the page, or None.
        lack: why there is none, in a few words; "" where there is one.
    """

    data: Mapping[str, Any] | None
    lack: str = ""


def page_decoder(lab: Lab, wanted: bool = True) -> PageDecoder:
    """The model's decoder as a program that runs in a page.

    A run keeps the program that was made when it was described; that of a bare checkpoint is made here, in seconds.

    Args:
        lab: the model.
        wanted: False leaves it out.
    """
    if not wanted:
        return PageDecoder(None, OMITTED)
    from latentlab.report.live import choose, trace_program

    # A page cannot choose codes, but it can decode their embeddings.
    lab = embedded(lab)
    try:
        program = lab.run.program or trace_program(lab.codec)
        return PageDecoder(choose(program, lab.codec, _compared(lab)).data())
    except CapabilityError as error:
        return PageDecoder(None, str(error))


def _compared(lab: Lab) -> np.ndarray:
    """Latents of images spread over the gallery; draws of the prior, or the mean, where none are known."""
    if lab.gallery is not None:
        rows = np.linspace(0, len(lab.gallery) - 1, min(COMPARED, len(lab.gallery))).round().astype(int)
        return lab.gallery.mean[rows]
    return lab.draw(COMPARED) if lab.probabilistic else lab.center[None]
