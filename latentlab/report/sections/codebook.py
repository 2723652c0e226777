"""The codebook: how often each code is used, and what each draws by itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from latentlab.errors import DataError
from latentlab.evaluation.code_usage import CodeUsage
from latentlab.report.figures.bars import bars
from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.picture import gallery
from latentlab.report.figures.score import number, scores
from latentlab.report.page import Section

SUMMARY = (
    "An image is a small grid of codes, each one of a codebook. See whether all codes are in use, and about alike: a "
    "code that is never chosen is wasted, and a few that are chosen nearly always tell little."
)


def codebook_section(usage: CodeUsage, often: np.ndarray, pictures: np.ndarray, notes: Sequence[str] = ()) -> Section:
    """Show how often each code was chosen, and pictures of the most used ones.

    Args:
        usage: of K codes.
        often: numbers of codes, of shape (m,).
        pictures: what the decoder makes of a grid that is one of them everywhere, of shape (m, c, h, w).
        notes: what the reader should know.

    Raises:
        DataError: when there are not as many pictures as codes.
    """
    if len(often) != len(pictures):
        raise DataError(f"expected as many codes and pictures, got {len(often)} and {len(pictures)}")
    shares = 100 * usage.shares
    names = [f"code {code}" for code in range(usage.size)]
    alike = 100 / usage.size
    chart = bars(
        names, [float(share) for share in shares], "How often each code is used",
        f"{usage.size} codes, most used first", "%", line=("if all were used alike", alike),
    )  # fmt: skip
    bits = float(np.log2(usage.perplexity))
    captions = [f"code {code}: {shares[code]:.1f} %" for code in often]
    html = [
        scores({
            "codebook": usage.size, "codes used": usage.used, "perplexity": number(float(f"{usage.perplexity:.3g}")),
            "bits a code": f"{bits:.2f} of {np.log2(usage.size):.2f}",
        }),
        Markup('<div class="charts">{}</div>').format(chart),
        Markup("<h3>{}</h3>").format(f"The {len(often)} most used codes, each alone"),
        Markup('<p class="summary">{}</p>').format(
            "What the decoder draws where every place of the grid holds the same code: no image looks so, but it shows "
            "what the code stands for."
        ),
        gallery(pictures, captions, captions, side=64),
        note_list([
            "The perplexity is how many codes would tell as much if all were used alike: 2 to the power of the bits.",
            *notes,
        ]),
    ]  # fmt: skip
    return Section("codes", "Codes", Markup().join(html), SUMMARY)
