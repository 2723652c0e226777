"""Estimators side by side: on the same attributes, read by fair judges, at equal success."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from latentlab.data import load_data
from latentlab.errors import DataError
from latentlab.evaluation.edits import EditScores
from latentlab.evaluation.leakage import Leakage
from latentlab.lab import Lab, comparison, load
from latentlab.lab.ranking import Comparable, Ranked, Tried, comparable_attributes, rank
from latentlab.lab.recommendation import _effects, advantage, recommend
from latentlab.lab.score import hold_out

NAMES = ["smile", "glasses", "hat"]


@pytest.fixture(scope="module")
def lab() -> Lab:
    return load("digits", "cpu")


@pytest.fixture(scope="module")
def faces() -> Lab:
    return load("faces", "cpu")


@pytest.fixture(scope="module")
def measured(faces: Lab) -> EditScores:
    """What edits of the model's own directions do, for others to be made of."""
    judges = hold_out(faces.gallery, 0)[1]
    return comparison.measure(faces, judges, [faces.directions[name] for name in NAMES], count=8)


def tried(
    faces: Lab, measured: EditScores, alphas: list[float | None], gaps: Any, fair: Mapping[str, bool] | None = None
) -> Tried:
    """An estimator of the model's own directions, with planted scores."""
    edits = [
        replace(one, alpha_latents=alpha, alpha_pictures=alpha, change=alpha, fair=(fair or {}).get(one.name, True))
        for one, alpha in zip(measured.attributes, alphas, strict=True)
    ]
    gaps = np.array(gaps, np.float64)
    gaps[[alpha is None for alpha in alphas]] = np.nan
    leakage = Leakage(gaps, np.zeros_like(gaps))
    quality = replace(measured, attributes=tuple(edits), latents=leakage, pictures=leakage, left_out={})
    return Tried({name: faces.directions[name] for name in NAMES}, quality, {})


