"""Disentanglement: reference values, a perfect code, a rotated one, and one that knows nothing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from latentlab.errors import DataError, UnknownNameError, UsageError
from latentlab.evaluation.disentanglement import METRICS, Factors, factor_vae, read_factors, score_disentanglement
from latentlab.evaluation.disentanglement.dci import disentanglement, importance_matrix, score_dci
from latentlab.evaluation.disentanglement.factor_vae import score_factor_vae
from latentlab.evaluation.disentanglement.mig import factor_entropies, information_matrix, mean_gap, score_mig
from latentlab.evaluation.disentanglement.sap import score_sap
from latentlab.evaluation.disentanglement.score import _summarise, perfect_code

SIZES = (3, 6, 40, 32, 32)


def sprites(count: int, sizes: tuple[int, ...] = SIZES) -> Factors:
    """Independent factors, with the numbers of levels of dSprites unless others are given."""
    rng = np.random.default_rng(0)
    return read_factors({f"f{size}{k}": rng.integers(size, size=count) for k, size in enumerate(sizes)})


def rotation(size: int, seed: int = 1) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def standard(factors: Factors) -> np.ndarray:
    return (factors.values - factors.values.mean(axis=0)) / factors.values.std(axis=0)


def test_a_perfect_code_scores_what_the_reference_says():
    factors = sprites(10_000)
    assert score_mig(factors.values, factors, rng())["MIG"] == pytest.approx(0.8957, abs=1e-3)
    assert score_factor_vae(factors.values, factors, rng())["FactorVAE"] == 1.0
    found = score_dci(factors.values, factors, rng())
    assert found["DCI disentanglement"] == pytest.approx(1, abs=1e-3)
    assert found["DCI completeness"] == pytest.approx(1, abs=1e-3)
    assert found["DCI informativeness"] > 0.999
    # What is left is the squared correlation of independent draws.
    assert score_sap(factors.values, factors, rng())["SAP"] == pytest.approx(1, abs=2e-3)


def test_a_rotated_code_scores_low_except_where_the_metric_is_easy():
    factors = sprites(10_000)
    code = standard(factors) @ rotation(5)
    assert score_mig(code, factors, rng())["MIG"] < 0.12
    assert score_sap(code, factors, rng())["SAP"] < 0.3
    found = score_dci(code, factors, rng())
    assert found["DCI disentanglement"] < 0.5 and found["DCI completeness"] < 0.5
    assert found["DCI informativeness"] > 0.5
    assert score_factor_vae(code, factors, rng())["FactorVAE"] > 0.9


def test_dci_of_the_reference_matrix():
    importance = np.array([[1, 0, 0.2], [0.1, 0.8, 0], [0, 0.3, 0.9], [0, 0, 0]])
    assert disentanglement(importance) == pytest.approx(0.578139, abs=1e-6)
    assert disentanglement(importance.T) == pytest.approx(0.671852, abs=1e-6)
    assert disentanglement(np.eye(3)) == pytest.approx(1)
    assert disentanglement(np.ones((4, 3))) == pytest.approx(0, abs=1e-12)
    assert disentanglement(np.zeros((4, 3))) == 0
    assert disentanglement(np.ones((4, 1))) == 1


def test_a_factor_on_two_dimensions_is_incomplete_and_two_on_one_entangled():
    factors = sprites(2_000, (8, 8))
    halves = np.stack([factors.values[:, 0] // 4, factors.values[:, 0] % 4, factors.values[:, 1]], axis=1)
    found = score_dci(halves, factors, rng())
    assert found["DCI disentanglement"] > 0.99 and found["DCI completeness"] < 0.9
    both = factors.values[:, :1] * 8 + factors.values[:, 1:]
    found = score_dci(np.concatenate([both, 0 * both], axis=1), factors, rng())
    assert found["DCI disentanglement"] < 0.1 and found["DCI completeness"] > 0.99


def test_mutual_information_is_that_of_scikit_learn_on_the_reference_bins():
    factors = sprites(500)
    code = np.random.default_rng(2).normal(size=(500, 3)) + factors.values[:, :3]
    found = information_matrix(code, factors)
    for j, column in enumerate(code.T):
        cells = np.digitize(column, np.histogram(column, 20)[1][:-1])
        for k, level in enumerate(factors.levels.T):
            assert found[j, k] == pytest.approx(mutual_info_score(cells, level), abs=1e-12)
    entropies = [mutual_info_score(level, level) for level in factors.levels.T]
    np.testing.assert_allclose(factor_entropies(factors), entropies)


def test_the_gap_is_between_the_best_two_dimensions():
    information = np.array([[0.9, 0.1], [0.2, 0.5], [0.4, 0.6]])
    assert mean_gap(information, np.array([1.0, 2.0])) == pytest.approx((0.5 / 1 + 0.1 / 2) / 2)
    assert mean_gap(information[:1], np.array([1.0, 2.0])) == pytest.approx((0.9 / 1 + 0.1 / 2) / 2)
    assert mean_gap(information, np.array([1.0, 0.0])) == pytest.approx(0.5)


def test_sap_is_the_gap_of_squared_correlations():
    factors = sprites(400)
    code = np.concatenate([standard(factors) @ rotation(5), np.zeros((400, 1))], axis=1)
    squared = np.corrcoef(code[:, :5].T, factors.values.T)[:5, 5:] ** 2
    ordered = np.sort(squared, axis=0)
    assert score_sap(code, factors, rng())["SAP"] == pytest.approx((ordered[-1] - ordered[-2]).mean())
    assert score_sap(code[:, :1], factors, rng())["SAP"] == pytest.approx(squared[0].mean())


def test_a_class_has_no_order():
    draw = np.random.default_rng(3)
    kind, size = draw.integers(4, size=3_000), draw.integers(10, size=3_000)
    # The classes lie along the dimension in another order than their numbers.
    code = np.stack([np.array([0, 3, 1, 2])[kind] + 0.1 * draw.normal(size=3_000), size + 0.0], axis=1)
    ordered = read_factors({"kind": kind, "size": size})
    nominal = read_factors({"kind": kind, "size": size}, categorical=["kind"])
    named = read_factors({"kind": np.array(["a", "b", "c", "d"])[kind], "size": size})
    assert nominal.categorical == named.categorical == (True, False)
    low, high = score_sap(code, ordered, rng())["SAP"], score_sap(code, nominal, rng())["SAP"]
    # Accuracy 1 against chance, one quarter, of the other dimension.
    assert low < 0.7 < high == pytest.approx((0.75 + 1) / 2, abs=0.03)
    assert score_sap(code, named, rng()) == score_sap(code, nominal, rng())
    assert score_dci(code, nominal, rng())["DCI informativeness"] > 0.99
    # Of a fifth of the images the code shows another class: that is accuracy .85, not R².
    code[:600, 0] = code[draw.permutation(3_000)[:600], 0]
    shares = read_factors({"kind": kind, "copy": kind}, categorical=["kind", "copy"])
    assert score_dci(code, shares, rng())["DCI informativeness"] == pytest.approx(0.85, abs=0.03)


def test_thresholds_count_classes_alike_and_are_judged_on_other_images():
    draw = np.random.default_rng(4)
    rare = (draw.random(6_000) < 0.1).astype(int)
    code = np.stack([rare + 0.8 * draw.normal(size=6_000), np.zeros(6_000)], axis=1)
    factors = read_factors({"rare": rare, "copy": rare}, categorical=["rare", "copy"])
    # Φ(½ / .8) against ½, the threshold being half way.
    assert score_sap(code, factors, rng())["SAP"] == pytest.approx(0.234, abs=0.03)
    noise = {name: draw.integers(20, size=600) for name in "ab"}
    assert score_sap(code[:600], read_factors(noise, categorical="ab"), rng())["SAP"] < 0.03


def test_dead_dimensions_win_no_votes():
    factors = sprites(3_000)
    alone = score_factor_vae(standard(factors), factors, rng())["FactorVAE"]
    draw = np.random.default_rng(5)
    dead = draw.normal(size=(3_000, 2)) * [1e-4, 0]
    with_dead = score_factor_vae(np.concatenate([standard(factors), dead], axis=1), factors, rng())["FactorVAE"]
    assert alone == with_dead == 1
    faint = np.stack([factors.values[:, 1], draw.normal(size=3_000), 1e-3 * factors.values[:, 0]], axis=1)
    two = Factors(factors.names[:2], factors.values[:, :2], factors.levels[:, :2], (False, False))
    assert score_factor_vae(faint, two, rng())["FactorVAE"] < 0.95
    assert score_factor_vae(np.zeros((3_000, 2)), factors, rng())["FactorVAE"] == 0
    # Of the factors that share a dimension only one can be told.
    shared = standard(factors)[:, [0, 0, 0]] + standard(factors)[:, [1, 1, 1]]
    assert score_factor_vae(shared, factors, rng())["FactorVAE"] < 0.5


def test_votes_know_no_scale_and_are_judged_on_others(monkeypatch: pytest.MonkeyPatch):
    factors = sprites(3_000, (3, 6, 8))
    draw = np.random.default_rng(11)
    code = (standard(factors) + 0.2 * draw.normal(size=(3_000, 3))) * [1, 30, 5]
    assert score_factor_vae(code, factors, rng())["FactorVAE"] == 1
    # Few votes over many dimensions of noise are learnt by heart.
    monkeypatch.setattr(factor_vae, "VOTES", 60)
    found = [
        score_factor_vae(draw.normal(size=(3_000, 40)), factors, np.random.default_rng(k))["FactorVAE"]
        for k in range(10)
    ]
    assert np.mean(found) < 0.45


def test_a_vote_is_over_images_of_one_level_all_of_them_in_turn(monkeypatch: pytest.MonkeyPatch):
    level = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [10, 5, 30]))
    drawn = factor_vae._Groups.of(level).draw(400, rng())
    assert all(len(set(level[batch])) == 1 for batch in drawn)
    assert set(drawn.ravel()) == set(np.flatnonzero(level != 1))
    assert 0.4 < (level[drawn[:, 0]] == 0).mean() < 0.6
    counts = []
    draw = factor_vae._Groups.draw
    monkeypatch.setattr(factor_vae._Groups, "draw", lambda self, n, rng: (counts.append(n), draw(self, n, rng))[1])
    monkeypatch.setattr(factor_vae, "CHUNK", 64 * 5 * 700)
    score_factor_vae(standard(sprites(500)), sprites(500), rng())
    assert sum(counts) == 2 * factor_vae.VOTES and max(counts) < 300


def test_a_level_of_few_images_is_not_held():
    draw = np.random.default_rng(6)
    level = np.concatenate([np.zeros(500, int), np.ones(500, int), [2, 2, 2]])
    other = draw.integers(2, size=1_003)
    code = np.stack([level + 0.01 * draw.normal(size=1_003), other + 0.01 * draw.normal(size=1_003)], axis=1)
    # The three of one level are the same in the other dimension, which would mislead the vote.
    code[1_000:, 1] = 0
    assert score_factor_vae(code, read_factors({"level": level, "other": other}), rng())["FactorVAE"] == 1
    rare = read_factors({"rare": (np.arange(1_003) < 3).astype(int), "other": other})
    assert score_factor_vae(code, rare, rng())["FactorVAE"] == 1


def test_trees_that_judge_have_not_seen_their_images():
    draw = np.random.default_rng(7)
    factors = read_factors({"a": draw.normal(size=900), "b": draw.normal(size=900)})
    importance, informativeness = importance_matrix(draw.normal(size=(900, 3)), factors, rng())
    # Noise is predicted worse than by the mean; that counts as nothing.
    assert 0 <= informativeness < 0.02
    np.testing.assert_allclose(importance.sum(axis=0), 1)


def test_every_score_comes_with_ceiling_null_and_interval():
    factors = sprites(600, (3, 6, 16))
    code = np.concatenate([standard(factors), np.random.default_rng(8).normal(size=(600, 1))], axis=1)
    said = []
    found = score_disentanglement(
        code, factors, resamples=4, permutations=4, progress=lambda *told: said.append(told[1:3])
    )
    names = ["MIG", "DCI disentanglement", "DCI completeness", "DCI informativeness", "SAP", "FactorVAE"]
    assert [score.name for score in found.scores] == names
    for score in found.scores:
        assert 0 <= score.low <= score.value <= score.high <= 1
        assert score.value == pytest.approx(score.ceiling, abs=0.03)
        assert score.null_mean <= score.null_high < score.value
        assert score.p_value == 1 / 5
        assert score.share == pytest.approx(1, abs=0.05)
    assert found.information_nats.shape == found.importance.shape == (4, 3)
    assert (found.importance.argmax(axis=0) == np.arange(3)).all()
    assert said == [(step, 4 * 10) for step in range(1, 41)]
    record = found.record()
    assert record["scores"]["SAP"]["value"] == found["SAP"].value and len(record["importance"]) == 4


def test_a_code_that_knows_nothing_is_no_better_than_the_null():
    factors = sprites(400)
    code = np.random.default_rng(12).normal(size=(400, 4))
    found = score_disentanglement(code, factors, metrics=["mig", "sap"], permutations=30)
    for score in found.scores:
        assert score.p_value > 0.05 and abs(score.share) < 0.1


def test_the_interval_is_as_wide_as_the_scatter_over_other_images():
    # In a tenth of the images the dimensions stand for one another.
    def draw(seed: int) -> tuple[np.ndarray, Factors]:
        source = np.random.default_rng([seed, 1])
        factors = read_factors({name: source.integers(6, size=500) for name in "ab"})
        swapped = source.random(500) < 0.1
        code = np.where(swapped[:, None], factors.values[:, ::-1], factors.values)
        return code, factors

    values = [score_sap(code, factors, rng())["SAP"] for code, factors in map(draw, range(200))]
    truth = float(np.mean(values))
    scores = [
        score_disentanglement(code, factors, metrics=["sap"], resamples=60, permutations=1).scores[0]
        for code, factors in map(draw, range(40))
    ]
    assert np.mean([score.high - score.low for score in scores]) == pytest.approx(3.92 * np.std(values), rel=0.15)
    assert sum(score.low < truth < score.high for score in scores) >= 34


def test_the_interval_takes_no_bias_of_the_halves_with_it():
    found = _summarise("x", 0.5, 1.0, [0.6, 0.7, 0.8], [0.1, 0.5, 0.3])
    assert found.low == pytest.approx(0.5 - 0.095) and found.high == pytest.approx(0.5 + 0.095)
    assert found.p_value == 2 / 4
    assert found.null_high == 0.5 and found.share == pytest.approx((0.5 - 0.3) / 0.7)
    ends = _summarise("x", 0.01, 0.2, [0.0, 0.2], [0.2, 0.2])
    assert ends.low == 0 and ends.share == 0


def test_the_same_seed_gives_the_same_scores():
    factors = sprites(200, (3, 6))
    code = standard(factors) @ rotation(2)
    runs = [score_disentanglement(code, factors, resamples=2, permutations=2, seed=seed).record() for seed in (3, 3, 4)]
    assert runs[0] == runs[1] != runs[2]
    # SAP of ordered factors draws nothing itself: what differs is which halves and shuffles are taken.
    one, other = (score_disentanglement(code, factors, metrics=["sap"], seed=seed)["SAP"] for seed in (3, 4))
    assert one.value == other.value and one.low != other.low and one.null_mean != other.null_mean


def test_the_ceiling_has_as_many_dimensions_as_the_code():
    factors = sprites(300)
    assert perfect_code(factors, 9, rng()).shape == (300, 9)
    assert perfect_code(factors, 2, rng()).shape == (300, 5)
    np.testing.assert_allclose(perfect_code(factors, 5, rng()), standard(factors))


def test_continuous_factors_are_cut_into_bins_of_equal_count():
    values = np.random.default_rng(10).exponential(size=4_000)
    factors = read_factors({"depth": values, "kind": np.arange(4_000) % 2, "step": np.arange(4_000) % 50})
    counts = np.bincount(factors.levels[:, 0])
    assert len(counts) == 20 and counts.min() >= 199 and counts.max() <= 201
    assert (np.argsort(values, kind="stable") == np.lexsort((values, factors.levels[:, 0]))).all()
    assert factors.levels[:, 2].max() == 49
    np.testing.assert_array_equal(factors.values[:, 0], values)


def test_bad_factors_are_refused():
    good = np.arange(200) % 4
    with pytest.raises(DataError, match="at least 2 factors, got 1: a"):
        read_factors({"a": good})
    with pytest.raises(DataError, match="same images"):
        read_factors({"a": good, "b": good[1:]})
    with pytest.raises(DataError, match="'b', got 2 unknown"):
        read_factors({"a": good, "b": np.where(np.arange(200) < 2, np.nan, 1.0)})
    with pytest.raises(DataError, match="same 'b' for every image"):
        read_factors({"a": good, "b": np.ones(200)})
    with pytest.raises(DataError, match="shape \\(200, 2\\)"):
        read_factors({"a": good, "b": np.ones((200, 2))})
    with pytest.raises(UnknownNameError, match="did you mean shape"):
        read_factors({"shape": good, "b": good}, categorical=["shap"])


def test_bad_calls_are_refused():
    factors = read_factors({"a": np.arange(200) % 4, "b": np.arange(200) % 7})
    code = np.random.default_rng(0).normal(size=(200, 3))
    with pytest.raises(DataError, match="factors of 200 images"):
        score_disentanglement(code[:150], factors)
    with pytest.raises(DataError, match="at least 100"):
        score_disentanglement(code[:50], factors.take(np.arange(50)))
    with pytest.raises(DataError, match="finite"):
        score_disentanglement(np.full((200, 3), np.nan), factors)
    with pytest.raises(UsageError, match="at least 2 resamples"):
        score_disentanglement(code, factors, resamples=1)
    with pytest.raises(UnknownNameError, match="did you mean mig"):
        score_disentanglement(code, factors, metrics=["migg"])
    with pytest.raises(UnknownNameError, match="known: MIG"):
        score_disentanglement(code, factors, metrics=["mig"], resamples=2, permutations=1)["dci"]
    assert list(METRICS) == ["mig", "dci", "sap", "factor-vae"]
