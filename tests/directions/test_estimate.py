from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from latentlab.directions import ESTIMATORS
from latentlab.directions.discover import discover_directions
from latentlab.directions.estimate import covariance_of, estimate_directions, left_out_notes
from latentlab.errors import DataError, UnknownNameError, UsageError
from latentlab.latents.table import Latents
from latentlab.statistics.covariance import fit_covariance
from latentlab.statistics.probe import auc

SMILE = np.array([1.5, -1.0, 0.5, 0.0, 0.0, 0.0])
Planted = Callable[..., Latents]


def test_mean_difference_is_within_its_standard_error_and_the_auc_in_its_closed_form(planted: Planted) -> None:
    latents = planted(12_000)
    (found,) = estimate_directions(latents, names=["smile"]).directions
    # Half of the images, of which the other attribute adds variance .25·hat² along its own axes.
    assert found.positives + found.negatives == 6000
    hat_variance = 1 + 0.25 * np.array([0, 0, 0, 2.0, 0, 1.0]) ** 2
    error = np.sqrt(hat_variance * (1 / found.positives + 1 / found.negatives))
    assert (np.abs(found.vector - SMILE) < 4.5 * error).all()
    np.testing.assert_allclose(found.mean_with - found.mean_without, found.vector, atol=1e-6)
    assert found.gap == pytest.approx(np.linalg.norm(SMILE), abs=0.1)
    best = NormalDist().cdf(float(np.linalg.norm(SMILE)) / np.sqrt(2))
    assert found.auc == pytest.approx(best, abs=0.02)
    low, high = found.auc_interval
    assert low < found.auc < high
    assert low < best < high
    assert found.probe_images == pytest.approx(3000, abs=2)
    assert found.name == "smile"
    assert found.estimator == "mean"


def test_all_attributes_and_classes_come_in_order_and_the_rare_one_is_left_out(planted: Planted) -> None:
    estimate = estimate_directions(planted(300))
    assert [direction.name for direction in estimate.directions] == ["smile", "hat", "0", "1", "2"]
    assert list(estimate.left_out) == ["3"]
    assert "got 1 with and 299 without" in estimate.left_out["3"]
    with pytest.raises(DataError, match=r"expected at least 5 images with and 5 without '3', got 1 with and 299"):
        estimate_directions(planted(300), names=["smile", "3"])


def test_of_many_that_are_left_out_a_few_reasons_and_all_names_are_told() -> None:
    reasons = {f"a{number}": f"reason {number}" for number in range(30)}
    said = left_out_notes(reasons)
    assert said[:3] == [f"left out a{number}: reason {number}" for number in range(3)] and len(said) == 4
    assert said[3].startswith("left out as well: a3, a4") and said[3].endswith("a29")
    assert left_out_notes({}) == []


def test_unlabelled_images_are_left_out_attribute_by_attribute(planted: Planted) -> None:
    latents = planted(400)
    smile = latents.attributes["smile"].copy()
    smile[100:] = np.nan
    partly = replace(latents, attributes={"smile": smile, "hat": latents.attributes["hat"]})
    alone = replace(latents.take(np.arange(100)), attributes={"smile": smile[:100], "hat": smile[:100] * np.nan})
    (found,), (same,) = (estimate_directions(table, names=["smile"]).directions for table in (partly, alone))
    assert found.positives + found.negatives + found.probe_images < 100
    np.testing.assert_array_equal(found.vector, same.vector)
    assert "got 0 with and 0 without" in estimate_directions(alone).left_out["hat"]


