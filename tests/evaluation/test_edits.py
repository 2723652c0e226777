"""Edits of a planted linear model: an orthonormal decoder draws each latent dimension into its own pixels."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from latentlab.directions.direction import Direction
from latentlab.errors import DataError, UsageError
from latentlab.evaluation.edits import EditScores, score_edits
from latentlab.evaluation.identity import nearest_distance
from latentlab.evaluation.safe import SafeRange, cycle_limit, safe_range
from latentlab.latents.table import Latents
from latentlab.statistics.covariance import Covariance
from latentlab.statistics.support import Support

D = 16
NAMES = ("smile", "glasses", "gaze")
# The gap between the class means, along dimensions 0, 1 and 2; that of gaze drowns.
GAP = 4.0


def held_out(n: int = 1500, seed: int = 0) -> Latents:
    generator = np.random.default_rng(seed)
    labels = generator.random((n, 3)) < 0.5
    z = generator.normal(size=(n, D))
    z[:, :2] += GAP * (labels[:, :2] - 0.5)
    return Latents(
        mean=z.astype(np.float32),
        logvar=None,
        ids=np.array([f"image {i}" for i in range(n)]),
        attributes={name: labels[:, i].astype(np.float32) for i, name in enumerate(NAMES)},
    )


def vector(*values: float) -> np.ndarray:
    return np.append(values, np.zeros(D - len(values))).astype(np.float32)


def planted(smile: np.ndarray | None = None) -> list[Direction]:
    vectors = {"smile": vector(GAP) if smile is None else smile, "glasses": vector(0, GAP), "gaze": vector(0, 0, 0.1)}
    return [
        Direction(name, v, "mean", readout=np.eye(D, dtype=np.float32)[i] * GAP)
        for i, (name, v) in enumerate(vectors.items())
    ]


def decode(z: np.ndarray) -> np.ndarray:
    return z.reshape(len(z), 1, 4, 4)


def encode(pictures: np.ndarray) -> np.ndarray:
    return pictures.reshape(len(pictures), D)


def score(latents: Latents | None = None, directions: list[Direction] | None = None, **options: object) -> EditScores:
    return score_edits(
        held_out() if latents is None else latents,
        planted() if directions is None else directions,
        **{"decode": decode, "encode": encode, **options},  # type: ignore[arg-type]
    )


def test_edit_along_the_planted_direction_works_and_leaks_nothing() -> None:
    scores = score()
    smile = scores.attributes[0]
    # Without it, z₀ ~ N(−2, 1): 90 % are above 0 after 2 + 1.28 = .82 gaps.
    assert smile.alpha_latents == pytest.approx(0.82, abs=0.04)
    assert smile.alpha_pictures == pytest.approx(smile.alpha_latents, abs=0.05)
    assert smile.accuracy == pytest.approx(0.977, abs=0.01)
    assert scores.latents.gaps[0, 0] == pytest.approx(smile.alpha_latents, rel=0.03)
    assert scores.pictures.gaps[0, 0] == pytest.approx(smile.alpha_pictures, rel=0.03)
    assert scores.latents.gaps[0, 1] == pytest.approx(0, abs=1e-6)
    assert scores.latents.flips[0, 0] == pytest.approx(0.9, abs=0.05)
    assert scores.latents.flips[0, 1] == 0
    assert scores.floor.gaps[0, :2] == pytest.approx([0, 0], abs=1e-6)
    assert smile.cycle == smile.cycle_floor == 0
    # All of the change is in one pixel, where the class means differ most.
    assert smile.region == 1 / 16
    assert smile.outside == pytest.approx(0, abs=1e-6)
    assert smile.change == pytest.approx(smile.alpha_pictures * GAP / 4, rel=1e-4)
    assert smile.reached is not None and 0.9 <= smile.reached <= 0.92
    assert f"changes {100 * smile.reached:.0f} % of the images in pictures" in smile.verdict()


def test_leak_is_found_in_gaps_of_the_other_attribute() -> None:
    scores = score(directions=planted(vector(GAP, -0.25 * GAP)))
    smile = scores.attributes[0]
    assert scores.latents.gaps[0, 1] == pytest.approx(-0.25 * smile.alpha_latents, rel=0.05)
    assert scores.pictures.gaps[0, 1] == pytest.approx(-0.25 * smile.alpha_pictures, rel=0.05)
    assert (smile.leak_latents, smile.leak_pictures) == (scores.latents.gaps[0, 1], scores.pictures.gaps[0, 1])
    assert smile.leak_name == "glasses" and "glasses by −0." in smile.verdict()
    assert smile.outside == pytest.approx(1 / 17, rel=0.01)


def test_what_the_codec_does_to_every_picture_is_no_leakage() -> None:
    def drifting(pictures: np.ndarray) -> np.ndarray:
        return encode(pictures) + vector(0, 0.5 * GAP)

    scores = score(encode=drifting)
    smile = scores.attributes[0]
    assert scores.pictures.gaps[0, 1] == pytest.approx(0, abs=1e-6) and scores.pictures.flips[0, 1] == 0
    assert abs(smile.leak_pictures) < 1e-6
    assert scores.floor.gaps[0, 1] == pytest.approx(0.5, rel=0.03) and scores.floor.flips[0, 1] > 0.15
    assert scores.pictures.gaps[0, 0] == pytest.approx(smile.alpha_pictures, rel=0.03)


def test_a_decoder_that_does_not_show_it_is_told_from_a_direction_that_does_not_carry_it() -> None:
    def blind(z: np.ndarray) -> np.ndarray:
        return decode(np.where(np.arange(D) == 0, np.float32(-2), z))

    failing = score(decode=blind).attributes[0]
    assert failing.alpha_latents is not None and failing.alpha_pictures is None
    assert "the decoder does not show it" in failing.verdict()
    assert "at most 0 % of the pictures" in failing.verdict()
    assert score(decode=blind).attributes[1].alpha_pictures is not None
    for wrong in (vector(0, 0, GAP), vector(-GAP), vector(0.1)):
        scores = score(directions=planted(wrong))
        assert scores.attributes[0].alpha_latents is None
        assert "the direction does not carry it" in scores.attributes[0].verdict()
        assert np.isnan(scores.latents.gaps[0]).all() and np.isnan(scores.pictures.flips[0]).all()
        assert np.isfinite(scores.floor.flips[0]).all()


def test_a_judge_no_better_than_chance_is_said_so_and_blames_nobody() -> None:
    # A readout of nothing rises along everything here: it must not count as what smile leaks onto.
    directions = planted(vector(GAP, 0, 10))
    scores = score(directions=directions)
    assert not scores.attributes[2].fair
    assert "gaze: cannot be judged: its readout reads 5" in scores.attributes[2].verdict()
    assert scores.attributes[0].leak_name == "glasses"


def test_success_rises_with_alpha_and_starts_at_what_the_judge_gets_wrong() -> None:
    smile = score(alphas=(2.0, -1.0, 1.0)).attributes[0]
    assert smile.alphas == (-1, 0, 1, 2)
    assert list(smile.success_latents) == sorted(smile.success_latents)
    assert smile.success_latents[0] == 0 and 0 < smile.success_latents[1] < 0.06 and smile.success_latents[3] == 1


def test_alpha_beyond_the_range_is_none() -> None:
    smile = score(alphas=(0.0, 0.5)).attributes[0]
    assert smile.alpha_latents is None and smile.alpha_pictures is None


def test_alpha_of_pictures_accounts_for_a_decoder_that_shrinks() -> None:
    def timid(z: np.ndarray) -> np.ndarray:
        return decode(np.where(np.arange(D) == 0, (z + 2) / 2 - 2, z).astype(np.float32))

    smile = score(decode=timid).attributes[0]
    # N(−2, ½) moved by half of 4α.
    assert smile.alpha_pictures == pytest.approx((2 + 1.28 / 2) / 2, abs=0.06)
    assert smile.cycle > smile.cycle_floor > 0


def test_the_most_it_succeeds_by_is_small_wherever_the_curve_bends() -> None:
    def late(z: np.ndarray) -> np.ndarray:
        return decode(np.where((np.arange(D) == 0) & (z < 5.3), np.float32(-2), z).astype(np.float32))

    scores = score(decode=late)
    assert scores.attributes[0].alpha_pictures == pytest.approx((5.3 + 2 + 1.28) / GAP, abs=0.1)
    assert 0.85 < scores.pictures.flips[0, 0] < 0.93


def test_classes_that_exclude_each_other_are_no_leak() -> None:
    latents = held_out()
    labels = latents.truth("smile").astype(int)
    classes = replace(latents, attributes={"gaze": latents.attributes["gaze"]}, classes=("no", "yes"), labels=labels)
    yes = replace(planted()[0], name="yes")
    no = replace(yes, name="no", vector=-yes.vector, readout=-yes.readout)
    scores = score(classes, [yes, no])
    assert scores.latents.gaps[0, 1] == pytest.approx(-scores.latents.gaps[0, 0])
    assert scores.attributes[0].leak_latents is None and "most else" not in scores.attributes[0].verdict()


def test_what_cannot_be_judged_is_left_out_with_the_reason() -> None:
    directions = [*planted(), replace(planted()[0], name="hat"), replace(planted()[1], name="beard", readout=None)]
    scores = score(directions=directions)
    assert scores.names == list(NAMES)
    assert "not labelled" in scores.left_out["hat"] and "no readout" in scores.left_out["beard"]
    # Edits that work are no doubts: gaze drowns, and two directions were left out.
    assert [line.split(":")[0] for line in scores.doubts()] == ["gaze", "hat", "beard"]
    with pytest.raises(DataError, match="got none: hat"):
        score(directions=directions[3:])
    with pytest.raises(DataError, match="no directions"):
        score(directions=[])


@pytest.mark.parametrize("options", [{"success": 1.0}, {"count": 0}, {"alphas": (-1.0,)}, {"alphas": (1, np.inf)}])
def test_wrong_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="expected a success between 0 and 1"):
        score(**options)


def test_latents_that_are_not_finite_are_refused() -> None:
    latents = held_out()
    latents.mean[3, 3] = np.nan
    with pytest.raises(DataError, match="finite latents"):
        score(latents)


def test_work_is_bounded_and_images_are_those_without_it() -> None:
    latents = held_out()
    seen: list[np.ndarray] = []

    def watched(z: np.ndarray) -> np.ndarray:
        seen.append(z)
        return decode(z)

    scores = score(latents, planted()[:1], decode=watched, count=100)
    assert scores.attributes[0].count == 100
    assert len(seen[0]) == 500 and max(len(z) for z in seen[1:]) == 100
    assert sum(len(z) for z in seen[1:]) <= 13 * 48 + 10 * 100
    without = {row.tobytes() for row in latents.mean[latents.truth("smile") == 0]}
    assert all(row.tobytes() in without for row in next(z for z in seen if len(z) == 100))


def test_same_seed_same_record_whatever_the_order_of_rows() -> None:
    latents = held_out()
    turned = latents.take(np.arange(len(latents))[::-1])
    record = json.dumps(score(latents, count=50).record(), allow_nan=False)
    assert record == json.dumps(score(latents, count=50).record())
    assert json.loads(record)["attributes"][0]["alpha_pictures"] == score(turned, count=50).attributes[0].alpha_pictures
    assert record != json.dumps(score(latents, count=50, seed=1).record())


def test_a_record_comes_back_as_the_scores_that_it_was_made_of() -> None:
    scores = score(count=50)
    record = json.loads(json.dumps(scores.record(), allow_nan=False))
    assert record["pictures"]["gaps"][2] == [None] * 3
    assert record["attributes"][0]["verdict"] == scores.attributes[0].verdict()
    again = EditScores.from_record(record)
    assert again.attributes == scores.attributes and again.names == list(NAMES)
    for kind in ("latents", "pictures", "floor"):
        np.testing.assert_array_equal(getattr(again, kind).gaps, getattr(scores, kind).gaps)
        np.testing.assert_array_equal(getattr(again, kind).flips, getattr(scores, kind).flips)
    assert again.record() == scores.record()


def test_pictures_come_back_while_they_are_nearer_to_themselves_than_to_other_images() -> None:
    def drifting(pictures: np.ndarray) -> np.ndarray:
        z = encode(pictures).copy()
        z[:, -1] += 0.5 * np.maximum(z[:, 0] - 4, 0)
        return z

    latents = held_out()
    safe = score(latents, encode=drifting).attributes[0].safe
    # The drift is ½ (4α − 6) for the middle image: half the way to the next one at
    half_way = nearest_distance(latents.mean, 1.0) / 2
    assert safe.high == pytest.approx((6 + half_way / 0.5) / GAP, abs=0.06)
    assert safe.high_limit == "cycle"


def test_pictures_come_back_while_they_do_as_well_as_most_of_the_data() -> None:
    def drifting(pictures: np.ndarray) -> np.ndarray:
        z = encode(pictures).copy()
        z[:, -1] += 2 * np.abs(z[:, 0])
        return z

    latents = held_out()
    safe = score(latents, encode=drifting).attributes[0].safe
    # |z₀| of all images, with and without it, and not only of those that are edited.
    usual = np.percentile(np.abs(latents.mean[:, 0]), 99)
    assert safe.high == pytest.approx((2 + usual) / GAP, abs=0.1)
    assert safe.low == pytest.approx((2 - usual) / GAP, abs=0.1)
    assert safe.high_limit == "cycle"


def test_a_picture_may_be_as_far_off_as_usual_or_half_way_to_the_next() -> None:
    assert cycle_limit(0.2, 0.6) == 0.3 and cycle_limit(0.4, 0.6) == 0.4 and cycle_limit(np.inf, 0.6) == np.inf


ROUND = Covariance(np.zeros(2, np.float32), np.eye(2, dtype=np.float32), 10)
RING = Support(np.stack([np.linspace(0, 10, 1001), np.zeros(1001)], axis=1).astype(np.float32), ROUND)


def test_safe_range_ends_where_the_median_latent_is_further_out_than_99_percent() -> None:
    z = np.array([[1.0, 0]], np.float32)
    found = safe_range(z, np.array([2.0, 0], np.float32), RING, (-10, 0, 10))
    # |1 + 2α| ≤ 9.9
    assert found.low == pytest.approx(-5.45, abs=0.06) and found.high == pytest.approx(4.45, abs=0.06)
    assert found.low_limit == found.high_limit == "distance"


def test_safe_range_ends_where_pictures_do_not_come_back() -> None:
    z = np.array([[1.0, 0]], np.float32)
    found = safe_range(z, np.array([2.0, 0], np.float32), RING, (-2, 0, 2), [0.0, 0.0, 1.0], 0.5)
    assert found == SafeRange(-2.0, pytest.approx(1.0, abs=0.011), "", "cycle")
    assert str(SafeRange(-2.0, 1.0, "", "cycle")) == "≤ −2 to 1"


def test_images_outside_the_data_have_no_safe_range() -> None:
    z = np.array([[20.0, 0]], np.float32)
    found = safe_range(z, np.array([2.0, 0], np.float32), RING, (-1, 1))
    assert (found.low, found.high) == (0, 0) and found.high_limit == "distance"


def test_an_edit_that_works_backwards_is_not_said_to_succeed() -> None:
    backwards = score(directions=[replace(one, vector=-one.vector) for one in planted()]).attributes[0]
    assert max(backwards.success_latents) > 0.9
    said = backwards.verdict()
    assert "the direction does not carry it" in said and "at most 100 %" not in said
