"""`latentlab morph` on every kind of path, and `--compare`."""

from __future__ import annotations

import json
import re

import pytest

from latentlab.editing.paths import PATHS


@pytest.mark.parametrize("path", PATHS)
def test_every_path_prints_its_scores(latentlab, tiny_run, here, path):
    result = latentlab("morph", 1, 7, "--path", path, "--steps", 6, "--model", tiny_run)
    assert result.exit_code == 0, result.stderr
    for name in ("image length", "largest step", "curvature degrees", "cycle error", "farthest percentile"):
        assert re.search(rf"^{name} +[\d.e-]+$", result.stdout, re.MULTILINE), name
    assert ("it pays above 5 %" in result.stdout) == (path == "geodesic")


def test_compare_has_a_line_a_path_and_one_page(latentlab, tiny_run, here):
    result = latentlab("morph", 1, 7, "--compare", "--steps", 6, "--model", tiny_run)
    assert result.exit_code == 0, result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()[2:6]] == list(PATHS)
    assert "it pays above 5 %" in result.stdout
    folder = here / "outputs" / "morph-compare-1-7"
    assert {path.name for path in folder.iterdir()} == {"compare.png", "compare.gif", "index.html", "result.json"}
    record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert list(record["scores"]) == list(PATHS)


def test_compare_as_json_is_all_there_is(latentlab, tiny_run):
    result = latentlab("morph", 1, 7, "--compare", "--steps", 4, "--model", tiny_run, "--json")
    assert set(json.loads(result.stdout)["scores"]) == set(PATHS)
    assert result.stderr == ""


def test_even_speed_is_even(latentlab, tiny_run):
    plain, even = (
        json.loads(latentlab("morph", 1, 7, "--speed", speed, "--model", tiny_run, "--json").stdout)["scores"]
        for speed in ("latent", "even")
    )
    assert even["speed_variation"] < plain["speed_variation"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["1", "1"], "got ends that are the same image: '1' and '1'; name another one"),
        (["1", "7", "--compare", "--path", "slerp"], "expected either --compare or --path slerp, got both"),
        (["1", "7", "--speed", "fast"], "'latent', 'even'"),
    ],
)
def test_what_cannot_be_walked_is_one_line_and_2(latentlab, tiny_run, here, words, said):
    result = latentlab("morph", *words, "--model", tiny_run)
    assert result.exit_code == 2
    assert re.fullmatch(r"error: [^\n]+\n", result.stderr), result.stderr
    assert said in result.stderr
    assert list(here.iterdir()) == []
