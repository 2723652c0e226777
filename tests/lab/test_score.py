"""Scores of edits, as a verb of the Lab."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latentlab.data import load_data
from latentlab.directions.file import read_directions
from latentlab.errors import CapabilityError, DataError, UnknownNameError
from latentlab.lab import Lab, load
from latentlab.lab.score import hold_out


@pytest.fixture(scope="module")
def faces() -> Lab:
    return load("faces", "cpu")


def test_edits_are_scored_on_the_gallery(faces: Lab, tmp_path: Path) -> None:
    score = faces.score_edits(["smile", "glasses", "gaze"], count=40)
    smile, _, gaze = score.quality.attributes
    assert smile.alpha_pictures is not None and 0.5 < smile.alpha_pictures < 1.5
    assert gaze.alpha_pictures is None
    assert any(note.startswith("gaze: ") for note in score.notes)
    assert score.examples.shape == (3, 2, 3, 64, 64)
    score.save(tmp_path / "scored")
    stored = json.loads((tmp_path / "scored" / "result.json").read_text())["scores"]
    assert stored["names"] == ["smile", "glasses", "gaze"]
    assert stored["pictures"]["gaps"][0][0] == pytest.approx(score.quality.pictures.gaps[0, 0])
    page = (tmp_path / "scored" / "index.html").read_text()
    assert "Leakage in latents at 90 % success" in page and "outside its place" in page


def test_the_same_seed_gives_the_same_scores(faces: Lab) -> None:
    first, second = (faces.score_edits(["hat"], count=20, seed=4).scores for _ in range(2))
    assert first == second


def test_what_cannot_be_scored(faces: Lab) -> None:
    with pytest.raises(UnknownNameError, match="smile"):
        faces.score_edits(["smlie"])
    bare = Lab(replace(faces.run, directions={}, gallery=None))
    with pytest.raises(CapabilityError, match="carries no directions"):
        bare.score_edits()


def test_images_that_found_the_directions_do_not_score_them(tmp_path: Path) -> None:
    """A coin that nothing can read stays one, however often the same images are looked at."""
    lab = load("digits", "cpu")
    data = load_data("digits", split="test", count=300)
    coin = np.random.default_rng(5).integers(0, 2, len(data)).astype(np.float32)
    noisy = type(data)(**{**vars(data), "attributes": {"coin": coin}})
    lab.attrs(noisy, ["coin"], quality=False).save(tmp_path)
    stored = read_directions(tmp_path / "directions.safetensors", lab.checkpoint)
    score = lab.score_edits(["coin"], data=noisy, directions=stored, count=20)
    assert any(note.startswith("scored on the 7") and "of these 300 images" in note for note in score.notes)
    known, _ = hold_out(lab.encode_data(noisy), seed=0)
    rows = np.isin(noisy.ids, known.ids)
    with pytest.raises(DataError, match="got the very same"):
        lab.score_edits(["coin"], data=noisy.take(np.flatnonzero(rows)), directions=stored)
