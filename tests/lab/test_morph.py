"""Morphs on every kind of path, their scores, and their comparison."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from latentlab.editing.paths import PATHS
from latentlab.errors import CapabilityError, UsageError
from latentlab.lab import Lab, load
from latentlab.lab.end import End
from latentlab.lab.morph import data_support, find_ends, find_energy, whole_paths
from latentlab.lab.morph_comparison import MorphComparison, compare_paths
from latentlab.latents.energy import decoder_energy


@pytest.fixture(scope="module")
def lab() -> Lab:
    return load("digits", "cpu")


@pytest.fixture(scope="module")
def comparison(lab: Lab) -> MorphComparison:
    return compare_paths(lab, ["1", "7", "0"], steps=13)


@pytest.mark.parametrize("path", PATHS)
def test_every_path_meets_its_ends(lab: Lab, path: str) -> None:
    morph = lab.morph("1", "7", "0", steps=13, path=path)
    assert morph.images.shape == (13, 1, 8, 8)
    frames = [morph.captions.index(name) for name in "170"]
    assert frames[0] == 0 and frames[-1] == 12
    np.testing.assert_array_equal(morph.latents[frames], np.stack([lab.mean_of(name) for name in "170"]))
    assert 0 <= morph.scores["farthest_percentile"] <= 100
    assert morph.origin.inputs["path"] == path


def test_the_picture_changes_evenly_when_asked(lab: Lab) -> None:
    plain = lab.morph("1", "7", steps=12)
    even = lab.morph("1", "7", steps=12, speed="even")
    assert even.scores["speed_variation"] < 0.01 < plain.scores["speed_variation"]
    assert even.scores["largest_step"] < plain.scores["largest_step"]
    np.testing.assert_array_equal(even.latents[[0, -1]], plain.latents[[0, -1]])


def test_the_geodesic_is_the_shortest_and_even(lab: Lab, comparison: MorphComparison) -> None:
    lengths = {path: scores["image_length"] for path, scores in comparison.scores.items()}
    assert list(lengths) == list(PATHS)
    assert min(lengths, key=lambda path: lengths[path]) == "geodesic"
    assert comparison.notes[0].startswith("geodesic ") and "it pays above 5 %" in comparison.notes[0]
    morph = lab.morph("1", "7", path="geodesic")
    assert morph.scores["speed_variation"] < 0.01
    assert morph.notes[0].startswith("geodesic ")
    np.testing.assert_array_equal(morph.latents, lab.morph("1", "7", path="geodesic").latents)


@pytest.mark.parametrize("speed", ["latent", "even"])
def test_the_verdict_does_not_depend_on_the_frames_shown(lab: Lab, speed: str) -> None:
    said = {
        note
        for steps in (2, 3, 16)
        for note in (
            lab.morph("1", "7", path="geodesic", steps=steps, speed=speed).notes[0],
            compare_paths(lab, ["1", "7"], steps=steps, speed=speed).notes[0],
        )
    }
    assert len(said) == 1 and said.pop().endswith("measured all along both paths, whatever the number of frames")


def test_whole_paths_are_measured_on_every_leg(lab: Lab) -> None:
    support = data_support(lab)

    def whole(*names: str) -> dict[str, dict[str, float]]:
        return whole_paths(lab, find_ends(lab, names), find_energy(lab, "geodesic"), support)

    first, second, both = whole("1", "7"), whole("7", "0"), whole("1", "7", "0")
    for kind in ("line", "geodesic"):
        assert both[kind]["image_length"] == pytest.approx(first[kind]["image_length"] + second[kind]["image_length"])
        farthest = max(first[kind]["farthest_percentile"], second[kind]["farthest_percentile"])
        assert both[kind]["farthest_percentile"] == pytest.approx(farthest)
    assert first["line"]["image_length"] == pytest.approx(
        lab.morph("1", "7", steps=65).scores["image_length"], rel=1e-5
    )
    far = lab.center + 100 * (lab.mean_of("1") - lab.center)
    ends = [End("mean", lab.center), End("far", far), End("mean", lab.center)]
    assert whole_paths(lab, ends, find_energy(lab, "geodesic"), support)["line"]["farthest_percentile"] == 100
    assert "farthest_percentile" not in whole_paths(lab, ends, find_energy(lab, "geodesic"), None)["line"]


def test_a_geodesic_is_searched_for_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    build = decoder_energy

    def spied(codec: object) -> object:
        energy = build(codec)
        return lambda curve: (asked.append(curve.tobytes()), energy(curve))[1]

    monkeypatch.setattr("latentlab.lab.morph.decoder_energy", spied)
    lab.morph("1", "7", path="geodesic")
    assert asked and len(asked) == len(set(asked))


def test_a_comparison_shows_paths_one_above_the_other(comparison: MorphComparison, tmp_path: Path) -> None:
    strip = comparison.strip()
    assert strip.shape == (13, 1, 4 * 8 + 3, 8)
    for row, images in enumerate(comparison.images.values()):
        np.testing.assert_array_equal(strip[:, :, row * 9 : row * 9 + 8], images)
    written = {path.name for path in comparison.save(tmp_path, "the command")}
    assert written == {"compare.png", "compare.gif", "index.html", "result.json"}
    record = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert list(record["scores"]) == list(PATHS)
    assert record["inputs"]["ends"] == ["1", "7", "0"] and record["inputs"]["compare"] is True
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    for path in PATHS:
        assert f'id="morph-{path}"' in page
    assert "<img" in comparison._repr_html_()


def test_a_comparison_is_the_same_bytes_again(lab: Lab) -> None:
    first, second = (compare_paths(lab, ["random", "3"], steps=4, seed=2) for _ in range(2))
    assert first.pictures() == second.pictures()
    assert first.scores == second.scores


def test_without_a_decoder_to_follow_there_is_no_geodesic(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(codec: object) -> None:
        raise CapabilityError("expected continuous latents")

    monkeypatch.setattr("latentlab.lab.morph.decoder_energy", refused)
    found = compare_paths(lab, ["1", "7"], steps=4)
    assert list(found.images) == ["line", "slerp", "preserving"]
    assert found.notes == ["no geodesic: expected continuous latents"]
    with pytest.raises(CapabilityError):
        lab.morph("1", "7", path="geodesic")


def test_no_gallery_no_distance_from_the_data(lab: Lab, tmp_path: Path) -> None:
    copy = tmp_path / "bare.safetensors"
    copy.write_bytes(lab.path.read_bytes())
    bare = load(copy, "cpu")
    scores = bare.morph("random", "mean", steps=3).scores
    assert "farthest_percentile" not in scores and "curvature_degrees" in scores


@pytest.mark.parametrize("ends", [("1", "1"), ("1", "7", "7"), ("@3", "@3", "1"), ("mean", "mean")])
def test_ends_that_are_the_same_image_are_refused(lab: Lab, ends: tuple[str, ...]) -> None:
    for verb in (lambda: lab.morph(*ends), lambda: compare_paths(lab, ends)):
        with pytest.raises(UsageError, match=r"got ends that are the same image: '.+' and '.+'; name another one"):
            verb()


def test_a_path_may_come_back_to_where_it_began(lab: Lab) -> None:
    morph = lab.morph("1", "7", "1", steps=5)
    np.testing.assert_array_equal(morph.latents[0], morph.latents[-1])


def test_names_stand_under_the_slider_where_their_frames_are(lab: Lab) -> None:
    def marks(speed: str) -> list[str]:
        html = str(lab.morph("1", "7", "0", steps=14, speed=speed).sections()[0].html)
        return re.findall(r"<span>(.*?)</span>", re.search(r'class="strip-ends".*?</div>', html, re.DOTALL)[0])

    assert marks("latent") == ["1", "7", "0"]
    even = lab.morph("1", "7", "0", steps=14, speed="even")
    assert even.captions.index("7") != 7
    assert marks("even") == ["1", "0"]


def test_an_unknown_speed_is_refused(lab: Lab) -> None:
    with pytest.raises(UsageError, match="expected a speed of latent, even, got 'fast'"):
        lab.morph("1", "7", speed="fast")
