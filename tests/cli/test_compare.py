"""`latentlab compare`."""

from __future__ import annotations

import json
import re

import pytest

QUICK = ("--seeds", 2, "--count", 120, "--images", 4)


def test_a_page_a_record_and_a_line_a_model(latentlab, tiny_run, here):
    result = latentlab("compare", "digits", tiny_run, *QUICK)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "models: digits, tiny"
    assert lines[1] == "data: digits, 120 images of the test split"
    names = [re.split(r"  +", line)[0] for line in lines[3:8]]
    assert names == ["digits", "tiny", "pca-8", "pca-4", "cross-fade of pixels"]
    assert "note: Half-way between images of two classes (45 pairs of classes, drawn 2 times): " in result.stdout
    assert "digits does better than tiny" in result.stdout
    folder = here / "outputs" / "compare-digits-tiny"
    assert {path.name for path in folder.iterdir()} == {
        "index.html", "result.json", "paths.png", "midpoints.png", "reconstructions.png", "samples.png",
    }  # fmt: skip
    record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert (record["inputs"]["train"], record["inputs"]["images"], record["inputs"]["seeds"]) == (1258, 120, 2)


def test_other_words(latentlab, tiny_run, here):
    words = ("--data", "digits", "--split", "validation", "--between", 3, 8, "--seeds", 1, "--json", "--out", "there")
    result = latentlab("compare", "digits", tiny_run, *words)
    record = json.loads(result.stdout)
    # Of the validation images nobody knows that no model was trained on them: some are set aside.
    assert record["inputs"]["split"] == "validation" and record["inputs"]["train"] + record["inputs"]["images"] == 180
    page = (here / "there" / "index.html").read_text(encoding="utf-8")
    assert "From 3 to 8" in page and "take more with --seeds" in page


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["digits"], 2, "expected two models or more, got 1; for example compare digits digits-ae"),
        (["digits", "digits"], 2, "expected different models, got digits twice; leave one out"),
        (["digits", "faces"], 1, "got digits (8×8 grey) and faces (64×64 RGB); compare models of the same images"),
        (["mnist", "mnist-2d"], 1, "mnist was trained on mnist, whose files lie in a folder; give --data mnist --root"),
        (["digits", "nobody"], 1, "unknown model 'nobody'"),
        (["digits", "digits-ae", "--seeds", "0"], 2, "--seeds"),
        (["digits", "digits-ae", "--between", "1", "x"], 1, "unknown class 'x'"),
        (["digits", "digits-ae", "--between", "1", "1"], 2, "expected two classes to go between, got 1 twice"),
        (["digits", "digits-ae", "--root", "x"], 2, "expected --data SOURCE beside --root"),
        (["digits", "digits-ae", "--data", "digits", "--count", "1"], 1, "at least 2 images"),
        ([], 2, "missing argument"),
    ],
)
def test_what_cannot_be_compared_is_one_line(latentlab, here, words, code, said):
    result = latentlab("compare", *words)
    assert result.exit_code == code
    assert re.fullmatch(r"error: [^\n]+\n", result.stderr), result.stderr
    assert said in result.stderr
    assert list(here.iterdir()) == []
