"""Walks between latents: the frames of one to scrub through, and several one above the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup

from latentlab.editing.walk import key_frames
from latentlab.report.figures.note import notes as note_list
from latentlab.report.figures.picture_table import PictureRow, picture_table
from latentlab.report.figures.score import scores as score_list
from latentlab.report.figures.score import titled
from latentlab.report.figures.strip import NEEDS, strip_player
from latentlab.report.figures.table import table
from latentlab.report.page import Section


def morph_section(
    frames: np.ndarray,
    captions: Sequence[str],
    ends: Sequence[str],
    scores: Mapping[str, object] | None = None,
    notes: Sequence[str] = (),
    seconds: float = 0.12,
    kind: str = "",
) -> Section:
    """Show the frames of a path in a player.

    Args:
        frames: of shape (n, c, h, w).
        captions: one a frame.
        ends: the names of what the path goes between, in order.
        scores: numbers about the path.
        notes: what the reader should know.
        seconds: how long a frame stands when played.
        kind: of path, where a page has several: the section goes by it.
    """
    title = " ".join(filter(None, [kind, "from", " to ".join(ends)]))
    # The player spreads names evenly under its slider; at an even pace those between may come elsewhere.
    spread = all(captions[frame] == end for frame, end in zip(key_frames(len(ends), len(frames)), ends, strict=True))
    marks = ends if spread else [ends[0], ends[-1]]
    html = [strip_player(frames, captions, seconds, title, marks), score_list(scores or {}), note_list(notes)]
    name = f"morph-{kind}" if kind else "morph"
    return Section(name, kind.capitalize() or "Morph", Markup().join(html), needs=NEEDS)


def paths_section(
    frames: Mapping[str, np.ndarray],
    ends: Sequence[str],
    scores: Mapping[str, Mapping[str, object]],
    notes: Sequence[str] = (),
) -> Section:
    """Show kinds of path one above the other, with their scores.

    Args:
        frames: for each kind of path of shape (n, c, h, w), n the same for all.
        ends: the names of what the paths go between, in order.
        scores: for each kind of path its numbers.
        notes: what the reader should know.
    """
    count = len(next(iter(frames.values())))
    rows = [PictureRow(kind, list(images)) for kind, images in frames.items()]
    # Where the first and the last end are is certain; one between may come at another frame on each path.
    columns = [ends[0], *[""] * (count - 2), ends[-1]]
    pictures = picture_table(columns, rows, "paths from " + " to ".join(ends))
    headers = ["path", *[titled(name, 0.0)[0] for name in next(iter(scores.values()))]]
    lines = [[kind, *values.values()] for kind, values in scores.items()]
    summary = (
        "Lengths and steps are root-mean-square changes of a pixel value from frame to frame. Curvature is the mean "
        "angle between one step and the next; the farthest percentile says how much of the data lies closer to its "
        "mean than the frame that is farthest out."
    )
    html = Markup().join([note_list(notes), pictures, table(headers, lines, "scores")])
    return Section("paths", "Paths", html, summary)
