"""`latentlab arithmetic`: the caret, and results that are attributes from then on."""

from __future__ import annotations

import json

import numpy as np
import pytest

from latentlab.cli.arithmetic import name_texts
from latentlab.directions.algebra import parse


@pytest.mark.parametrize("extra", [[], ["--json"], ["--quiet"]])
def test_a_caret_stands_under_the_mistake(latentlab, here, extra):
    result = latentlab("arithmetic", "smile + * hat", *extra)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == "error: expected a name, got '*' at character 9\n  smile + * hat\n          ^\n"
    assert list(here.iterdir()) == []


def test_a_name_makes_an_attribute_of_it(latentlab, tiny_run, here):
    named = latentlab("arithmetic", "7 - 0.5*1", "--name", "slant", "--count", 2, "--model", tiny_run)
    assert named.exit_code == 0, named.stderr
    file = here / "outputs" / "arithmetic-slant" / "directions.safetensors"
    assert named.stdout.splitlines()[-1].startswith("outputs/arithmetic-slant/")
    assert "outputs/arithmetic-slant/directions.safetensors\n" in named.stdout
    given = ["--directions", file, "--count", 2, "--model", tiny_run]
    edited = latentlab("edit", "--attr", "slant", *given)
    assert edited.exit_code == 0, edited.stderr
    doubled = latentlab("arithmetic", "2*slant", "--name", "twice", *given, "--json")
    record = json.loads(doubled.stdout)
    assert record["inputs"]["name"] == "twice"
    once = json.loads(latentlab("arithmetic", "slant", *given, "--json").stdout)
    assert record["scores"]["length"] == pytest.approx(2 * once["scores"]["length"])


def test_a_mean_of_several_attributes_needs_no_data(latentlab, tiny_run):
    result = latentlab("arithmetic", "mean(not 3, not 7) + 7", "--model", tiny_run)
    assert result.exit_code == 0, result.stderr
    assert "note: mean(not 3, not 7) is that of " in result.stdout
    none = latentlab("arithmetic", "mean(3 and 7)", "--model", tiny_run)
    assert none.exit_code == 1
    assert none.stderr.startswith("error: expected an image for mean(3, 7), got none among ")


def test_vectors_of_other_programs(latentlab, tiny_run, here):
    np.save(here / "grin.npy", np.ones(4))
    words = ["arithmetic", "2*grin", "--directions", "grin.npy", "--count", 1]
    refused = latentlab(*words)
    assert refused.exit_code == 2
    assert "--model" in refused.stderr
    result = latentlab(*words, "--model", tiny_run)
    assert result.exit_code == 0, result.stderr
    assert "note: grin.npy does not say which model" in result.stdout
    np.save(here / "grin.npy", np.ones(5))
    wrong = latentlab(*words, "--model", tiny_run)
    assert wrong.exit_code == 1
    assert "5 dimensions, expected 4" in wrong.stderr


def test_directions_of_another_model_are_refused(latentlab, tiny_run, here):
    assert (
        latentlab("arithmetic", "7 - 1", "--name", "x", "--model", tiny_run, "--out", "x", "--count", 1).exit_code == 0
    )
    result = latentlab("arithmetic", "x", "--directions", "x/directions.safetensors", "--model", "digits")
    assert result.exit_code == 1
    assert "holds directions of checkpoint" in result.stderr


def test_a_place_has_no_name(latentlab, tiny_run, here):
    result = latentlab("arithmetic", "mean(7)", "--name", "x", "--model", tiny_run)
    assert result.exit_code == 2
    assert "expected a direction to call 'x', got a place" in result.stderr
    assert list(here.iterdir()) == []


def test_the_names_of_an_expression_choose_the_model():
    assert list(name_texts(parse("2*(smile - mean(a, not b)) + 'c d' + mean"))) == ["smile", "a", "b", "c d", "mean"]
