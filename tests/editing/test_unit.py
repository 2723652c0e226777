from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from latentlab.directions.direction import Direction
from latentlab.editing.unit import UNITS, gaps_per_unit, gaps_to_levels
from latentlab.errors import CapabilityError, DataError, UnknownNameError, UsageError
from latentlab.statistics.covariance import Covariance

SMILE = Direction(
    "smile",
    np.array([3.0, 4.0, 0.0], np.float32),
    "mean",
    readout=np.array([0.5, 0.0, 1.0], np.float32),
    intercept=-1.0,
)
HAT = Direction(
    "hat", np.array([0.0, 1.0, 2.0], np.float32), "mean", readout=np.array([0.0, 1.0, 0.5], np.float32), intercept=0.5
)
# Deviations 1, 2 and 3 along the axes.
CLOUD = Covariance(np.zeros(3, np.float32), np.diag([1.0, 4.0, 9.0]).astype(np.float32), 100)


def test_a_unit_is_so_many_gaps() -> None:
    assert gaps_per_unit("gap", SMILE, CLOUD) == 1
    # v̂ = (.6, .8, 0): its variance is .36 · 1 + .64 · 4.
    assert gaps_per_unit("sd", SMILE, CLOUD) == pytest.approx(np.sqrt(0.36 + 0.64 * 4) / 5)
    # w·v = 1.5 logits a gap.
    assert gaps_per_unit("logit", SMILE, CLOUD) == pytest.approx(1 / 1.5)


def test_levels_are_reached_by_all_readouts_at_once() -> None:
    z = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    gaps = gaps_to_levels(z, [SMILE, HAT], [0.9, 0.2])
    moved = z + gaps @ np.stack([SMILE.vector, HAT.vector])
    for direction, level in ((SMILE, 0.9), (HAT, 0.2)):
        logits = moved @ direction.readout + direction.intercept
        np.testing.assert_allclose(1 / (1 + np.exp(-logits)), level, atol=1e-6)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"'sdd'.*sd"):
        gaps_per_unit("sdd", SMILE, CLOUD)
    with pytest.raises(CapabilityError, match="'smile' has no readout"):
        gaps_per_unit("logit", replace(SMILE, readout=None), CLOUD)
    backwards = replace(SMILE, readout=-SMILE.readout)
    with pytest.raises(DataError, match=r"rises along its direction, got -1\.5 logits"):
        gaps_per_unit("logit", backwards, CLOUD)
    z = np.zeros((1, 3), np.float32)
    for level in (0.0, 1.0, -0.5, float("nan")):
        with pytest.raises(UsageError, match="levels between 0 and 1"):
            gaps_to_levels(z, [SMILE], [level])
    with pytest.raises(DataError, match="'smile', 'grin', whose directions all but coincide"):
        gaps_to_levels(z, [SMILE, replace(SMILE, name="grin")], [0.9, 0.9])
    assert list(UNITS) == ["gap", "sd", "logit"]
