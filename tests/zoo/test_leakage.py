"""Directions from faces that smile mostly with glasses on: does the smile bring the glasses along in the pictures?"""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.data import load_data
from latentlab.directions import ESTIMATORS
from latentlab.lab import load

CORRELATION = 0.5
# Of the faces that did not smile, how many shall do so after the edit, whatever the direction.
SUCCESS = 0.95
OTHERS = ("glasses", "beard", "long_hair", "hat")


def least_alpha(succeeds, most: float = 4.0) -> float:
    """The least α at which the share of smiling faces reaches SUCCESS, to a hundredth."""
    low, high = 0.0, most
    assert succeeds(high) >= SUCCESS
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (low, middle) if succeeds(middle) >= SUCCESS else (middle, high)
    return high


@pytest.mark.slow
def test_smile_brings_no_glasses_along_when_the_data_said_so(judge) -> None:
    """At equal success, regression, balanced and zero-leak change glasses at most a third as much as the mean does."""
    assert min(judge.accuracy.values()) >= 0.99
    lab = load("faces", "cpu")
    biased = load_data("faces", split="train", count=4_000, seed=7, correlation={"smile,glasses": CORRELATION})
    z = lab.encode(biased.images)
    smile = biased.attributes["smile"]
    others = np.stack([biased.attributes[name] for name in OTHERS], axis=1)
    assert np.corrcoef(smile, others[:, 0])[0, 1] == pytest.approx(CORRELATION, abs=0.05)

    fair = load_data("faces", split="test", count=1_000, seed=8)
    codes = lab.encode(fair.images)
    both = judge.logits(lab.decode(codes))["glasses"]
    gap = both[fair.attributes["glasses"] == 1].mean() - both[fair.attributes["glasses"] == 0].mean()
    serious = codes[fair.attributes["smile"] == 0][:200]
    before = lab.decode(serious)

    leak, change = {}, {}
    for method in ("mean", "balanced", "regression", "zero-leak"):
        vector = ESTIMATORS[method](z, smile, others)
        alpha = least_alpha(lambda a, v=vector: judge.read(lab.decode(serious + np.float32(a) * v))["smile"].mean())
        after = lab.decode(serious + np.float32(alpha) * vector)
        moved = judge.logits(after)["glasses"] - judge.logits(before)["glasses"]
        leak[method] = float(moved.mean()) / gap
        change[method] = float(np.sqrt(((after - before) ** 2).mean()))
    print({name: (round(leak[name], 4), round(change[name], 5)) for name in leak})
    assert leak["mean"] > 0.1
    for method in ("balanced", "regression", "zero-leak"):
        assert abs(leak[method]) <= leak["mean"] / 3, method
        assert change[method] <= change["mean"], method
