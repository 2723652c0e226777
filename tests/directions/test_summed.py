"""Directions from sums agree with those from rows."""

from __future__ import annotations

import numpy as np
import pytest

from latentlab.directions import ESTIMATORS
from latentlab.directions.summed import SUMMED
from latentlab.errors import CapabilityError, DataError
from latentlab.latents.summary import Summary, is_finding
from latentlab.latents.table import Latents
from latentlab.statistics.split import draw_order


def planted(n: int = 6000, size: int = 6, seed: int = 0) -> Latents:
    """Three attributes that go together, effects that add up, latents far from zero."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, 1))
    a = (rng.normal(size=(n, 3)) + common > 0.3).astype(np.float32)
    z = a @ rng.normal(size=(3, size)) * 2 + rng.normal(size=(n, size)) + 30
    return Latents(
        z.astype(np.float32), None, np.array([f"image-{i}" for i in range(n)]), split="all",
        classes=("x", "y"), labels=(rng.random(n) < 0.4).astype(np.int64),
        attributes={"smile": a[:, 0], "glasses": a[:, 1], "hat": a[:, 2]},
    )  # fmt: skip


def summed(latents: Latents, parts: int = 3) -> Summary:
    whole = Summary.of(latents)
    for rows in np.array_split(np.arange(len(latents)), parts):
        whole.merge(Summary.of(latents).add(latents.take(rows)))
    return whole


@pytest.mark.parametrize("method", SUMMED)
def test_sums_give_the_direction_that_rows_give(method: str) -> None:
    latents = planted()
    found = latents.take(np.flatnonzero(is_finding(latents.ids)))
    others = np.stack([found.attributes["glasses"], found.attributes["hat"]], axis=1)
    theirs = ESTIMATORS[method](found.mean, found.attributes["smile"], others)
    ours = SUMMED[method](summed(latents), 0, [1, 2])
    # The zero-leak edit of rows weighs cells alike, that of sums rows: they meet as images grow in number.
    tolerance = {"zero-leak": 0.1, "lda": 2e-3}.get(method, 2e-5)
    np.testing.assert_allclose(ours, theirs, atol=tolerance)
    assert ours.dtype == np.float32


def test_three_quarters_of_the_rows_find_and_the_others_judge() -> None:
    latents = planted()
    whole = summed(latents)
    found = draw_order(latents.ids, 0) < 0.75 * 2**64
    assert (whole.finding.count, whole.judging.count) == (found.sum(), (~found).sum())
    assert abs(found.mean() - 0.75) < 0.02
    np.testing.assert_allclose(whole.judging.mean(), latents.mean[~found].mean(axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(whole.whole().mean(), latents.mean.mean(axis=0, dtype=np.float64), rtol=1e-6)


def test_sums_survive_their_file() -> None:
    latents = planted()
    whole = summed(latents)
    again = Summary.from_arrays(whole.arrays(), whole.binary)
    for method in SUMMED:
        np.testing.assert_array_equal(SUMMED[method](again, 1, [0, 2]), SUMMED[method](whole, 1, [0, 2]))
    with pytest.raises(DataError, match="expected moments"):
        Summary.from_arrays({}, (0,))


def test_the_share_of_cells_counts_and_not_their_number() -> None:
    # Smile changes z by 1 without glasses and by 3 with them; a quarter of the images have glasses.
    rng = np.random.default_rng(0)
    n = 40_000
    glasses = (rng.random(n) < 0.25).astype(np.float32)
    smile = (rng.random(n) < np.where(glasses == 1, 0.8, 0.2)).astype(np.float32)
    z = np.stack([smile * (1 + 2 * glasses) + 5 * glasses, np.zeros(n)], axis=1) + rng.normal(0, 0.01, (n, 2))
    latents = Latents(
        z.astype(np.float32), None, np.arange(n).astype(str), attributes={"smile": smile, "glasses": glasses}
    )
    vector = SUMMED["balanced"](summed(latents), 0, [1])
    assert abs(vector[0] - 1.5) < 0.03
    assert abs(SUMMED["mean"](summed(latents), 0, [1])[0] - 1.5) > 1


def test_what_sums_cannot_tell_is_said() -> None:
    rng = np.random.default_rng(0)
    many = Latents(
        rng.normal(size=(4000, 3)).astype(np.float32), None, np.arange(4000).astype(str),
        attributes={f"a{i}": (rng.random(4000) < 0.5).astype(np.float32) for i in range(14)},
    )  # fmt: skip
    assert summed(many).cells.given_up
    with pytest.raises(CapabilityError, match="at most 1,024 combinations"):
        SUMMED["balanced"](summed(many), 0, [1, 2])
    latents = planted()
    same = Latents(
        latents.mean, None, latents.ids,
        attributes={"smile": latents.attributes["smile"], "grin": latents.attributes["smile"]},
    )  # fmt: skip
    with pytest.raises(DataError, match="give away"):
        SUMMED["regression"](summed(same), 0, [1])
    with pytest.raises(DataError, match="give away"):
        SUMMED["balanced"](summed(same), 0, [1])
    with pytest.raises(DataError, match="only one kind"):
        SUMMED["regression"](summed(Latents(latents.mean, None, latents.ids, attributes={"a": np.ones(6000)})), 0, [])


def test_unknown_values_are_a_cell_of_their_own() -> None:
    latents = planted()
    holes = latents.attributes["glasses"].copy()
    holes[np.random.default_rng(2).random(len(holes)) < 0.3] = np.nan
    with_holes = Latents(
        latents.mean, None, latents.ids, attributes={"smile": latents.attributes["smile"], "glasses": holes}
    )
    found = with_holes.take(np.flatnonzero(is_finding(latents.ids)))
    theirs = ESTIMATORS["balanced"](found.mean, found.attributes["smile"], found.attributes["glasses"][:, None])
    np.testing.assert_allclose(SUMMED["balanced"](summed(with_holes), 0, [1]), theirs, atol=2e-5)


def test_an_attribute_that_another_gives_away_beside_it_is_let_go() -> None:
    rng = np.random.default_rng(0)
    n = 4000
    a, b = ((rng.random(n) < 0.5).astype(np.float32) for _ in range(2))
    both = a * b
    z = np.stack([a + 2 * b, b, rng.normal(size=n)], axis=1) + rng.normal(0, 0.1, (n, 3))
    some = Latents(
        z.astype(np.float32), None, np.arange(n).astype(str),
        attributes={"a": a, "b": b, "both": both, "either": a + b - both},
    )  # fmt: skip
    # either = a + b − both: with all four, none of the others gives a away alone, and all together do.
    with pytest.raises(DataError, match="give away"):
        SUMMED["zero-leak"](summed(some), 0, [1, 2, 3])
    assert np.isfinite(SUMMED["zero-leak"](summed(some), 0, [1, 2])).all()
