"""The safe range that an edit prints is the one that the scores of edits print."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.evaluation.edits import score_edits
from latentlab.lab import load
from latentlab.lab.reach import find_safe_range, find_yard
from latentlab.statistics.split import draw_order


def test_the_safe_range_of_an_edit_is_that_of_its_score() -> None:
    lab = load("faces", "cpu")
    names = ("glasses", "smile")
    scores = score_edits(
        lab.gallery,
        [lab.directions[name] for name in names],
        decode=lab.decode,
        encode=lab.encode,
        covariance=lab.covariance,
        count=48,
    )
    yard = find_yard(lab)
    for name, scored in zip(names, scores.attributes, strict=True):
        order = draw_order(lab.gallery.ids, 0)
        without = np.flatnonzero(lab.gallery.truth(name) == 0)
        rows = without[np.argsort(order[without], kind="stable")][:48]
        found = find_safe_range(lab, yard, lab.gallery.mean[rows], lab.directions[name].vector)
        assert (found.low_limit, found.high_limit) == (scored.safe.low_limit, scored.safe.high_limit)
        assert found.low == pytest.approx(scored.safe.low, abs=0.15)
        assert found.high == pytest.approx(scored.safe.high, abs=0.15)