def test_estimators_are_ranked_on_the_same_judges(faces: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    found_from, judged_on = [], []
    estimate, measure = comparison.estimate_directions, comparison.measure

    def spied_estimate(known: Any, judges: Any, **options: Any) -> Any:
        found_from.append(set(known.ids))
        judged_on.append(set(judges.ids))
        return estimate(known, judges, **options)

    def spied_measure(lab: Lab, judges: Any, *rest: Any, **options: Any) -> Any:
        judged_on.append(set(judges.ids))
        return measure(lab, judges, *rest, **options)

    monkeypatch.setattr(comparison, "estimate_directions", spied_estimate)
    monkeypatch.setattr(comparison, "measure", spied_measure)
    monkeypatch.setattr(comparison, "TRIED", 4)
    compared = faces.compare_estimators(names=["smile", "glasses"], methods=["mean", "regression"])
    assert len(found_from) == 2 and len(judged_on) == 4
    assert all(found == found_from[0] for found in found_from) and all(judged == judged_on[0] for judged in judged_on)
    assert found_from[0] and judged_on[0] and not found_from[0] & judged_on[0]
    assert {one.method for one in compared.ranked} == {"mean", "regression"}
    assert compared.images.shape == (2, 2, 3, 64, 64)
    assert all(one.asked == 2 for one in compared.ranked)
    assert next(one for one in compared.ranked if one.method == "mean").angle == pytest.approx(0, abs=1e-4)
    assert [section.id for section in compared.sections()] == ["estimators"]
    assert set(compared.pictures()) == {"compare.png"}


def test_what_one_estimator_cannot_find_is_compared_for_none(faces: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "TRIED", 4)
    data = load_data("faces", split="test", count=300)
    smile, hat = data.attributes["smile"], data.attributes["hat"]
    twins = type(data)(**{**vars(data), "attributes": {"smile": smile, "grin": smile, "hat": hat}})
    for methods in (["mean", "regression"], ["regression", "mean"]):
        compared = faces.compare_estimators(twins, methods=methods)
        assert {one.method for one in compared.ranked} == set(methods)
        assert compared.attributes == ["hat"] and all(one.asked == 1 for one in compared.ranked)
        assert all(one.leak_pictures is None for one in compared.ranked)
        for name in ("smile", "grin"):
            (said,) = (note for note in compared.notes if note.startswith(f"{name} is not compared: "))
            assert "regression: expected attributes that can be told apart" in said and "mean:" not in said


def test_where_nothing_can_be_judged_nothing_is_compared(lab: Lab) -> None:
    data = load_data("digits", split="test", count=300)
    coin = np.random.default_rng(5).integers(0, 2, len(data)).astype(np.float32)
    noisy = type(data)(**{**vars(data), "attributes": {"coin": coin}})
    with pytest.raises(DataError, match=r"judges read: coin is not compared: its judge reads \d\d % of held-out"):
        lab.compare_estimators(noisy, ["coin"], methods=["mean", "regression"])


def test_a_judge_that_cannot_read_says_nothing(faces: Lab, measured: EditScores) -> None:
    gaps = [[1, 0.1, 9], [0.3, 1, 9], [9, 9, 1]]
    one = {"mean": tried(faces, measured, [1, 1, 1], gaps, {"hat": False})}
    names, said = comparable_attributes(one)
    assert names == ["smile", "glasses"]
    assert len(said) == 1 and said[0].startswith("hat is not compared: its judge reads ")
    ranked = rank("mean", Comparable(one, names, faces.gallery))
    assert (ranked.reached, ranked.asked) == (2, 2)
    assert ranked.leak_pictures == ranked.leak_latents == pytest.approx(0.2)


def test_leakage_is_compared_where_all_that_succeed_anywhere_succeed(faces: Lab, measured: EditScores) -> None:
    gaps = np.array([[1, 0.1, -0.3], [0.5, 1, 0.5], [0.7, 0.9, 1]])
    field = {
        "mean": tried(faces, measured, [1, 2, 3], gaps),
        "lda": tried(faces, measured, [4, None, 6], 2 * gaps),
        "logistic": tried(faces, measured, [None, None, None], gaps),
    }
    shared = Comparable(field, NAMES, faces.gallery)
    assert shared.equal() == [0, 2]
    mean, lda, logistic = (rank(method, shared) for method in field)
    assert mean.leak_pictures == pytest.approx((0.1 + 0.3 + 0.7 + 0.9) / 4)
    assert lda.leak_pictures == pytest.approx(2 * mean.leak_pictures)
    assert (mean.reached, lda.reached, logistic.reached) == (3, 2, 0)
    assert (mean.alpha, lda.alpha) == (2, 5) and (mean.change, lda.change) == (2, 5)
    assert logistic.leak_pictures is logistic.leak_latents is logistic.alpha is logistic.change is None


def test_the_margin_is_an_interval_over_the_same_images(faces: Lab, measured: EditScores) -> None:
    judges = hold_out(faces.gallery, 0)[1]
    gaps = np.full((3, 3), 0.1)
    own = tried(faces, measured, [1, 1, 1], gaps)
    strayed = {
        name: replace(one, vector=one.vector + 0.5 * faces.directions["beard"].vector)
        for name, one in own.found.items()
    }
    same = Comparable({"mean": own, "lda": own}, NAMES, judges)
    ranked = [rank("lda", same), rank("mean", same)]
    assert advantage(faces, ranked, same, 0) == (0, 0)
    assert advantage(faces, ranked[::-1], same, 0) is None
    shared = Comparable({"mean": replace(own, found=strayed), "lda": own}, NAMES, judges)
    low, high = advantage(faces, ranked, shared, 0)
    # The interval surrounds the plain difference, and is wider with fewer images.
    leaks = [
        np.mean([np.abs(change.mean(axis=0)).mean() for _, change in _effects(faces, shared, method, 0)])
        for method in ("mean", "lda")
    ]
    assert low < leaks[0] - leaks[1] < high
    assert (low, high) == advantage(faces, ranked, shared, 0)
    # The best of many has to be surer.
    wider = advantage(faces, [*ranked, *(replace(ranked[1], method=f"other {i}") for i in range(4))], shared, 0)
    assert wider[0] < low and high < wider[1]
    many = replace(measured, attributes=tuple(replace(one, count=64) for one in own.quality.attributes))
    wide = {
        name: replace(one, quality=replace(one.quality, attributes=many.attributes))
        for name, one in shared.tried.items()
    }
    narrow = advantage(faces, ranked, Comparable(wide, NAMES, judges), 0)
    assert narrow[1] - narrow[0] < high - low


def test_the_leaks_of_an_interval_are_those_of_the_ranking(faces: Lab) -> None:
    judges = hold_out(faces.gallery, 0)[1]
    quality = comparison.measure(faces, judges, [faces.directions[name] for name in NAMES], count=16, seed=3)
    shared = Comparable({"mean": Tried(faces.directions, quality, {})}, NAMES, judges)
    leaks = np.concatenate([np.abs(change.mean(axis=0)) for _, change in _effects(faces, shared, "mean", 3)])
    assert leaks.mean() == pytest.approx(rank("mean", shared).leak_pictures, rel=1e-4)


def ranked(method: str, leak: float | None, reached: int = 2) -> Ranked:
    return Ranked(method, reached, 2, 1.0, leak, leak, 0.1, 0.0)


def test_an_estimator_is_recommended_only_where_it_pays() -> None:
    both, sure = [0, 1], (0.2, 0.3)
    assert "mean is good enough" in recommend([ranked("mean", 0.10), ranked("lda", 0.30)], both, None)
    close = recommend([ranked("regression", 0.10), ranked("mean", 0.11)], both, (0.005, 0.02))
    assert "leaks 0.010 class gaps less" in close and "less than 0.02 is not worth choosing by" in close
    unsure = recommend([ranked("regression", 0.05), ranked("mean", 0.33)], both, (-0.01, 0.5))
    assert "95 %: −0.010 to 0.500" in unsure and "cannot tell them apart" in unsure and "mean is good enough" in unsure
    said = recommend([ranked("regression", 0.05), ranked("mean", 0.33)], both, sure)
    assert "take regression: at equal success it leaks 0.050" in said
    assert "0.280 less (95 %: 0.200 to 0.300, had other images been held out)" in said
    assert "take lda: its edits succeed for 2 of 2, the mean's 1" in recommend(
        [ranked("lda", 0.3), ranked("mean", 0.1, reached=1)], both, None
    )


def test_what_is_not_compared_is_not_recommended() -> None:
    apart = [ranked("lda", None, reached=1), ranked("mean", None, reached=1)]
    assert "cannot be compared at equal success" in recommend(apart, [], None)
    failing = [ranked("lda", None, reached=0), ranked("mean", None, reached=0)]
    assert recommend(failing, [], None).startswith("no edit succeeds with any estimator")
    alone = recommend([ranked("lda", 0.1), ranked("logistic", 0.2)], [0, 1], None)
    assert "the mean difference is not among them" in alone


def test_classes_that_give_way_to_each_other_do_not_leak(lab: Lab) -> None:
    compared = lab.compare_estimators(methods=["mean", "regression"])
    assert all(one.leak_pictures is None and one.leak_latents is None for one in compared.ranked)
    assert compared.notes[0].startswith("nothing can leak here")
