"""Clean, noisy and denoised images side by side, and how near each comes to the clean one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.picture_table import PictureRow, picture_table
from latentlab.report.figures.table import table
from latentlab.report.page import Section

MOST_SHOWN = 64


def denoise_section(
    columns: Mapping[str, np.ndarray],
    names: Sequence[str],
    near: Mapping[str, Mapping[str, float]],
    scores: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> Section:
    """Show what was taken away.

    Args:
        columns: images of shape (n, c, h, w) by what they are, such as "clean", "noisy", "model".
        names: of the images.
        near: mean square error, PSNR and SSIM by the same names; empty where clean images are not known.
        scores: the number of images and the noise.
        notes: what the reader should know.
    """
    rows = [
        PictureRow(name, [images[row] for images in columns.values()]) for row, name in enumerate(names[:MOST_SHOWN])
    ]
    html = []
    if near:
        cells = [[name, f"{one['mean_square_error']:.4f}", f"{one['psnr_db']:.2f}", f"{one['ssim']:.3f}"]
                 for name, one in near.items()]  # fmt: skip
        caption = f"distance from the clean image, over {scores['images']:,} images; PSNR of the mean square error"
        html.append(table(["", "mean square error", "PSNR, dB", "SSIM"], cells, caption))
    apart = 2 if "clean" in columns else 1
    html += [note_list(notes), picture_table(list(columns), rows, "Images before and after", apart=apart)]
    noise = f"{scores['noise']} noise, {scores['amount']:g}" if "noise" in scores else "Images as they came"
    return Section("denoised", "Denoised", Markup().join(html), f"{noise[:1].upper()}{noise[1:]}.")
