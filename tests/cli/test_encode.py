"""`encode` and `latents`: from images to a table, and what is wrong in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from latentlab.directions.file import read_directions
from latentlab.latents.store import open_latents


@pytest.fixture
def encoded(latentlab: Callable, here: Path) -> Path:
    done = latentlab("encode", "digits", "--model", "digits", "--out", "t", "--workers", "1")
    assert done.exit_code == 0, done.stderr
    return here / "t"


def test_a_table_is_written_and_taken(latentlab, here, encoded) -> None:
    stored = open_latents(encoded)
    assert len(stored) == 359
    for words in (["attrs", "--attr", "3"], ["map", "--method", "pca"], ["score", "usage"]):
        done = latentlab(*words, "--latents", "t", "--out", words[0])
        assert done.exit_code == 0, done.stderr
        assert "model: digits (bundled; made these latents)" in done.stdout
        assert (here / words[0] / "index.html").is_file()
    # The directions are those of the digits model, and edit takes them.
    done = latentlab(
        "edit", "--attr", "3", "--alpha", "1", "--model", "digits",
        "--directions", "attrs/directions.safetensors", "--out", "e",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr


def test_what_encode_says(latentlab, here) -> None:
    done = latentlab("encode", "digits", "--model", "digits", "--workers", "1")
    assert done.exit_code == 0
    assert re.search(
        r"model: digits\ndata: digits, 359 images of the test split\nencoded 359 images in [\d.]+ s: [\d,]+ images/s\n"
        r"outputs/encode-digits-digits\ntry: latentlab attrs --latents outputs/encode-digits-digits --model digits",
        done.stdout,
    ), done.stdout
    again = latentlab("encode", "digits", "--model", "digits", "--workers", "1", "--resume", "--json")
    record = json.loads(again.stdout)
    assert (record["rows"], record["images"], record["parts_kept"]) == (359, 0, 1)
    assert (record["model"], record["source"], record["split"], record["seed"]) == ("digits", "digits", "test", 0)
    assert record["versions"]["latentlab"]
    quiet = latentlab("encode", "digits", "--model", "digits", "--workers", "1", "--out", "q", "--quiet")
    assert quiet.stdout == "q\n"


@pytest.mark.parametrize("model", ["nowhere", "x" * 300])
def test_a_model_that_is_not_there_is_named_by_the_process_that_looked_for_it(latentlab, here, model: str) -> None:
    done = latentlab("encode", "digits", "--model", model)
    assert (done.exit_code, done.stdout) == (1, "")
    assert (
        done.stderr.startswith(f"error: unknown model '{model}'; known: mnist, faces") and done.stderr.count("\n") == 1
    )


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_the_command_hands_out_work_and_has_no_torch_itself(process, here, engine: str) -> None:
    if engine == "ray":
        pytest.importorskip("ray")
    (here / "light.py").write_text(
        "import sys\n"
        "if __name__ == '__main__':\n"
        "    from latentlab.cli.app import app\n"
        f"    words = ['encode', 'digits', '--model', 'digits', '--quiet', '--engine', '{engine}', '--workers', '2']\n"
        "    app(words, standalone_mode=False)\n"
        "    print([name for name in ('torch', 'sklearn.svm', 'umap', 'plotly') if name in sys.modules])\n"
    )
    done = process("light.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["outputs/encode-digits-digits", "[]"]
    assert len(open_latents(here / "outputs/encode-digits-digits")) == 359


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["encode"], 2, "DATA"),
        (["encode", "nowhere"], 1, "unknown data source"),
        (["encode", "digits", "--device", "abacus"], 2, "unknown device 'abacus'"),
        (["encode", "tar:nowhere-{0..3}.tar"], 1, "nowhere"),
        (["encode", "digits", "--engine", "spark"], 2, "'local', 'ray'"),
        (["encode", "digits", "--ray-address", "x:1"], 2, "--ray-address with --engine ray"),
        (["encode", "digits", "--workers", "0"], 2, "--workers"),
        (["encode", "digits", "--out", "file"], 1, "file is a file"),
        (["encode", "digits", "--out", "nonsense://x/y"], 2, "URL that fsspec can open"),
        (["encode", "digits", "--engine", "ray", "--ray-address", "127.0.0.1:9"], 1, "ray start --head"),
        (["latents"], 2, "info, verify, export, adopt"),
        (["latents", "look", "t"], 2, "'info', 'verify', 'export', 'adopt'"),
        (["latents", "info", "nowhere"], 1, "expected a table of latents in nowhere, got no manifest.json"),
        (["latents", "adopt", "nowhere.npy"], 1, "no such file"),
        (["latents", "info", "t", "--format", "csv"], 2, "--format with export, got it with info"),
        (["latents", "export", "t", "--model", "digits"], 2, "--model with adopt"),
        (["attrs", "--latents", "nowhere"], 1, "no manifest.json"),
        (["attrs", "--latents", "t", "--data", "digits"], 2, "--latents without --data"),
        (["attrs", "--latents", "t", "--count", "5"], 2, "--latents without --count"),
        (["map", "--latents", "t", "--count", "5"], 2, "--latents without --count"),
        (["score", "usage", "--latents", "t", "--split", "train"], 2, "--latents without --split"),
        (["neighbours", "@3", "--latents", "t", "--attributes", "a.csv"], 2, "--latents without --attributes"),
        (["encode", ""], 2, "got an empty one"),
        (["encode", "digits", "--out", "memory://x"], 2, "which ends with this command"),
        (["attrs", "--latents", "t", "--compare"], 2, "--latents without --data and --compare"),
    ],
)
def test_what_is_wrong_is_one_line(latentlab, here, words, code, said) -> None:
    (here / "file").touch()
    if words[0] == "encode" and "ray" in words:
        pytest.importorskip("ray")
    done = latentlab(*words, *(["--model", "digits"] if words[0] == "encode" and len(words) > 1 else []))
    assert done.exit_code == code, done.stderr
    assert re.fullmatch(r"error: [^\n]+\n", done.stderr), done.stderr
    assert said in done.stderr
    # Nothing that looks like a table is left behind.
    assert not list(here.rglob("*.arrow")) and not list(here.rglob("plan.json"))


def test_verify_finds_a_flipped_bit(latentlab, here, encoded) -> None:
    done = latentlab("latents", "verify", "t")
    assert done.exit_code == 0
    assert done.stdout == "every byte of 359 rows in 1 part is as it was written\n"
    part = encoded / "part-00000.arrow"
    content = bytearray(part.read_bytes())
    content[1000] ^= 4
    part.write_bytes(content)
    done = latentlab("latents", "verify", "t")
    assert done.exit_code == 1
    assert "1 of 1 parts of t are not as they were written (part-00000.arrow has other bytes" in done.stderr
    assert json.loads(latentlab("latents", "verify", "t", "--json").stdout)["faults"][0]["part"] == part.name


def test_info_export_and_adopt(latentlab, here, encoded) -> None:
    told = json.loads(latentlab("latents", "info", "t", "--json").stdout)
    assert (told["rows"], told["dimensions"], told["model"], told["source"]) == (359, 8, "digits", "digits")
    shown = latentlab("latents", "info", "t").stdout
    assert re.search(r"^rows +359$", shown, re.MULTILINE)
    for kind, name in (("parquet", "part-00000.parquet"), ("npz", "latents.npz"), ("csv", "latents.csv")):
        assert latentlab("latents", "export", "t", "--format", kind).exit_code == 0
        assert (here / "outputs" / f"export-t-{kind}" / name).is_file()
    done = latentlab("latents", "adopt", "outputs/export-t-npz/latents.npz", "--model", "digits", "--out", "mine")
    assert done.exit_code == 0, done.stderr
    theirs, ours = open_latents(encoded), open_latents(here / "mine", open_latents(encoded).checkpoint)
    np.testing.assert_array_equal(ours.take(np.arange(359)).mean, theirs.take(np.arange(359)).mean)


def test_plain_latents_need_neither_images_nor_a_model(latentlab, here) -> None:
    rng = np.random.default_rng(0)
    big = np.arange(400) % 2
    z = rng.normal(size=(400, 5)) + 3 * big[:, None] * np.eye(5)[0]
    np.savez("mine.npz", latents=z, big=big.astype(float))
    done = latentlab("latents", "adopt", "mine.npz", "--out", "m")
    assert done.exit_code == 0
    assert "they have no log-variances" in done.stdout
    found = latentlab("attrs", "--latents", "m", "--out", "a")
    assert found.exit_code == 0, found.stderr
    record = json.loads((here / "a/result.json").read_text())
    assert record["scores"]["big"]["auc"] > 0.95
    assert (record["model"], record["checkpoint"]) == ("mine", "")
    assert "averages.png" not in {path.name for path in (here / "a").iterdir()}
    for method in ("regression", "lda", "balanced", "zero-leak", "logistic"):
        done = latentlab("attrs", "--latents", "m", "--method", method, "--out", method, "--json")
        assert done.exit_code == 0, done.stderr
        # Along the first axis, which is what was planted.
        vector = read_directions(here / method / "directions.safetensors", "").by_name["big"].vector
        assert abs(vector[0]) > 5 * np.abs(vector[1:]).max(), (method, vector)
    done = latentlab("attrs", "--latents", "m", "--method", "pca")
    assert done.exit_code == 2 and "for that give images with --data" in done.stderr


def test_a_table_of_another_model_is_refused(latentlab, here, encoded) -> None:
    done = latentlab("attrs", "--latents", "t", "--model", "digits-ae")
    assert done.exit_code == 1
    assert "expected latents of checkpoint" in done.stderr
