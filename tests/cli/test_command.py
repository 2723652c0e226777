"""Every command on a small run: what it prints and writes, and what it does when it cannot."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentlab.runs.bundled import BUNDLED, bundled_folder

VERBS = [
    (["attrs"], "attrs-tiny", {"averages.png", "directions.safetensors"}),
    (["attrs", "--attr", "3", "--data", "digits"], "attrs-tiny", {"averages.png", "directions.safetensors"}),
    (["attrs", "--method", "pca"], "attrs-tiny", {"averages.png", "directions.safetensors"}),
    (["attrs", "--compare", "--attr", "3", "--attr", "7"], "attrs-compare-tiny", {"compare.png"}),
    (["edit", "--attr", "3", "--alpha", "-1:1:3", "--count", "2"], "edit-3", {"edit.png"}),
    (["edit", "--attr", "3", "--keep", " 0,", "--unit", "sd", "--count", "2"], "edit-3", {"edit.png"}),
    (["edit", "--attr", "3", "--unit", "target", "--target", ".9", "--count", "2"], "edit-3", {"edit.png"}),
    (["edit", "--set", "3=.9", "--set", "7=.1", "--count", "2"], "edit-3-7", {"edit.png"}),
    (["edit", "--attr", "3", "--attr", "7", "--data", "digits"], "edit-3-7", {"edit.png"}),
    (["morph", "1", "7"], "morph-1-7", {"strip.png", "morph.gif"}),
    (["morph", "1", "7", "0", "--path", "slerp", "--format", "webp"], "morph-1-7-0", {"strip.png", "morph.webp"}),
    (["morph", "1", "7", "--from", "exemplar", "--data", "digits"], None, {"strip.png", "morph.gif"}),
    (["arithmetic", "mean(7) - mean(1) + random"], None, {"arithmetic.png"}),
    (["arithmetic", "-0.5*3 + 7", "--count", "2", "--alpha", "-1,1"], None, {"arithmetic.png"}),
    (["sample", "--count", "4", "--temperature", "0.5"], "sample-tiny", {"samples.png"}),
    (["reconstruct", "--data", "digits", "--worst"], "reconstruct-tiny", {"reconstructions.png"}),
    (["traverse", "--dims", "0,2"], "traverse-tiny", {"traversals.png"}),
    (["map", "--method", "pca", "--color", "label"], "map-tiny", set()),
    (["score", "--data", "patterns", "--samples", "2"], "score-model-tiny", {"reconstructions.png"}),
    (["score", "edits", "--attr", "3", "--images", "20"], "score-edits-tiny", {"examples.png"}),
    (["score", "paths", "--images", "1"], "score-paths-tiny", {"paths.png"}),
    (["report"], "report-tiny", set()),
]


@pytest.mark.parametrize(("words", "folder", "files"), VERBS, ids=["-".join(words) for words, _, _ in VERBS])
def test_verb(latentlab, tiny_run, here, words, folder, files):
    result = latentlab(*words, "--model", tiny_run)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "model: tiny"
    assert "\x1b" not in result.stdout
    (written,) = (here / "outputs").iterdir()
    assert folder in (None, written.name)
    assert {path.name for path in written.iterdir()} == files | {"index.html", "result.json"}
    # Paths stand at the end, as one would type them, the page first.
    shown = [line for line in lines if line.startswith("outputs")]
    assert lines[-len(shown) :] == shown
    assert shown[0] == str(Path("outputs") / written.name / "index.html")
    assert {Path(path).name for path in shown} == files | {"index.html", "result.json"}
    assert re.fullmatch(r"((?!error|Traceback|Warning).*\n)*", result.stderr), result.stderr


@pytest.mark.parametrize("words", [words for words, _, _ in VERBS], ids="-".join)
def test_json_is_all_there_is(latentlab, tiny_run, words):
    result = latentlab(*words, "--model", tiny_run, "--json")
    record = json.loads(result.stdout)
    assert record["command"] == words[0]
    assert record["model"] == "tiny"
    assert len(record["checkpoint"]) == 64
    assert all(Path(path).is_file() for path in record["files"])
    assert result.stderr == ""


def test_quiet_prints_paths_alone(latentlab, tiny_run):
    lines = latentlab("morph", 1, 7, "--model", tiny_run, "--quiet").stdout.splitlines()
    assert lines and all(Path(line).is_file() for line in lines)


def test_the_same_words_write_the_same_bytes(latentlab, tiny_run, here):
    for folder in ("a", "b"):
        latentlab("morph", "random", 7, "--model", tiny_run, "--seed", 3, "--out", folder)
    for name in ("strip.png", "morph.gif", "result.json"):
        assert (here / "a" / name).read_bytes() == (here / "b" / name).read_bytes()


def test_single_files(latentlab, tiny_run, here):
    result = latentlab("sample", "--count", 30, "--to", "pngs", "--model", tiny_run)
    assert sorted(path.name for path in here.rglob("*") if path.is_file()) == [f"{i:06d}.png" for i in range(30)]
    assert "30 files: pngs/000000.png … pngs/000029.png" in result.stdout


def test_image_files(latentlab, tiny_run, here):
    for name in ("a.png", "b.jpg"):
        Image.fromarray(np.full((20, 30, 3), 128, np.uint8)).save(name)
    result = latentlab("edit", "a.png", "b.jpg", "--attr", 3, "--model", tiny_run, "--json")
    assert json.loads(result.stdout)["inputs"]["images"] == ["a.png", "b.jpg"]
    assert latentlab("reconstruct", "a.png", "--model", tiny_run).exit_code == 0
    assert latentlab("morph", "a.png", 7, "--model", tiny_run).exit_code == 0


def test_own_labelled_images_are_all_used_and_bad_ones_named(latentlab, tiny_run, here):
    folder = here / "photos"
    folder.mkdir()
    rows = ["filename,Thick Line"]
    for i in range(40):
        pixels = np.zeros((8, 8), np.uint8)
        pixels[:, 3 : 5 + i % 2 * 2] = 200 + i
        Image.fromarray(pixels).save(folder / f"{i}.png")
        rows.append(f"{i}.png,{i % 2}")
    (folder / "broken.png").write_text("no image")
    (here / "labels.csv").write_text("\n".join(rows))
    given = ["--data", "photos", "--attributes", "labels.csv", "--model", tiny_run]
    refused = latentlab("attrs", *given)
    assert refused.exit_code == 1
    assert "broken.png" in refused.stderr
    result = latentlab("attrs", *given, "--max-bad", 0.1, "--out", "found")
    assert result.exit_code == 0, result.stderr
    assert "data: photos, 40 images\n" in result.stdout
    assert "note: skipped 1 file that cannot be read: broken.png" in result.stdout
    edited = latentlab(
        "edit", "--attr", "thick-line", "--directions", "found/directions.safetensors", "--model", tiny_run
    )
    assert edited.exit_code == 0, edited.stderr


def test_info(latentlab, tiny_run):
    shown = latentlab("info", tiny_run).stdout
    for part in ("vae", "8×8", "bernoulli", "negative elbo (nats)", "1,258 images of digits", "held-out AUC"):
        assert part in shown
    card = json.loads(latentlab("info", tiny_run, "--json").stdout)
    assert card["family"] == "vae"
    assert set(card["knows"]) == set("0123456789")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["morph", "1", "seven"], "unknown attribute or class 'seven'; known: 0, 1"),
        (["morph", "1", "photo.png"], "photo.png"),
        (["morph", "1", "@99999"], "@99999"),
        (["edit", "--attr", "smile"], "unknown attribute or class 'smile'"),
        (["edit", "--attr", "3", "--directions", "none.safetensors"], "none.safetensors"),
        (["edit", "--attr", "3", "--keep", "smile"], "unknown attribute or class 'smile'"),
        (["score", "edits", "--attr", "smile"], "unknown attribute or class 'smile'"),
        (["attrs", "--data", "nowhere"], "nowhere"),
        (["attrs", "--data", "digits", "--attr", "smile"], "smile"),
        (["map", "--colour", "smile"], "smile"),
        (["reconstruct", "--data", "empty"], "empty"),
    ],
)
def test_what_cannot_be_is_one_line_and_1(latentlab, tiny_run, here, words, said):
    (here / "empty").mkdir()
    result = latentlab(*words, "--model", tiny_run)
    assert result.exit_code == 1
    assert re.fullmatch(r"error: [^\n]+\n", result.stderr), result.stderr
    assert said in result.stderr
    assert [path.name for path in here.iterdir()] == ["empty"]


@pytest.mark.parametrize(
    "words", [words for words, _, _ in VERBS[::3]] + [["sample", "--to", "file/below"]], ids="-".join
)
def test_a_folder_that_cannot_be_written_is_said_before_the_work(latentlab, tiny_run, here, words):
    (here / "file").write_text("in the way")
    out = [] if "--to" in words else ["--out", "file/below"]
    result = latentlab(*words, *out, "--model", tiny_run)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "error: cannot write file/below: file is a file; choose another folder with --out\n"
    assert [path.name for path in here.iterdir()] == ["file"]


def test_train_refuses_a_folder_that_cannot_be_written(latentlab, tiny_recipe, here):
    (here / "file").write_text("in the way")
    result = latentlab("train", tiny_recipe, "--out", "file/below")
    assert result.exit_code == 1
    assert "cannot write file/below" in result.stderr


def test_all_mistakes_of_a_recipe_at_once(latentlab, tiny_recipe, here):
    result = latentlab("train", tiny_recipe, "--set", "training.epoch=3", "--set", "model.latent=wide")
    assert result.exit_code == 1
    assert "did you mean epochs?" in result.stderr
    assert "model.latent: expected a whole number" in result.stderr
    assert list(here.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX signals")
def test_ctrl_c_saves_and_resume_finishes(latentlab, process, tiny_recipe, here):
    words = [tiny_recipe, "--set", "training.epochs=40", "--set", "data.count=500", "--out", "run"]
    training = subprocess.Popen(
        [sys.executable, "-m", "latentlab", "train", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (here / "run" / "history.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    training.send_signal(signal.SIGINT)
    _, error = training.communicate(timeout=60)
    assert training.returncode == 130
    assert re.search(r"^stopped in epoch \d+ after step \d+; saved: go on with --resume$", error, re.MULTILINE)
    assert "Traceback" not in error
    result = latentlab("train", *words, "--resume", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["metrics"]["training"]["epochs"] == 40


def test_train_ends_with_scores_and_what_to_try(latentlab, tiny_recipe, tiny_run, here):
    result = latentlab("train", tiny_recipe, "--set", "training.epochs=1", "--seed", 5, "--out", "run")
    assert result.exit_code == 0, result.stderr
    assert "negative elbo (nats)" in result.stdout
    assert result.stdout.splitlines()[-2:] == ["run", "try: latentlab morph 1 7 --model run"]
    assert json.loads((here / "run" / "recipe.json").read_text())["seed"] == 5


def test_a_closed_pipe_is_quiet(process, tiny_run):
    code = (
        "import os, sys; sys.argv = ['latentlab', 'info', sys.argv[1]]\n"
        "read, write = os.pipe(); os.close(read); os.dup2(write, 1)\n"
        "from latentlab.__main__ import main; main()"
    )
    done = process("-c", code, tiny_run)
    assert done.stderr == ""
    assert done.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_behind_the_standard_output_is_one_line(process, tiny_run):
    with open("/dev/full", "w") as full:
        done = process("-m", "latentlab", "info", tiny_run, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.stderr.startswith("error: cannot write to the standard output") and done.stderr.count("\n") == 1
    assert done.returncode == 1


def test_a_standard_output_that_the_shell_closed_is_none(process, tiny_run):
    code = (
        "import sys; sys.argv = ['latentlab', 'info', sys.argv[1]]\n"
        "sys.stdout = None\n"
        "from latentlab.__main__ import main; main()"
    )
    done = process("-c", code, tiny_run)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_bugs_keep_their_traceback(process, tiny_run):
    code = (
        "import sys; sys.argv = ['latentlab', 'info', sys.argv[1]]\n"
        "import latentlab.lab.card as card\n"
        "def broken(lab): raise ZeroDivisionError('a bug')\n"
        "card.verdict = broken\n"
        "from latentlab.__main__ import main; main()"
    )
    done = process("-c", code, tiny_run)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.rstrip().endswith("ZeroDivisionError: a bug")


def test_open_shows_the_page(latentlab, tiny_run, here, monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: bool(opened.append(address)))
    result = latentlab("morph", 1, 7, "--model", tiny_run, "--open")
    assert opened == [(here / "outputs" / "morph-1-7" / "index.html").as_uri()]
    assert "no browser was found" in result.stdout


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_models_open_by_name(latentlab, name):
    assert (bundled_folder(name) / "checkpoint.safetensors").is_file()
    shown = latentlab("info", name)
    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout.splitlines()[0] == name


def test_models_lists_the_bundled_ones(latentlab):
    shown = latentlab("models").stdout
    assert [line.split()[0] for line in shown.splitlines()[1 : 1 + len(BUNDLED)]] == list(BUNDLED)
    assert [card["name"] for card in json.loads(latentlab("models", "--json").stdout)] == list(BUNDLED)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["morph", "1", "7"], "model: mnist (bundled; knows 1, 7)"),
        (["edit", "--attr", "Smile", "--count", "1"], "model: faces (bundled; knows Smile)"),
        (["sample", "--count", "2"], "model: mnist (bundled; --model opens another)"),
        (["reconstruct", "--data", "digits"], "model: digits (bundled; trained on these)"),
    ],
)
def test_the_model_is_chosen_by_what_is_asked(latentlab, words, said):
    result = latentlab(*words)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0] == said


def test_exported_directions_come_back(latentlab, tiny_run, here):
    for name in ("vectors.json", "vectors.npy"):
        found = latentlab("attrs", "--model", tiny_run, "--export", name, "--out", "found")
        assert found.exit_code == 0 and f"note: exported to {name}" in found.stdout
        edited = latentlab("edit", "--attr", "3", "--directions", name, "--model", tiny_run, "--out", name + "-edit")
        assert edited.exit_code == 0, edited.stderr
    assert np.load(here / "vectors.npy").ndim == 2
    pictures = [(here / f"vectors.{kind}-edit" / "edit.png").read_bytes() for kind in ("json", "npy")]
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["attrs", "--export", "vectors.txt"], "expected a file that ends in .safetensors, .json, .npy"),
        (["morph", "1", "1"], "the same image"),
        (["edit", "--set", "smile"], "expected --set NAME=LEVEL, such as smile=.9, got 'smile'"),
        (["edit", "--set", "3=x"], "expected --set NAME=LEVEL"),
        (["edit", "--set", "3=2"], "levels between 0 and 1"),
        (["edit", "--set", "3=.1", "--set", "3=.2"], "each name once in --set"),
        (["edit", "--attr", "3", "--unit", "target"], "--unit target and --target P together"),
        (["edit", "--attr", "3", "--target", ".9"], "--unit target and --target P together"),
        (["edit", "--attr", "3", "--keep", "3"], "'3' either to change or to stay"),
        (["score", "paths", "--attr", "3"], "expected --attr with edits or probe or factors, got it with paths"),
        (["score", "paths", "--success", ".5"], "expected --success with edits"),
        (["attrs", "--compare", "--method", "lda"], "expected --compare without --method and --export"),
        (["score", "edits", "--success", "1"], "a success between 0 and 1"),
    ],
)
def test_wrong_words_of_edits_and_scores_are_one_line_and_2(latentlab, tiny_run, here, words, said):
    result = latentlab(*words, "--model", tiny_run)
    assert result.exit_code == 2
    assert re.fullmatch(r"error: [^\n]+\n", result.stderr), result.stderr
    assert said in result.stderr
    assert not list(here.iterdir())
