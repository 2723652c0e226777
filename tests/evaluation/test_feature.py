"""Features with a planted signal: what a probe and neighbours can make of it is known."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from sklearn.datasets import load_digits

from latentlab.errors import DataError, UnknownNameError, UsageError
from latentlab.evaluation.feature import FeatureAccuracy, FeatureScores, feature_kinds, score_features

GAP = 1.2


def planted(count: int, noise: int = 0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two classes at ±GAP along one axis with unit noise, and further dimensions of wide noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    signal = np.where(labels, GAP, -GAP)[:, None] + rng.normal(size=(count, 1))
    return np.concatenate([signal, 2 * rng.normal(size=(count, noise))], axis=1), labels


def pair(noise: int = 0) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray, np.ndarray]:
    train, labels = planted(600, noise, seed=1)
    test, truth = planted(2_000, noise, seed=2)
    return {"latents": (train[:, :1], test[:, :1]), "pixels": (train, test)}, labels, truth


def test_with_all_labels_the_probe_is_as_good_as_can_be():
    found = score_features(*pair(), budgets=[None])
    best = NormalDist().cdf(GAP)
    row = found.find("latents", "linear", None)
    assert row.accuracy == pytest.approx(best, abs=3 * row.standard_error)
    assert row.standard_error == pytest.approx(math.sqrt(best * (1 - best) / 2_000), rel=0.1)
    assert row.right.shape == (1, 2_000)
    # Five neighbours, on a line where classes overlap, lose some of it.
    assert best - 0.08 < found.find("latents", "knn", None).accuracy < best


def test_more_labels_help_and_noise_hurts():
    found = score_features(*pair(noise=30), budgets=[1, 10, 100, None], draws=8)
    for reader in ("linear", "knn"):
        curve = [found.find("pixels", reader, budget).accuracy for budget in (1, 10, 100, None)]
        assert curve == sorted(curve) and curve[-1] - curve[0] > 0.05
    gain, error = found.difference("latents", "pixels", "linear", 10)
    assert gain > 3 * error > 0
    back, same = found.difference("pixels", "latents", "linear", 10)
    assert (back, same) == (pytest.approx(-gain), pytest.approx(error))
    assert found.dimensions == {"latents": 1, "pixels": 31}


def test_all_features_are_given_the_same_labels():
    features, labels, truth = pair()
    twice = {"a": features["latents"], "b": tuple(-3 * part + 5 for part in features["latents"])}
    found = score_features(twice, labels, truth, budgets=[1, 10], draws=3)
    for budget in (1, 10):
        assert found.difference("a", "b", "knn", budget) == (0, 0)
        assert abs(found.difference("a", "b", "linear", budget)[0]) < 1e-3
        draws = found.find("a", "knn", budget).right
        assert len({tuple(row) for row in draws}) == 3


def test_the_error_is_the_scatter_over_labels_and_test_images():
    values, errors = [], []
    for seed in range(60):
        train, labels = planted(80, 3, seed=2 * seed)
        test, truth = planted(60, 3, seed=2 * seed + 1)
        found = score_features({"x": (train, test)}, labels, truth, budgets=[2], readers=["knn"], draws=4, seed=seed)
        values.append(found.rows[0].accuracy)
        errors.append(found.rows[0].standard_error)
    assert math.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(values), rel=0.25)


def test_the_errors_in_numbers():
    right = np.array([[1, 1, 0, 1], [1, 0, 0, 0]], bool)
    row = FeatureAccuracy("x", "knn", 1, right)
    assert row.accuracy == 0.5
    assert row.standard_error == pytest.approx(
        math.sqrt(np.var([0.75, 0.25], ddof=1) / 2 + np.var([1, 0.5, 0, 0.5], ddof=1) / 4)
    )
    assert FeatureAccuracy("x", "knn", None, right[:1]).standard_error == pytest.approx(math.sqrt(0.25 / 4))


def test_one_label_a_class_takes_one_neighbour_and_ten_take_five():
    # Class 1 lies within class 0, two to ten: one neighbour names it, five do not.
    train = np.concatenate([np.zeros(10), [0.1, 0.1], 5 + np.arange(8.0)])[:, None]
    labels = np.repeat([0, 1], 10)
    test, truth = np.array([[0.09]]), np.array([1])
    all_of_them = score_features({"x": (train, test)}, labels, truth, budgets=[None, 10], readers=["knn"], draws=1)
    assert all_of_them.find("x", "knn", None).right.all() == all_of_them.find("x", "knn", 10).right.all()
    few = score_features({"x": (train[9:11], test)}, labels[9:11], truth, budgets=[1, None], readers=["knn"], draws=1)
    assert few.find("x", "knn", 1).right.all() and few.find("x", "knn", None).right.all()
    # A far majority among five is outvoted by one that is near.
    spread = np.array([0.0, 3.0, 3.1, 3.2, 3.3, -9, -9.1, -9.2, -9.3, -9.4])[:, None]
    kinds = np.array([1, 0, 0, 0, 0, 1, 1, 1, 1, 0])
    near = score_features({"x": (spread, test)}, kinds, truth, budgets=[None], readers=["knn"])
    assert near.rows[0].right.all()
    # Four that are hardly further outvote the nearest.
    close = np.array([1.0, -1.1, 1.1, -1.2, 1.2, *range(90, 98)])[:, None]
    kinds = np.array([0, 1, 1, 1, 1, *[0] * 7, 1])
    votes = score_features({"x": (close, 0 * test)}, kinds, truth, budgets=[None], readers=["knn"])
    assert votes.rows[0].right.all()


def test_as_many_labels_are_drawn_as_were_asked_for(monkeypatch: pytest.MonkeyPatch):
    from latentlab.evaluation import feature

    given = []
    monkeypatch.setattr(feature, "_read", lambda train, labels, test, *told: (given.append(labels), test[:, 0])[1])
    features, labels, truth = pair()
    score_features({"x": features["latents"]}, labels, truth, budgets=[1, 7, None], readers=["knn"], draws=2)
    assert [np.bincount(one).tolist() for one in given] == [[1, 1], [1, 1], [7, 7], [7, 7], [300, 300]]


def test_labels_are_drawn_evenly_and_unknown_ones_left_aside():
    features, labels, truth = pair()
    hidden = np.where(np.arange(600) < 500, -1, labels)
    found = score_features(features, hidden, np.where(np.arange(2_000) < 1_900, truth, -1), budgets=[50, 51], draws=2)
    assert found.test_images == 1_900 and found.classes == 2
    assert list(found.left_out) == [51] and "got 50 of one" in found.left_out[51]
    assert {row.labels_per_class for row in found.rows} == {50}
    only = score_features({"x": tuple(p[500:] for p in features["latents"])}, labels[500:], truth[500:], budgets=[None])
    whole = score_features(
        {"x": features["latents"]}, hidden, np.where(np.arange(2_000) < 500, -1, truth), budgets=[None]
    )
    np.testing.assert_array_equal(only.rows[0].right, whole.rows[0].right)


def test_dead_columns_are_not_blown_up():
    features, labels, truth = pair()
    rng = np.random.default_rng(3)
    padded = tuple(
        np.concatenate([part, 1e-4 * rng.normal(size=(len(part), 40))], axis=1) for part in features["latents"]
    )
    found = score_features({"alone": features["latents"], "padded": padded}, labels, truth, budgets=[10], draws=5)
    for reader in ("linear", "knn"):
        assert abs(found.difference("alone", "padded", reader, 10)[0]) < 0.005


def test_the_penalty_is_chosen_for_each_kind_of_features(monkeypatch: pytest.MonkeyPatch):
    from latentlab.evaluation import feature

    taken = []
    probe = feature._probe
    monkeypatch.setattr(feature, "_probe", lambda strength: (taken.append(strength), probe(strength))[1])
    train, labels = planted(400, 150, seed=1)
    test, truth = planted(400, 150, seed=2)
    # Next to the signal lie dimensions that dwarf it: only a light penalty lets the probe see it.
    dwarfed = tuple(np.concatenate([part[:, :1], 40 * part[:, 1:4]], axis=1) for part in (train, test))
    kinds = {"noisy": (train, test), "dwarfed": dwarfed}
    found = score_features(kinds, labels, truth, budgets=[1, 100], readers=["linear"], draws=1)
    # One label a class leaves nothing to choose by; else three penalties are tried, and the best one taken.
    assert taken == [30.0, 30.0, 1.0, 30.0, 1000.0, 30.0, 1.0, 30.0, 1000.0, 1000.0]
    assert found.find("noisy", "linear", 100).accuracy > found.find("noisy", "linear", 1).accuracy
    assert found.find("dwarfed", "linear", 100).accuracy > 0.8


def test_pca_of_equal_dimension_on_digits():
    images, labels = load_digits(return_X_y=True)
    pixels = (images * 15.9375).astype(np.uint8).reshape(-1, 1, 8, 8)
    latents = np.random.default_rng(0).normal(size=(len(labels), 12))
    train, test = np.arange(0, 1_000), np.arange(1_000, 1_797)
    kinds = feature_kinds((latents[train], latents[test]), (pixels[train], pixels[test]))
    assert {name: part[1].shape for name, part in kinds.items()} == {
        "latents": (797, 12),
        "pixels": (797, 64),
        "pca": (797, 12),
    }
    flat = kinds["pixels"][0]
    assert flat.max() == pytest.approx(1, abs=0.01)
    values = np.linalg.svd(flat - flat.mean(axis=0), compute_uv=False)[:12]
    np.testing.assert_allclose(np.sort(np.linalg.norm(kinds["pca"][0], axis=0))[::-1], values, rtol=1e-4)
    np.testing.assert_allclose(kinds["pca"][0].mean(axis=0), 0, atol=1e-5)
    found = score_features(kinds, labels[train], labels[test], budgets=[10, None], draws=2)
    assert found.find("pixels", "knn", None).accuracy > 0.95
    assert 0.9 < found.find("pca", "linear", None).accuracy < found.find("pixels", "linear", None).accuracy + 0.02
    assert found.find("latents", "linear", None).accuracy < 0.2
    assert feature_kinds((latents[:9], latents[9:]), (pixels[:9], pixels[9:]))["pca"][0].shape == (9, 9)


def test_progress_record_and_seed():
    features, labels, truth = pair()
    said: list[tuple[int, int]] = []
    runs = [
        score_features(
            features,
            labels,
            truth,
            budgets=[1, None],
            draws=3,
            seed=seed,
            progress=lambda *told: said.append(told[1:3]),
        )
        for seed in (0, 0, 1)
    ]
    assert said[:4] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert runs[0].record() == runs[1].record() != runs[2].record()
    row = runs[0].record()["rows"][0]
    assert row["features"] == "latents" and row["labels_per_class"] == 1 and row["draws"] == 3


def test_bad_calls_are_refused():
    features, labels, truth = pair()
    with pytest.raises(DataError, match="latents of 599 and 2000"):
        score_features(features, labels[1:], truth)
    with pytest.raises(DataError, match="at least 2 classes"):
        score_features(features, np.zeros(600, int), np.zeros(2_000, int))
    with pytest.raises(DataError, match=r"classes \[0, 1, 7\] to name"):
        score_features(features, labels, np.where(np.arange(2_000) == 0, 7, truth))
    with pytest.raises(UsageError, match="at least 1 draw"):
        score_features(features, labels, truth, draws=0)
    with pytest.raises(UsageError, match="1 label a class"):
        score_features(features, labels, truth, budgets=[0])
    with pytest.raises(UnknownNameError, match="did you mean linear"):
        score_features(features, labels, truth, readers=["liner"])  # type: ignore[list-item]
    empty = FeatureScores((), {}, 2, 0, {})
    with pytest.raises(UnknownNameError, match="latents knn all"):
        empty.find("latents", "knn", None)
