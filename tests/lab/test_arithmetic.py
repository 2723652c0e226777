"""Code-vector arithmetic on a Lab: means of images, directions of a file, results with a name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from latentlab.data import load_data
from latentlab.directions.direction import Direction
from latentlab.directions.exchange import read_vectors
from latentlab.directions.file import read_directions
from latentlab.errors import DataError, LatentlabError, UnknownNameError, UsageError
from latentlab.lab import Lab, load
from latentlab.latents.fingerprint import fingerprint


@pytest.fixture(scope="module")
def faces() -> Lab:
    return load("faces", "cpu")


@pytest.fixture(scope="module")
def digits() -> Lab:
    return load("digits", "cpu")


def of_images(lab: Lab, **wanted: bool) -> np.ndarray:
    """The mean of the gallery's images, by brute force."""
    table = lab.known()
    rows = [i for i in range(len(table)) if all(table.attributes[name][i] == has for name, has in wanted.items())]
    return table.mean[rows].astype(np.float64).mean(axis=0)


def test_a_mean_of_several_is_that_of_the_images_that_have_all_of_it(faces: Lab) -> None:
    table = faces.known()
    for text in ("mean(smile, not glasses)", "mean(not Glasses and Smiling)"):
        found = faces.arithmetic(text)
        np.testing.assert_allclose(found.latents[0], of_images(faces, smile=True, glasses=False), atol=1e-5)
    count = int(((table.attributes["smile"] == 1) & (table.attributes["glasses"] == 0)).sum())
    assert f"mean(not Glasses, Smiling) is that of {count} of {len(table)} images" in found.notes


def test_a_face_without_glasses_plus_glasses(faces: Lab) -> None:
    found = faces.arithmetic("mean(smile, not glasses) + glasses")
    expected = of_images(faces, smile=True, glasses=False) + faces.directions["glasses"].vector
    np.testing.assert_allclose(found.latents[0], expected, atol=1e-5)
    glasses = faces.directions["glasses"]
    with_, without = (z @ glasses.readout + glasses.intercept for z in (expected, expected - glasses.vector))
    assert without < 0 < with_


def test_the_mean_of_one_is_that_of_the_images_that_its_direction_was_found_from(faces: Lab) -> None:
    direction = faces.directions["glasses"]
    np.testing.assert_array_equal(faces.arithmetic("mean(glasses)").latents[0], direction.mean_with)
    np.testing.assert_array_equal(faces.arithmetic("mean(not glasses)").latents[0], direction.mean_without)


def test_means_are_of_the_data_where_it_is_given(digits: Lab) -> None:
    data = load_data("digits", split="test", count=60)
    z = digits.encode(data.images)
    for text, rows in (("mean(3)", data.labels == 3), ("mean(not 3, not 7)", ~np.isin(data.labels, (3, 7)))):
        np.testing.assert_allclose(digits.arithmetic(text, data=data).latents[0], z[rows].mean(axis=0), atol=1e-5)
    with pytest.raises(DataError, match=r"an image for mean\(3, 7\), got none among 60"):
        digits.arithmetic("mean(3, 7)", data=data)


