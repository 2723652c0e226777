"""Scores of paths, as a verb of the Lab."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from latentlab.data import load_data
from latentlab.editing.paths import PATHS
from latentlab.errors import DataError, UsageError
from latentlab.evaluation.paths import frame_scores, pays, recommend
from latentlab.lab import Lab, load
from latentlab.lab.path_score import _pairs
from latentlab.statistics.covariance import fit_covariance
from latentlab.statistics.support import Support


@pytest.fixture(scope="module")
def lab() -> Lab:
    return load("digits", "cpu")


def test_every_kind_of_path_is_scored_between_the_same_pairs(lab: Lab, tmp_path: Path) -> None:
    score = lab.score_paths(pairs=2, steps=6)
    assert list(score.scores) == list(PATHS) == list(score.images)
    straight = {round(numbers["straight_length"], 6) for numbers in score.scores.values()}
    assert len(straight) == 1
    assert score.scores["geodesic"]["image_length"] <= score.scores["line"]["image_length"] + 1e-6
    first = score.images["line"]
    row, other = (int(name.removeprefix("@")) for name in score.ends)
    np.testing.assert_allclose(first[[0, -1]], lab.decode(lab.gallery.mean[[row, other]]), atol=1e-6)
    assert any(note.startswith("a geodesic pays for ") and "of 2 pairs" in note for note in score.notes)
    score.save(tmp_path / "paths")
    assert json.loads((tmp_path / "paths" / "result.json").read_text())["inputs"]["steps"] == 6


def test_one_pair_is_scored_as_its_frames_are(lab: Lab) -> None:
    score = lab.score_paths(pairs=1, steps=5)
    for name, value in frame_scores(score.images["slerp"]).items():
        assert score.scores["slerp"][name] == pytest.approx(value)


def test_the_verdict_does_not_depend_on_the_frames_shown(lab: Lab) -> None:
    said = {lab.score_paths(pairs=3, steps=steps).notes[1] for steps in (2, 3, 16)}
    assert len(said) == 1
    assert "shorter than the line by more than 5 %, and among the data; measured all along" in said.pop()


def test_draws_of_the_prior_are_no_data_and_given_data_are(lab: Lab, tmp_path: Path) -> None:
    copy = tmp_path / "bare.safetensors"
    copy.write_bytes(lab.path.read_bytes())
    bare = load(copy, "cpu")
    data = load_data("digits", split="test", count=200)
    score = bare.score_paths(data=data, pairs=1, steps=4)
    z, images = bare.encode_data(data).mean, score.images["line"]
    rows = [int(name.removeprefix("@")) for name in score.ends]
    walked = np.stack([(1 - t) * z[rows[0]] + t * z[rows[1]] for t in np.linspace(0, 1, 4)]).astype(np.float32)
    np.testing.assert_allclose(images, bare.decode(walked), atol=1e-5)
    own = Support(z, fit_covariance(z)).percentile(walked).max()
    assert score.scores["line"]["farthest_percentile"] == pytest.approx(own)
    # A model that knows how its latents lie keeps to that; the images that were given say how far out they are.
    known = lab.score_paths(data=data, pairs=1, steps=4).scores["line"]["farthest_percentile"]
    assert known == pytest.approx(Support(z, lab.covariance).percentile(walked).max())


def test_pairs_are_of_different_classes_where_there_are_some() -> None:
    z = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    labels = np.arange(40) % 4
    chosen = _pairs(z, labels, 30, seed=1)
    assert len(chosen) == 30 and all(labels[a] != labels[b] for a, b in chosen)
    assert chosen == _pairs(z, labels, 30, seed=1) != _pairs(z, labels, 30, seed=2)
    assert len(_pairs(z, np.zeros(40), 5, seed=0)) == 5
    with pytest.raises(DataError, match="at least two images that differ"):
        _pairs(np.zeros((9, 3), np.float32), None, 3, seed=0)


def test_no_pairs_are_refused(lab: Lab) -> None:
    with pytest.raises(UsageError, match="at least one pair"):
        lab.score_paths(pairs=0)


@pytest.mark.parametrize(
    ("length", "percentile", "worth"), [(0.9, 50.0, True), (0.96, 50.0, False), (0.9, 99.5, False), (1.1, 50.0, False)]
)
def test_words_and_verdict_agree_on_what_pays(length: float, percentile: float, worth: bool) -> None:
    scores = {
        "line": {"image_length": 1.0, "farthest_percentile": 20.0},
        "geodesic": {"image_length": length, "farthest_percentile": percentile},
    }
    assert pays(scores) is worth
    assert ("not worth it" not in recommend(scores)) is worth
