"""The codebook of a model of codes, ready to be shown: how often each code is used, and what it draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from latentlab.evaluation.code_usage import code_usage

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

# Codes whose pictures are shown, the most used first.
SHOWN = 32


def codebook_part(lab: Lab, data: Dataset | None = None) -> Section:
    """The section on the codebook of a model with one discrete block.

    Args:
        lab: the model.
        data: images to encode; None takes the codes of the gallery.

    Raises:
        CapabilityError: when there are neither images nor a gallery.
    """
    from latentlab.report.sections.codebook import codebook_section

    known = lab.known(data)
    block = next(block for block in lab.latent.blocks if block.codes is not None)
    usage = code_usage(known.mean[:, lab.latent.slices()[block.name]], int(block.codes or 0))
    often = np.argsort(-usage.shares, kind="stable")[: min(SHOWN, usage.used)]
    everywhere = np.repeat(often[:, None], lab.latent.size, axis=1).astype(np.float32)
    shape = "×".join(map(str, block.shape))
    return codebook_section(
        usage,
        often,
        lab.decode(everywhere),
        [f"Over the {shape} codes of each of {len(known):,} images {'of the gallery' if data is None else 'given'}."],
    )
