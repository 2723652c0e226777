"""`latentlab edit --condition` and `sample --condition`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from latentlab.runs.train import train_recipe

RECIPE = """
name = "tiny-conditional"
[data]
source = "digits"
[model]
family = "conditional"
latent = 3
[model.network]
kind = "mlp"
hidden = [16]
[training]
epochs = 1
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conditional")
    (folder / "tiny.toml").write_text(RECIPE)
    return train_recipe(folder / "tiny.toml", folder=folder / "tiny-conditional")


def test_a_row_is_shown_as_each_class(latentlab, told, here):
    result = latentlab("edit", "@3", "--condition", "all", "--model", told, "--data", "digits")
    assert result.exit_code == 0, result.stderr
    assert "probe on pixels" in result.stdout and "read from z alone" in result.stdout
    (folder,) = (here / "outputs").iterdir()
    assert {path.name for path in folder.iterdir()} == {"condition.png", "index.html", "result.json"}
    record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert record["inputs"]["conditions"] == list("0123456789") and record["scores"]["7"]["images"] > 0


def test_samples_of_one_class(latentlab, told, here):
    result = latentlab("sample", "--condition", 7, "--count", 4, "--model", told)
    assert result.exit_code == 0, result.stderr
    assert re.search(r"^condition +7$", result.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["edit", "--condition", "12"], 1, "unknown condition '12'"),
        (["edit", "--condition", "7", "--attr", "3"], 2, "expected either --condition or --attr, got both"),
        (["edit", "@x", "--condition", "7"], 2, "expected @ and a row number"),
        (["edit", "@9999", "--condition", "7"], 1, "expected a row from @0 to @358"),
        (["edit", "none.png", "--condition", "7"], 1, "none.png"),
        (["edit", "--condition", "not 7"], 2, "expected a class to take the place of another"),
        (["sample", "--condition", "all"], 2, "expected one condition"),
    ],
)
def test_what_cannot_be_is_one_line(latentlab, told, here, words, code, said):
    result = latentlab(*words, "--model", told)
    assert result.exit_code == code
    assert re.fullmatch(r"error: [^\n]+\n", result.stderr), result.stderr
    assert said in result.stderr
    assert list(here.iterdir()) == []


def test_a_model_that_is_told_nothing_names_one_that_is(latentlab, tiny_run, here):
    result = latentlab("edit", "--condition", "7", "--model", tiny_run)
    assert result.exit_code == 1
    assert "expected a model of the family 'conditional'" in result.stderr


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (['model.condition=["smile"]'], "unknown attribute 'smile'"),
        (["model.condition=[]"], 'condition: expected "class" or names of attributes, got none'),
        (['model.classes=["a"]'], "model.classes: unknown key; the classes come with the images"),
    ],
)
def test_a_recipe_that_cannot_be_told(latentlab, here, changes, said):
    (here / "tiny.toml").write_text(RECIPE)
    words = [word for change in changes for word in ("--set", change)]
    result = latentlab("train", "tiny.toml", *words, "--out", "run")
    assert result.exit_code == 1
    assert re.fullmatch(r"error: [^\n]+\n", result.stderr), result.stderr
    assert re.search(said, result.stderr), result.stderr
    assert not (here / "run").exists()
