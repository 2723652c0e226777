"""The levels of a hierarchy, ready to be shown: one is held while the others are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from latentlab.evaluation.kept import score_kept
from latentlab.lab.row import pick_rows, row_name

if TYPE_CHECKING:
    from latentlab.data.dataset import Dataset
    from latentlab.lab.lab import Lab
    from latentlab.report.page import Section

# Images whose levels are held, draws of the others that are shown; images and draws that shares are measured with.
IMAGES, SHOWN = 3, 7
MEASURED, DRAWS = 32, 8


def levels_part(lab: Lab, data: Dataset | None = None, *, seed: int = 0) -> Section:
    """The section on the levels of a model of the family `hierarchical`.

    Args:
        lab: the model.
        data: images to encode; None takes the latents of the gallery.
        seed: of the choice of images and of the draws.

    Raises:
        CapabilityError: when there are neither images nor a gallery.
    """
    from latentlab.report.sections.level import HeldLevel, levels_section

    known = lab.known(data)
    rows = pick_rows(known, seed)[:MEASURED]
    shown = rows[:IMAGES]
    levels = []
    for name, place in lab.latent.slices().items():
        held = known.mean[rows][:, place]
        # One image alone has no variance to share: it stands twice, and its share is left out.
        twice = np.resize(held, (max(len(held), 2), held.shape[1]))
        kept = score_kept(twice, _Redraw(lab, name), draws=DRAWS, seed=seed)
        share = kept.share if len(held) > 1 else None
        levels.append(HeldLevel(name, held.shape[1], kept.fills[: len(shown), :SHOWN], share))
    return levels_section(
        levels,
        [row_name(known, row) for row in shown],
        lab.decode(known.mean[shown]),
        None if data is None else data.take(shown).images,
        [f"Shares are over {len(rows)} images with {DRAWS} draws each; a level is held at its posterior mean."],
    )


class _Redraw:
    """Draws all levels of a model but one, which is given."""

    def __init__(self, lab: Lab, level: str) -> None:
        self.lab, self.level = lab, level

    def __call__(self, held: np.ndarray, seed: int) -> np.ndarray:
        import torch

        from latentlab.latents.encode import codec_device
        from latentlab.runtime import as_tensor, torch_generator

        prior: Any = self.lab.codec.prior()
        with torch.inference_mode():
            given = as_tensor(np.ascontiguousarray(held)).to(codec_device(self.lab.codec))
            latents = prior.sample(len(held), torch_generator(seed), held={self.level: given})
        return self.lab.decode(latents.cpu().numpy())
