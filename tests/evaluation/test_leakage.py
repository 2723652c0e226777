from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from latentlab.directions.direction import Direction
from latentlab.evaluation.leakage import Judge, judge_attribute, leakage_row, read_logits, stack_leakage
from latentlab.latents.table import Latents


def table(n: int = 4000, correlated: float = 0.8) -> Latents:
    """Two attributes that go together; the first is z₀ > 0, the second z₁ > 0, each one apart in its own dimension."""
    generator = np.random.default_rng(0)
    a = generator.random(n) < 0.5
    b = np.where(generator.random(n) < correlated, a, ~a)
    z = np.stack([2.0 * a - 1, 2.0 * b - 1], axis=1) + 0.1 * generator.normal(size=(n, 2))
    return Latents(
        mean=z.astype(np.float32),
        logvar=None,
        ids=np.arange(n).astype(str),
        attributes={"a": a.astype(np.float32), "b": b.astype(np.float32)},
    )


def direction(name: str, readout: list[float] | None, intercept: float = 0.0) -> Direction:
    weights = None if readout is None else np.array(readout, np.float32)
    return Direction(name, np.array([2, 0], np.float32), "mean", readout=weights, intercept=intercept)


def judge(**changes: object) -> Judge:
    found = judge_attribute(direction("a", [1, 0]), table())
    assert isinstance(found, Judge)
    return replace(found, **changes)  # type: ignore[arg-type]


def test_gap_is_balanced_against_the_other_attributes() -> None:
    # The readout looks at b too: only balanced means do not credit it with what comes along.
    found = judge_attribute(direction("a", [3, 1]), table())
    assert isinstance(found, Judge)
    assert found.gap == pytest.approx(6, abs=0.05)
    assert found.mean_with - found.mean_without == pytest.approx([2, 0], abs=0.03)
    assert found.images == 4000


def test_accuracy_counts_with_and_without_alike() -> None:
    latents = table()
    with_ = np.flatnonzero(latents.truth("a") == 1)[:30]
    rare = latents.take(np.append(with_, np.flatnonzero(latents.truth("a") == 0)))
    found = judge_attribute(direction("a", [0, 0], -1), rare)
    assert isinstance(found, Judge)
    assert found.accuracy == 0.5
    assert not found.fair
    assert judge_attribute(direction("a", [1, 0]), rare).accuracy == 1.0  # type: ignore[union-attr]


def test_a_readout_turned_round_is_not_fair() -> None:
    found = judge_attribute(direction("a", [-1, 0]), table())
    assert isinstance(found, Judge)
    assert found.accuracy == 0 and found.gap < 0 and not found.fair


def test_unknown_labels_are_left_aside() -> None:
    latents = table()
    values = latents.attributes["a"].copy()
    values[:1000] = np.nan
    unknown = replace(latents, attributes={"a": values, "b": np.full(4000, np.nan, np.float32)})
    assert judge_attribute(direction("a", [1, 0]), unknown).images == 3000  # type: ignore[union-attr]


def test_reasons_why_there_can_be_no_judge() -> None:
    latents = table()
    assert "no readout" in str(judge_attribute(direction("a", None), latents))
    assert "not labelled" in str(judge_attribute(direction("hat", [1, 0]), latents))
    few = latents.take(np.append(np.flatnonzero(latents.truth("a") == 0), np.flatnonzero(latents.truth("a") == 1)[:4]))
    assert "got 4 with and" in str(judge_attribute(direction("a", [1, 0]), few))


def test_leakage_is_in_gaps_of_the_judge_and_flips_go_both_ways() -> None:
    judges = [judge(gap=4.0), judge(gap=2.0), judge(gap=0.0)]
    before = np.array([[-1.0, -1, 0.5], [-3, 1, 0.5]])
    after = np.array([[3.0, 1, 0.5], [-1, -1, 0.5]])
    gaps, flips = leakage_row(judges, before, after)
    assert gaps[:2] == pytest.approx([0.75, 0])
    assert np.isnan(gaps[2])
    assert flips.tolist() == [0.5, 1, 0]


def test_logits_and_missing_rows() -> None:
    judges = [judge(weight=np.array([1.0, 2]), intercept=3.0), judge(weight=np.array([0.0, 1]), intercept=-1.0)]
    assert read_logits(judges, np.array([[1, 1], [0, 2]])).tolist() == [[6, 0], [7, 1]]
    matrix = stack_leakage([(np.array([1.0, 2]), np.array([0.0, 1])), None])
    assert matrix.gaps[0].tolist() == [1, 2] and matrix.flips[0].tolist() == [0, 1]
    assert np.isnan(matrix.gaps[1]).all() and np.isnan(matrix.flips[1]).all()
