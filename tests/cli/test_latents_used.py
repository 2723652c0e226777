"""Commands that look at tables of latents: with their model, with none, and what is wrong in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import latentlab as ll
from latentlab.latents.table import Latents


@pytest.fixture(scope="module")
def plain(write_table: Callable[..., Path]) -> Path:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    mean = (rng.normal(size=(200, 3)) + 4 * labels[:, None]).astype(np.float32)
    return write_table(Latents(mean, None, np.arange(200).astype(str), "all", ("a", "b"), labels))


@pytest.fixture(scope="module")
def digits(write_table: Callable[..., Path]) -> Path:
    lab = ll.load("digits")
    return write_table(lab.gallery, checkpoint=lab.checkpoint, model="digits")


@pytest.mark.parametrize(
    "words",
    [["map", "--method", "pca"], ["map", "--colour", "b"], ["neighbours", "@3", "b"], ["score", "usage"]],
)
def test_a_table_without_a_model(latentlab, here, plain, words) -> None:
    done = latentlab(*words, "--latents", plain, "--out", "out")
    assert done.exit_code == 0, done.stderr
    assert "model: none, the latents alone" in done.stdout and "by a model that nobody named" in done.stdout
    said = json.loads((here / "out/result.json").read_text())
    assert said["checkpoint"] == "" and said["model"] == "mine" and said["inputs"]["latents"] == str(plain)
    assert (here / "out/index.html").stat().st_size > 10_000


@pytest.mark.parametrize("words", [["map", "--method", "pca", "--no-live"], ["neighbours", "7"], ["score", "usage"]])
def test_a_table_opens_the_bundled_model_that_made_it(latentlab, here, digits, words) -> None:
    done = latentlab(*words, "--latents", digits, "--out", "out")
    assert done.exit_code == 0, done.stderr
    assert "model: digits (bundled; made these latents)" in done.stdout
    assert json.loads((here / "out/result.json").read_text())["model"] == "digits"
    if words[0] == "map":
        assert np.load(here / "out/coords.npy").dtype == np.float32


def test_neighbours_in_json_and_of_the_gallery(latentlab) -> None:
    done = latentlab("neighbours", "@3", "--model", "digits", "-k", "4", "--metric", "mahalanobis", "--json")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)["scores"]["neighbours of @3"]
    assert len(said["rows"]) == len(said["ids"]) == len(said["distances"]) == 4 and 3 not in said["rows"]
    assert said["distances"] == sorted(said["distances"])


def test_neighbours_among_images_given(latentlab, here) -> None:
    done = latentlab("neighbours", "@3", "--data", "digits", "--out", "out")
    assert done.exit_code == 0, done.stderr
    assert "their pictures are real" in done.stdout and (here / "out/neighbours.png").is_file()


@pytest.mark.parametrize("command", [["map"], ["neighbours", "@3"], ["score", "usage"]])
def test_a_table_that_cannot_be_used_is_one_line(latentlab, command, plain, digits, write_table) -> None:
    unfinished = write_table(Latents(np.zeros((4, 2), np.float32), None, np.arange(4).astype(str)), whole=False)
    codes = write_table(Latents(np.zeros((4, 2), np.float32), None, np.arange(4).astype(str)), codes=7)
    for words, code, said in [
        (["--latents", digits, "--model", "faces"], 1, "expected latents of checkpoint"),
        (["--latents", plain, "--model", "digits"], 1, "8 dimensions for digits, got 3"),
        (["--latents", unfinished], 1, "that encoding has not finished"),
        (["--latents", "nowhere"], 1, "expected a table of latents in nowhere"),
        (["--latents", codes], 1, "expected continuous latents"),
        (["--latents", plain, "--data", "digits"], 2, "got both"),
    ]:
        done = latentlab(*command, *words)
        assert (done.exit_code, done.stdout.count("outputs/")) == (code, 0), (words, done.stderr)
        assert re.fullmatch(r"error: [^\n]+\n", done.stderr) and said in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["@200"], 1, "from @0 to @199"),
        (["nobody.png"], 2, "without a model"),
        (["c"], 1, "unknown attribute or class 'c'"),
        (["@3", "-k", "200"], 2, "at most 199 neighbours"),
    ],
)
def test_what_has_no_neighbours_is_one_line(latentlab, plain, words, code, said) -> None:
    done = latentlab("neighbours", *words, "--latents", plain)
    assert done.exit_code == code and said in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_an_image_that_is_not_there_is_one_line(latentlab) -> None:
    done = latentlab("neighbours", "nobody.png", "--model", "digits")
    assert done.exit_code == 1 and re.fullmatch(r"error: [^\n]+\n", done.stderr) and "nobody.png" in done.stderr


def test_latents_belong_to_usage_alone(latentlab, plain) -> None:
    done = latentlab("score", "edits", "--latents", plain)
    assert done.exit_code == 2 and "expected --latents with usage" in done.stderr


def test_names_of_a_file_do_not_steer_the_terminal(latentlab, here) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 4)).astype(np.float32)
    hostile = ["cat\n\x1b[2J", "\u202edog\x9b31m"]
    np.savez(here / "z.npz", latents=z, labels=(z[:, 0] > 0).astype(int), classes=np.array(hostile))
    said = [
        latentlab("latents", "adopt", "z.npz", "--out", "t"),
        latentlab("attrs", "--latents", "t"),
        latentlab("neighbours", "@3", "--latents", "t", "--count", "3"),
        latentlab("map", "--latents", "t", "--method", "pca"),
    ]
    assert [one.exit_code for one in said] == [0] * 4
    wrong = latentlab("attrs", "cat\x1b[2J", "--latents", "t")
    assert wrong.exit_code == 2 and len(wrong.stderr.splitlines()) == 1
    for one in [*said, wrong]:
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", one.stdout + one.stderr)
    # They are told, in one piece.
    assert r"cat\n\x1b[2J" in said[1].stdout and r"\u202edog\x9b31m" in said[1].stdout


def test_neighbours_of_every_row_and_of_a_folder(latentlab, here) -> None:
    from PIL import Image

    from latentlab import load_data

    done = latentlab("neighbours", "@all", "--model", "digits", "-k", "3", "--out", "all", "--json")
    assert done.exit_code == 0, done.stderr
    scores = json.loads(done.stdout)["scores"]
    assert scores["asked"] == scores["latents"] == 359 and 0.5 < scores["same_class"] < 1
    assert (here / "all/neighbours.parquet").is_file() and (here / "all/closest.png").is_file()
    data = load_data("digits", count=6)
    for number, image in enumerate(data.images):
        (here / "new").mkdir(exist_ok=True)
        Image.fromarray((255 * image[0]).astype("uint8")).save(here / "new" / f"{number}.png")
    done = latentlab("neighbours", "folder:new", "--model", "digits", "--out", "new-out")
    assert done.exit_code == 0, done.stderr
    assert "data: folder:new, 6 images" in done.stdout and "every distance was measured" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["@all", "@3"], "expected @all alone, got 2"),
        (["@3", "--exact"], "expected --exact with @all or a source"),
        (["@all", "-k", "359"], "expected 1 to 358 neighbours"),
    ],
)
def test_what_very_many_do_not_go_with_is_one_line(latentlab, here, words, said) -> None:
    done = latentlab("neighbours", *words, "--model", "digits")
    assert done.exit_code == 2 and said in done.stderr and done.stderr.count("\n") == 1
