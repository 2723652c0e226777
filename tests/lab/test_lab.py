"""The Lab: what its verbs return, and that results save and show themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentlab.data import load_data
from latentlab.errors import CapabilityError, DataError, LatentlabError, UnknownNameError, UsageError
from latentlab.lab import Lab, load
from latentlab.lab.result import folder_name, plain
from latentlab.lab.stranger import stranger_notes


@pytest.fixture(scope="module")
def lab() -> Lab:
    return load("digits", "cpu")


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", split="test", count=60)


def test_a_morph_begins_and_ends_at_its_ends(lab: Lab) -> None:
    morph = lab.morph("1", "7", steps=9)
    np.testing.assert_array_equal(morph.latents[0], lab.mean_of("1"))
    np.testing.assert_array_equal(morph.latents[-1], lab.mean_of("7"))
    assert morph.images.shape == (9, 1, 8, 8)
    np.testing.assert_array_equal(morph.images, lab.decode(morph.latents))
    assert morph.captions[0] == "1"
    assert morph.captions[-1] == "7"


def test_a_morph_through_three_ends_meets_the_middle_one(lab: Lab) -> None:
    morph = lab.morph("1", "7", "3", steps=11, path="slerp")
    assert np.abs(morph.latents - lab.mean_of("7")).max(axis=1).min() < 1e-5


def test_two_random_ends_differ(lab: Lab) -> None:
    morph = lab.morph("random", "random", steps=4)
    assert np.abs(morph.latents[0] - morph.latents[-1]).max() > 0.1


def test_the_mean_of_a_class_is_that_of_its_latents(lab: Lab, digits) -> None:
    z = lab.encode(digits.images)
    np.testing.assert_allclose(lab.mean_of("3", digits), z[digits.labels == 3].mean(axis=0), atol=1e-5)


def test_an_edit_adds_alpha_times_the_direction(lab: Lab, digits) -> None:
    edit = lab.edit(digits.images[:5], {"7": [-1.0, 0.0, 1.5]})
    z = lab.encode(digits.images[:5])
    vector = lab.directions["7"].vector
    np.testing.assert_allclose(edit.latents[:, 2], z + 1.5 * vector, atol=1e-5)
    np.testing.assert_array_equal(edit.latents[:, 1], z)
    np.testing.assert_allclose(edit.images[:, 1], edit.reconstructions, atol=1e-6)
    np.testing.assert_array_equal(edit.originals, digits.images[:5])


def test_images_come_in_many_forms(lab: Lab, digits) -> None:
    import torch

    real = digits.images[:2]
    expected = lab.edit(real, {"7": 1.0}).images
    forms = [digits.pixels[:2], torch.tensor(real, requires_grad=True), real.tolist(), list(real)]
    for images in forms:
        np.testing.assert_allclose(lab.edit(images, {"7": 1.0}).images, expected, atol=1e-5)
        np.testing.assert_allclose(lab.reconstruct(images).real, real, atol=1e-6)
    alone = lab.edit(real[0], {"7": 1.0})
    assert alone.pictures() and lab.reconstruct(real[0]).real.shape == (1, 1, 8, 8)
    np.testing.assert_allclose(alone.images, expected[:1], atol=1e-5)


def test_gallery_edits_take_images_without_what_is_added(lab: Lab) -> None:
    edit = lab.edit(None, {"7": 1.0}, count=12)
    rows = [int(name.removeprefix("@")) for name in edit.names]
    assert (lab.known().truth("7")[rows] == 0).all()
    taken = lab.edit(None, {"7": -1.0}, count=4)
    assert (lab.known().truth("7")[[int(name[1:]) for name in taken.names]] == 1).all()


def test_attributes_are_differences_of_means(lab: Lab, digits) -> None:
    found = lab.attrs(digits, ["0"])
    direction = found.directions[0]
    np.testing.assert_allclose(direction.vector, direction.mean_with - direction.mean_without, atol=1e-5)


def test_directions_that_are_saved_are_taken_back(lab: Lab, tmp_path: Path) -> None:
    from latentlab.directions.file import read_directions

    lab.attrs(names=["1", "7"]).save(tmp_path / "out")
    stored = read_directions(tmp_path / "out" / "directions.safetensors", lab.checkpoint)
    assert [direction.name for direction in stored.directions] == ["1", "7"]
    with pytest.raises(LatentlabError, match="holds directions of checkpoint"):
        read_directions(tmp_path / "out" / "directions.safetensors", load("digits-ae", "cpu").checkpoint)


def test_arithmetic_on_points_and_on_directions(lab: Lab) -> None:
    point = lab.arithmetic("mean(7) - mean(1) + @3")
    expected = lab.mean_of("7") - lab.mean_of("1") + lab.known().mean[3]
    np.testing.assert_allclose(point.latents[0], expected, atol=1e-5)
    direction = lab.arithmetic("7 - 0.5*1")
    expected = lab.directions["7"].vector - 0.5 * lab.directions["1"].vector
    np.testing.assert_allclose(direction.latents[0], expected, atol=1e-5)
    assert direction.expression.kind == "direction"


def test_samples_follow_seed_and_temperature(lab: Lab) -> None:
    assert np.array_equal(lab.sample(4, seed=1).latents, lab.sample(4, seed=1).latents)
    assert not np.array_equal(lab.sample(4, seed=1).latents, lab.sample(4, seed=2).latents)
    np.testing.assert_allclose(lab.sample(4, temperature=0.5).latents, 0.5 * lab.sample(4).latents, atol=1e-6)
    np.testing.assert_allclose(lab.sample(3, temperature=0, source="aggregate").latents[0], lab.center, atol=1e-6)


def test_an_autoencoder_has_no_prior_but_an_aggregate() -> None:
    ae = load("digits-ae", "cpu")
    with pytest.raises(CapabilityError, match="--from aggregate"):
        ae.sample(4)
    assert ae.sample(4, source="aggregate").images.shape == (4, 1, 8, 8)


def test_reconstructions_are_sorted_worst_first(lab: Lab, digits) -> None:
    found = lab.reconstruct(data=digits, count=10, worst=True)
    assert (np.diff(found.loss) <= 0).all()
    assert found.loss[0] == pytest.approx(lab.losses(digits.images, lab.encode(digits.images)).max(), rel=1e-5)
    assert found.scores["compression"] == pytest.approx(64 / (4 * lab.latent.size))


def test_traversals_move_one_dimension(lab: Lab) -> None:
    found = lab.traverse(dims=[2], steps=5, span=2.0)
    moved = found.latents[0] - lab.center
    assert np.abs(np.delete(moved, 2, axis=1)).max() < 1e-6
    np.testing.assert_allclose(moved[:, 2], np.linspace(-2, 2, 5) * lab.known().mean[:, 2].std(), atol=1e-5)


def test_an_image_file_is_an_end(lab: Lab, digits, tmp_path: Path) -> None:
    Image.fromarray((digits.images[0, 0] * 255).round().astype(np.uint8)).save(tmp_path / "one.png")
    morph = lab.morph(str(tmp_path / "one.png"), "7", steps=3)
    np.testing.assert_allclose(morph.latents[0], lab.encode(digits.images[:1])[0], atol=0.1)


def test_a_stranger_is_called_one(lab: Lab) -> None:
    noise = np.random.default_rng(0).uniform(size=(1, 1, 8, 8)).astype(np.float32)
    edit = lab.edit(noise, {"7": 1.0}, names=["noise.png"])
    assert "noise.png is a stranger" in edit.warnings[0]
    assert stranger_notes(
        lab, *(lambda x: (x, lab.encode(x), ["a"]))(load_data("digits", split="test").images[:1])
    ) == [""]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda lab: lab.morph("1"),
        lambda lab: lab.morph("1", "7", steps=1),
        lambda lab: lab.morph("1", "7", path="zigzag"),
        lambda lab: lab.morph("1", "smile"),
        lambda lab: lab.morph("1", "@99999"),
        lambda lab: lab.morph("1", "nothere.png"),
        lambda lab: lab.edit(None, {}),
        lambda lab: lab.edit(None, {"7": float("nan")}),
        lambda lab: lab.edit(None, {"beard": 1.0}),
        lambda lab: lab.edit(np.zeros((1, 3, 8, 8)), {"7": 1.0}),
        lambda lab: lab.edit(np.full((1, 1, 8, 8), 255.0), {"7": 1.0}),
        lambda lab: lab.edit(None, "7"),
        lambda lab: lab.edit(None, {7: 1.0}),
        lambda lab: lab.edit([np.zeros((1, 8, 8)), np.zeros((8, 8))], {"7": 1.0}),
        lambda lab: lab.reconstruct("photo.png"),
        lambda lab: lab.morph(1, 7),
        lambda lab: lab.attrs("digits"),
        lambda lab: lab.sample(0),
        lambda lab: lab.sample(4, temperature=-1),
        lambda lab: lab.sample(4, source="nowhere"),
        lambda lab: lab.traverse(dims=[99]),
        lambda lab: lab.decode(np.zeros((1, 3))),
        lambda lab: lab.arithmetic("7 - 7"),
        lambda lab: lab.map(method="tsne"),
        lambda lab: lab.map(method="pca", colour="beard"),
    ],
)
def test_mistakes_are_one_line(lab: Lab, wrong) -> None:
    with pytest.raises(LatentlabError) as caught:
        wrong(lab)
    assert "\n" not in str(caught.value)


def test_alphas_beyond_all_pictures_say_so(lab: Lab) -> None:
    with pytest.raises(DataError, match="expected latents near those of images, got values up to"):
        lab.edit(None, {"7": 1e38})


def test_an_unknown_name_lists_the_nearest(lab: Lab) -> None:
    faces = load("faces", "cpu")
    with pytest.raises(UnknownNameError, match="did you mean smile"):
        faces.edit(None, {"smlie": 1.0})


def test_a_checkpoint_without_its_run_says_what_is_missing(tmp_path: Path) -> None:
    copy = tmp_path / "bare.safetensors"
    copy.write_bytes(load("digits", "cpu").path.read_bytes())
    bare = load(copy, "cpu")
    assert not bare.directions
    with pytest.raises(CapabilityError, match="--data"):
        bare.attrs()
    with pytest.raises(CapabilityError, match="--data"):
        bare.morph("@1", "mean")
    data = load_data("digits", split="train", count=300)
    assert {direction.name for direction in bare.attrs(data).directions} == set("0123456789")
    assert bare.edit(None, {"7": 1.0}, data=data, count=3).images.shape == (3, 1, 1, 8, 8)


@pytest.mark.parametrize(
    "verb",
    [
        lambda lab, data: lab.morph("1", "7", steps=4),
        lambda lab, data: lab.edit(None, {"7": 1.0}, count=2),
        lambda lab, data: lab.attrs(),
        lambda lab, data: lab.arithmetic("mean(7) - mean(1) + @3"),
        lambda lab, data: lab.sample(4),
        lambda lab, data: lab.reconstruct(data=data, count=4),
        lambda lab, data: lab.traverse(count=2, steps=3),
        lambda lab, data: lab.map(method="pca"),
    ],
)
def test_results_save_and_show_themselves(lab: Lab, digits, verb, tmp_path: Path) -> None:
    result = verb(lab, digits)
    paths = result.save(tmp_path / "out", "the command")
    assert {"index.html", "result.json"} <= {path.name for path in paths}
    record = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert record["checkpoint"] == lab.checkpoint
    assert record["command"] == result.origin.command
    assert "<img" in result._repr_html_()
    assert repr(result).startswith(f"{type(result).__name__}('") and len(repr(result)) < 400
    assert "the command" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_nothing_stays_when_a_result_cannot_be_written(lab: Lab, tmp_path: Path, monkeypatch) -> None:
    import os

    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LatentlabError, match="the disk is full"):
        lab.morph("1", "7", steps=3).save(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_results_are_the_same_bytes_again(lab: Lab) -> None:
    assert lab.morph("1", "7", steps=4).pictures() == lab.morph("1", "7", steps=4).pictures()


def test_a_data_set_shows_what_it_is(digits) -> None:
    shown = repr(digits)
    assert shown == "Dataset('digits', test: 60 images of 8×8 grey; knows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)"


def test_folder_names_are_safe() -> None:
    assert "/" not in folder_name("morph", "../../etc/passwd")
    assert folder_name("edit", "..") == "edit-_"


def test_plain_values_hold_no_nan() -> None:
    assert plain({"a": np.float32("nan"), "b": np.arange(2), "c": (np.int64(1),)}) == {"a": None, "b": [0, 1], "c": [1]}


def test_other_images_are_refused(lab: Lab) -> None:
    with pytest.raises(DataError, match="expected images of shape"):
        lab.encode(np.zeros((1, 1, 28, 28)))
    with pytest.raises(UsageError):
        lab.sample(10**9)


def test_the_images_with_outlines_lie_apart() -> None:
    from latentlab.lab.map import _spread

    points = np.random.default_rng(0).normal(size=(500, 2))
    chosen = _spread(points, 8)
    assert len(set(chosen)) == 8
    between = np.linalg.norm(points[chosen][:, None] - points[chosen][None], axis=2)
    assert between[~np.eye(8, dtype=bool)].min() > 0.7
    assert len(_spread(points[:3], 8)) == len(set(_spread(points[:3], 8)))