def test_images_of_which_nothing_is_known_do_not_count(faces: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    table = faces.known()
    smile = table.attributes["smile"].copy()
    smile[::2] = np.nan
    unsure = replace(table, attributes={**table.attributes, "smile": smile})
    monkeypatch.setattr(Lab, "known", lambda self, *_: unsure)
    found = faces.arithmetic("mean(not smile, not glasses)").latents[0]
    odd = table.take(np.arange(1, len(table), 2))
    rows = (odd.attributes["smile"] == 0) & (odd.attributes["glasses"] == 0)
    np.testing.assert_allclose(found, odd.mean[rows].mean(axis=0), atol=1e-5)


def test_a_result_has_a_name_and_is_an_attribute(digits: Lab, tmp_path: Path) -> None:
    result = digits.arithmetic("7 - 0.5*1", name="slant", count=2)
    expected = digits.directions["7"].vector - 0.5 * digits.directions["1"].vector
    paths = result.save(tmp_path / "out")
    assert result.name == "arithmetic-slant"
    assert {path.name for path in paths} == {
        "arithmetic.png", "index.html", "result.json", "directions.safetensors"
    }  # fmt: skip
    stored = read_directions(tmp_path / "out" / "directions.safetensors", digits.checkpoint)
    (slant,) = stored.directions
    assert (slant.name, slant.estimator, slant.readout) == ("slant", "algebra", None)
    np.testing.assert_allclose(slant.vector, expected, atol=1e-6)
    assert stored.extra == {"expressions": {"slant": "7 - 0.5*1"}}
    edit = digits.edit(None, {"slant": 2.0}, directions={"slant": slant}, count=2)
    np.testing.assert_allclose(
        edit.latents[:, 0] - digits.known().mean[[int(n[1:]) for n in edit.names]], 2 * expected[None].repeat(2, 0),
        atol=1e-5,
    )  # fmt: skip
    again = digits.arithmetic("2*slant + 1", directions={"slant": slant}, count=2)
    np.testing.assert_allclose(again.latents[0], 2 * expected + digits.directions["1"].vector, atol=1e-5)
    assert not (tmp_path / "out" / "directions.json").exists()


def test_where_the_operands_come_from_is_kept(digits: Lab, tmp_path: Path) -> None:
    data = load_data("digits", split="test", count=60)
    slant = Direction("slant", np.ones(digits.latent.size, np.float32), "imported")
    digits.arithmetic("slant + 7", name="n", directions={"slant": slant}, count=1).save(tmp_path / "a")
    assert read_directions(tmp_path / "a" / "directions.safetensors").data == {
        "source": "the run's own",
        "given": ["slant"],
    }
    digits.arithmetic("7", name="n", data=data, count=1).save(tmp_path / "b")
    assert read_directions(tmp_path / "b" / "directions.safetensors").data == {
        "source": "digits",
        "split": "test",
        "images": 60,
        "fingerprint": fingerprint(digits.encode_data(data)),
    }


def test_without_a_name_nothing_is_saved(digits: Lab, tmp_path: Path) -> None:
    result = digits.arithmetic("7 - 1", count=2)
    assert "directions.safetensors" not in {path.name for path in result.save(tmp_path / "out")}
    assert result.direction is not None and result.direction.name == "7 - 1"
    assert digits.arithmetic("mean(7)").direction is None


def test_directions_of_a_file_come_first_and_words_last(digits: Lab) -> None:
    size = digits.latent.size
    mine = {
        name: Direction(name, np.full(size, number, np.float32), "imported")
        for number, name in enumerate(["7", "random", "x.png"], start=1)
    }

    def value(text: str) -> np.ndarray:
        return digits.arithmetic(text, directions=mine, count=1).latents[0]

    np.testing.assert_array_equal(value("7"), np.full(size, 1))
    np.testing.assert_array_equal(value("x.png"), np.full(size, 3))
    np.testing.assert_array_equal(value("'random'"), np.full(size, 2))
    np.testing.assert_array_equal(value("random"), digits.draw(1, seed=0)[0])


def test_a_file_of_another_program_is_taken(digits: Lab, tmp_path: Path) -> None:
    np.save(tmp_path / "grin.npy", np.linspace(-1, 1, digits.latent.size))
    stored = read_vectors(tmp_path / "grin.npy", digits.checkpoint, digits.latent.size)
    known = {direction.name: direction for direction in stored.directions}
    found = digits.arithmetic("2*grin", directions=known, count=1)
    np.testing.assert_allclose(found.latents[0], np.linspace(-2, 2, digits.latent.size), atol=1e-6)


@pytest.mark.parametrize(
    ("words", "options", "kind", "message"),
    [
        ("mean(7)", {"name": "x"}, UsageError, "expected a direction to call 'x', got a place"),
        ("7 - 1", {"name": " "}, UsageError, "empty"),
        ("mean(slant)", {}, DataError, "'slant', of which no images are known"),
        ("mean(not slant)", {}, DataError, "'slant'"),
        ("mean(slant, 7)", {}, UnknownNameError, "unknown attribute or class 'slant'"),
        ("mean(7, beard)", {}, UnknownNameError, "'beard'"),
        ("mean(beard)", {}, UnknownNameError, "'beard'"),
        ("mean(random)", {}, UnknownNameError, "'random'"),
        ("mean(7, not 7)", {}, DataError, r"mean\(7, not 7\), got none"),
        ("slnat", {}, UnknownNameError, "did you mean slant"),
    ],
)
def test_mistakes_are_one_line(digits: Lab, words: str, options: dict, kind: type, message: str) -> None:
    slant = Direction("slant", np.ones(digits.latent.size, np.float32), "algebra")
    with pytest.raises(LatentlabError, match=message) as caught:
        digits.arithmetic(words, directions={"slant": slant}, **options)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


def test_a_named_result_is_the_same_bytes_again(digits: Lab, tmp_path: Path) -> None:
    for folder in "ab":
        digits.arithmetic("7 - 1", name="n", count=2).save(tmp_path / folder)
    first, second = ((tmp_path / folder / "directions.safetensors").read_bytes() for folder in "ab")
    assert first == second
