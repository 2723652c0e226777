"""Words: every command and option is there, and what is wrong ends in one line and the right exit code."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from latentlab.cli.app import COMMANDS

# The options that DESIGN.md §4 and the issue promise.
RESULT = {"--model", "--out", "--device", "--seed", "--json", "--open", "--quiet"}
IMAGES = {"--data", "--root", "--split", "--download", "--attributes", "--max-bad"}
CLAIMS = {"--image-size", "--channels", "--range", "--activation", "--output", "--classes", "--loader"}
OPTIONS = {
    "models": {"--json"},
    "info": {"--json", "--data", "--root", "--split", "--count", "--download", "--seed"} | CLAIMS,
    "adopt": {"--name", "--data", "--root", "--count", "--download", "--attributes", "--out", "--device"}
    | {"--seed", "--json", "--quiet"}
    | CLAIMS,
    "train": {"--set", "--resume", "--out", "--root", "--download", "--attributes", "--device", "--seed", "--json"},
    "encode": (RESULT | IMAGES) - {"--open", "--data"}
    | {"--resume", "--engine", "--ray-address", "--workers", "--count"},
    "latents": {"--format", "--attributes", "--model", "--out", "--json", "--quiet"},
    "attrs": RESULT | IMAGES | {"--attr", "--method", "--compare", "--export", "--count", "--latents"},
    "edit": RESULT | IMAGES | {"--attr", "--alpha", "--unit", "--target", "--set", "--keep", "--count", "--directions"},
    "morph": RESULT | IMAGES | {"--steps", "--path", "--speed", "--compare", "--from", "--format", "--count"},
    "arithmetic": RESULT | IMAGES | {"--alpha", "--count", "--name", "--directions"},
    "sample": RESULT | {"--count", "--temperature", "--from", "--to"},
    "reconstruct": RESULT | IMAGES | {"--count", "--worst"},
    "traverse": RESULT | {"--dims", "--principal", "--steps", "--span"},
    "neighbours": RESULT | IMAGES | {"--count", "--metric", "--latents", "--exact"},
    "map": RESULT | IMAGES | {"--latents", "--method", "--colour", "--color", "--count", "--live", "--no-live"},
    "score": RESULT | IMAGES | {"--attr", "--success", "--images", "--samples", "--directions", "--count", "--latents"},
    "anomalies": RESULT
    | IMAGES
    | {"--by", "--false-alarms", "--clean", "--anomalous", "--samples", "--count", "--show"},
    "denoise": RESULT | IMAGES | {"--corruption", "--level", "--count", "--show"},
    "compare": RESULT - {"--model"} | IMAGES | {"--seeds", "--images", "--between", "--count"},
    "report": RESULT | IMAGES | {"--count", "--live", "--no-live"},
    "export": {"--model", "--format", "--loader", "--out", "--json", "--quiet"},
}


@pytest.mark.parametrize(
    "words",
    [
        ["map", "--model", "digits", "--out", "a" * 300],
        ["map", "--model", "digits", "--data", "a" * 300],
        ["morph", "--model", "digits", "1", "a" * 300],
        ["edit", "--model", "digits", "--attr", "7", "--directions", "a" * 300],
        ["train", "a" * 300],
    ],
)
def test_names_too_long_for_a_file_are_one_line(latentlab, words):
    done = latentlab(*words)
    assert done.exit_code == 1
    assert re.fullmatch(
        r"error: cannot look up .*a… \(\d+ characters\): file name too long; give another path\n", done.stderr
    )


def test_help_lists_the_commands_in_order(latentlab):
    listed = re.findall(r"^  (\w+)  +\S", latentlab("--help").stdout.split("Commands:")[1], re.MULTILINE)
    assert listed == list(COMMANDS) == list(OPTIONS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(latentlab, command):
    shown = latentlab(command, "--help").stdout
    assert OPTIONS[command] <= set(re.findall(r"--[a-z-]+", shown))
    module = importlib.import_module(f"latentlab.cli.{command}")
    function = getattr(module, command if command != "map" else "map_")
    assert inspect.getdoc(function).splitlines()[0] == COMMANDS[command]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["morhp"], "did you mean morph?"),
        (["--bogus"], "--bogus"),
        (["morph", "1", "7", "--bogus"], "--bogus"),
        (["morph"], "END"),
        (["morph", "1"], "at least two ends, got 1"),
        (["morph", "1", "7", "--path", "zigzag"], "'line', 'slerp'"),
        (["morph", "1", "7", "--steps", "many"], "--steps"),
        (["morph", "1", "7", "--seed", "-1"], "--seed"),
        (["edit"], "--attr smile --alpha 1.5"),
        (["edit", "--attr", "smile", "--alpha", "much"], "got 'much'"),
        (["edit", "--attr", "smile", "--alpha", "nan"], "finite"),
        (["edit", "--attr", "smile", "--attr", "smile"], "once"),
        (["edit", "--attr", "a", "--attr", "b", "--attr", "c", "--alpha", "1", "--alpha", "2"], "each of 3"),
        (["traverse", "--dims", "0,one"], "0,one"),
        (["arithmetic", "7", "--alpha", "much"], "got 'much'"),
        (["sample", "--to", "a", "--out", "b"], "--to"),
        (["reconstruct", "a.png", "--data", "digits"], "both"),
        (["neighbours"], "IMAGE"),
        (["neighbours", "@3", "--metric", "cosine"], "'euclidean', 'mahalanobis'"),
        (["neighbours", "@3", "--data", "digits", "--latents", "t"], "both"),
        (["neighbours", "@3", "--count", "0"], "--count"),
        (["map", "--data", "digits", "--latents", "t"], "both"),
    ],
)
def test_wrong_usage_is_one_line_and_2(latentlab, here, words, said):
    result = latentlab(*words)
    assert result.exit_code == 2
    assert re.fullmatch(r"error: [^\n]+\n", result.stderr), result.stderr
    assert said in result.stderr
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("alpha", [["--alpha", "-2:2:9"], ["--alpha=-2:2:9"], ["--alpha", "-1.5"], ["--alpha=-1,0,1"]])
def test_alpha_may_begin_with_a_minus(latentlab, alpha):
    # It comes as far as the model, which is not there.
    result = latentlab("edit", "--attr", "smile", *alpha, "--model", "nowhere")
    assert result.exit_code == 1
    assert "unknown model 'nowhere'" in result.stderr


def test_alphas_are_paired_in_order():
    from latentlab.cli.edit import pair

    assert pair(["a", "b"], ["1", "-2"]) == {"a": (1.0,), "b": (-2.0,)}
    assert pair(["a", "b"], ["-1:1:3"]) == {"a": (-1.0, 0.0, 1.0), "b": (-1.0, 0.0, 1.0)}
    assert pair(["a"], []) == {"a": (1.5,)}


def test_choices_are_those_of_the_library():
    from typing import get_args

    from latentlab.checkpoints.export import EXPORTS
    from latentlab.cli.attrs import Method as Estimator
    from latentlab.cli.edit import Unit
    from latentlab.cli.export import Format as Export
    from latentlab.cli.map import Method
    from latentlab.cli.morph import Format, Path, Speed
    from latentlab.cli.option import PixelRange, Split
    from latentlab.cli.sample import Source
    from latentlab.data import Split as DataSplit
    from latentlab.directions import AXES, ESTIMATORS
    from latentlab.editing.paths import PATHS
    from latentlab.editing.unit import UNITS
    from latentlab.lab.morph import SPEEDS
    from latentlab.lab.sample import SOURCES
    from latentlab.maps.projections import PROJECTIONS
    from latentlab.models.adopted import Range
    from latentlab.picture.animation import FORMATS

    for choices, registry in [
        (Export, EXPORTS),
        (PixelRange, dict.fromkeys(get_args(Range))),
        (Path, PATHS),
        (Method, PROJECTIONS),
        (Format, FORMATS),
        (Source, SOURCES),
        (Estimator, {**ESTIMATORS, **AXES}),
        (Unit, {**UNITS, "target": None}),
        (Speed, SPEEDS),
    ]:
        assert {choice.value for choice in choices} == set(registry)
    assert [choice.value for choice in Split] == list(get_args(DataSplit))


def test_a_recipe_travels_by_name():
    from latentlab.cli.train import find_recipe
    from latentlab.errors import UnknownNameError

    assert find_recipe("digits-vae").is_file()
    assert find_recipe("digits-vae.toml") == find_recipe("digits-vae")
    with pytest.raises(UnknownNameError, match="did you mean digits-vae"):
        find_recipe("digit-vae")