def test_direction_probe_and_judge_never_share_an_image(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    from latentlab.directions import estimate

    latents = planted(400)
    seen: dict[str, set[float]] = defaultdict(set)

    def spy(kind: str, function: Callable, which: int = 0) -> Callable:
        def called(*args: object, **options: object) -> object:
            seen[kind] |= {float(value) for value in args[which][:, 0]}
            return function(*args, **options)

        return called

    monkeypatch.setitem(ESTIMATORS, "mean", spy("direction", ESTIMATORS["mean"]))
    monkeypatch.setattr(estimate, "fit_probe", spy("probe", estimate.fit_probe))
    monkeypatch.setattr(estimate.Probe, "logits", spy("judge", estimate.Probe.logits, which=1))
    (found,) = estimate_directions(latents, names=["smile"]).directions
    sets = list(seen.values())
    assert len(sets) == 3
    assert sum(len(part) for part in sets) == len(set.union(*sets)) == 400
    assert len(seen["judge"]) == found.probe_images
    seen.clear()
    other = planted(200, seed=1, prefix="judge-")
    (found,) = estimate_directions(latents, other, names=["smile"]).directions
    assert seen["judge"] == {float(value) for value in other.mean[:, 0]}
    assert len(seen["direction"] | seen["probe"]) == 400
    assert found.probe_images == 200


def test_judge_apart_gives_the_probes_auc_on_it(planted: Planted) -> None:
    latents, judge = planted(600), planted(300, seed=1)
    (found,) = estimate_directions(latents, judge, names=["smile"]).directions
    logits = judge.mean @ found.readout + found.intercept
    assert found.auc == pytest.approx(auc(logits, judge.attributes["smile"]))


def test_judge_that_does_not_know_the_attribute_leaves_it_unjudged(planted: Planted) -> None:
    judge = replace(planted(100), attributes={"smile": np.ones(100, dtype=np.float32)})
    smile, hat = estimate_directions(planted(200), judge, names=["smile", "hat"]).directions
    for found in (smile, hat):
        assert found.auc is found.auc_interval is None
        assert found.probe_images == 0
        assert found.readout is not None


@pytest.mark.parametrize(("positives", "judged"), [(5, False), (19, False), (20, True)])
def test_few_images_all_find_the_direction_and_none_judge(positives: int, judged: bool) -> None:
    generator = np.random.default_rng(0)
    rare = (np.arange(200) < positives).astype(np.float32)
    z = generator.normal(size=(200, 3)).astype(np.float32)
    latents = Latents(z, None, np.arange(200), attributes={"rare": rare})
    (found,) = estimate_directions(latents).directions
    assert (found.readout is not None) == (found.auc is not None) == (found.probe_images > 0) == judged
    assert found.positives == (10 if judged else positives)
    if not judged:
        np.testing.assert_allclose(found.vector, z[rare == 1].mean(0) - z[rare == 0].mean(0), atol=1e-6)


def test_same_seed_same_bytes_in_any_order_of_rows_and_another_seed_another_split(planted: Planted) -> None:
    latents = planted(300)
    shuffled = latents.take(np.random.default_rng(0).permutation(300))
    (a,), (b,), (c,) = (
        estimate_directions(table, names=["smile"], seed=seed).directions
        for table, seed in ((latents, 0), (latents, 0), (latents, 1))
    )
    assert a.vector.tobytes() == b.vector.tobytes()
    assert a.readout.tobytes() == b.readout.tobytes()
    assert a.auc_interval == b.auc_interval
    assert not np.array_equal(a.vector, c.vector)
    assert (a.angle_degrees, a.p_value, a.accuracy) == (b.angle_degrees, b.p_value, b.accuracy)
    (d,) = estimate_directions(shuffled, names=["smile"]).directions
    np.testing.assert_allclose(d.vector, a.vector, atol=1e-6)


def test_readout_is_fitted_with_balanced_cells() -> None:
    generator = np.random.default_rng(0)
    n = 12_000
    smile = generator.random(n) < 0.5
    glasses = generator.random(n) < np.where(smile, 0.85, 0.15)
    z = np.stack([smile, 3.0 * glasses], axis=1) + generator.normal(size=(n, 2))
    latents = Latents(
        z.astype(np.float32), None, np.arange(n), attributes={"smile": smile * 1.0, "glasses": glasses * 1.0}
    )
    (found,) = estimate_directions(latents, names=["smile"]).directions
    assert abs(found.readout[1]) < 0.15 * found.readout[0]
    alone = replace(latents, attributes={"smile": latents.attributes["smile"]})
    (led,) = estimate_directions(alone, names=["smile"]).directions
    assert led.readout[1] > 0.4 * led.readout[0]


def test_what_cannot_be_estimated_says_why(planted: Planted) -> None:
    latents = planted(100)
    with pytest.raises(UnknownNameError, match="did you mean smile"):
        estimate_directions(latents, names=["smlie"])
    with pytest.raises(UnknownNameError, match="unknown estimator 'maen'"):
        estimate_directions(latents, method="maen")
    with pytest.raises(DataError, match="--attributes"):
        estimate_directions(replace(latents, attributes={}, classes=(), labels=None))
    broken = latents.mean.copy()
    broken[7, 2] = np.nan
    with pytest.raises(DataError, match=r"1 of 100 images, first '7'"):
        estimate_directions(replace(latents, mean=broken))
    constant = replace(latents, attributes={"smile": np.ones(100)}, classes=(), labels=None)
    assert "got 100 with and 0 without" in estimate_directions(constant).left_out["smile"]


def test_quality_of_a_planted_direction_is_that_of_its_closed_form(planted: Planted) -> None:
    (found,) = estimate_directions(planted(12_000), names=["smile"]).directions
    # Two unit Gaussians a distance apart, cut half-way.
    assert found.accuracy == pytest.approx(NormalDist().cdf(float(np.linalg.norm(SMILE)) / 2), abs=0.02)
    assert found.p_value == pytest.approx(0.001)
    # Noise of √(1/n₊ + 1/n₋) in five dimensions across the vector.
    noise = np.sqrt(5 * (1 / found.positives + 1 / found.negatives)) / np.linalg.norm(SMILE)
    assert np.degrees(noise) * 0.7 < found.angle_degrees < np.degrees(noise) * 2.5


@pytest.mark.parametrize("method", ESTIMATORS)
def test_no_attribute_is_found_in_noise(method: str) -> None:
    p_values = []
    for seed in range(12):
        generator = np.random.default_rng(seed)
        attributes = {name: (generator.random(300) < 0.5).astype(np.float32) for name in ("smile", "hat")}
        latents = Latents(
            generator.normal(size=(300, 8)).astype(np.float32), None, np.arange(300), "", (), None, attributes
        )
        (found,) = estimate_directions(latents, names=["smile"], method=method, seed=seed).directions
        p_values.append(found.p_value)
        assert found.angle_degrees > 20
    assert sum(p <= 0.05 for p in p_values) <= 3
    assert np.mean(p_values) > 0.25


@pytest.mark.parametrize("method", ["balanced", "regression", "zero-leak"])
@pytest.mark.parametrize(
    ("opposite", "how"), [(False, "which goes with 'hat' in every"), (True, "which is the opposite")]
)
def test_an_attribute_that_is_another_is_refused_by_name(
    planted: Planted, method: str, opposite: bool, how: str
) -> None:
    latents = planted(300)
    hat = latents.attributes["hat"]
    twins = replace(latents, attributes={"cap": 1 - hat if opposite else hat, "hat": hat}, classes=(), labels=None)
    with pytest.raises(DataError, match=f"got 'cap', {how}"):
        estimate_directions(twins, names=["cap"], method=method)
    assert list(estimate_directions(twins, method=method).left_out) == ["cap", "hat"]
    assert len(estimate_directions(twins, method="mean").directions) == 2


def test_more_attributes_than_dimensions_are_refused_by_zero_leak_alone() -> None:
    generator = np.random.default_rng(0)
    attributes = {f"a{index}": (generator.random(400) < 0.5).astype(np.float32) for index in range(4)}
    z = generator.normal(size=(400, 4)).astype(np.float32)
    z[:, 3] = 1.0
    latents = Latents(z, None, np.arange(400), attributes=attributes)
    with pytest.raises(DataError, match=r"'a0': expected at most as many attributes .* \(3\) for zero-leak, got 4"):
        estimate_directions(latents, names=["a0"], method="zero-leak")
    assert len(estimate_directions(latents, method="regression").directions) == 4


def test_the_covariance_is_of_all_latents(planted: Planted) -> None:
    latents = planted(500)
    covariance = estimate_directions(latents, names=["smile"]).covariance
    np.testing.assert_array_equal(covariance.matrix, fit_covariance(latents.mean).matrix)
    assert covariance.count == 500
    wide = covariance_of(np.random.default_rng(0).normal(size=(20, 1100)).astype(np.float32))
    assert np.count_nonzero(wide.matrix) == 1100
    assert covariance_of(np.ones((5, 3), np.float32)) is None


def test_directions_are_discovered_in_order_and_without_labels(planted: Planted) -> None:
    latents = replace(planted(2000), attributes={}, classes=(), labels=None)
    found = discover_directions(latents, count=3)
    assert [direction.name for direction in found.directions] == ["pca1", "pca2", "pca3"]
    gaps = [direction.gap for direction in found.directions]
    assert gaps == sorted(gaps, reverse=True)
    # A unit Gaussian moved by HAT in half of the images.
    hat = np.array([0, 0, 0, 2.0, 0, 1.0])
    assert gaps[0] == pytest.approx(np.sqrt(1 + hat @ hat / 4), rel=0.05)
    stretched = np.diag([1.0, 9.0, 4.0, 0.1, 0.1, 0.1])
    decoder = discover_directions(latents, "jacobian", lambda z: np.broadcast_to(stretched, (len(z), 6, 6)), count=99)
    assert len(decoder.directions) == 6
    first = decoder.directions[0]
    np.testing.assert_allclose(first.vector, np.eye(6)[1] * latents.mean[:, 1].std(), atol=1e-5)
    assert first.name == first.estimator + "1" == "jacobian1"


def test_what_cannot_be_discovered_says_why(planted: Planted) -> None:
    with pytest.raises(UnknownNameError, match="'pac'; did you mean pca"):
        discover_directions(planted(20), "pac")
    with pytest.raises(UsageError, match="expected the metric"):
        discover_directions(planted(20), "jacobian")
    with pytest.raises(UsageError, match="at least one"):
        discover_directions(planted(20), count=0)
    with pytest.raises(DataError, match="at least 2"):
        discover_directions(planted(1))
