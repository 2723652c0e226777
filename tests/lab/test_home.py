from __future__ import annotations

from dataclasses import replace

import pytest

import latentlab.data
from latentlab.cli.input import read_data
from latentlab.cli.output import Output
from latentlab.lab.home import as_in_training, home_options
from latentlab.lab.lab import Lab, load


@pytest.fixture(scope="module")
def noisy() -> Lab:
    """A model that says it was trained on noisy patterns, with one kind of them left out."""
    lab = load("digits", "cpu")
    about = {"source": "patterns", "split": "train", "images": 9, "noise": 0.2, "without": ["bar"]}
    return Lab(replace(lab.run, checkpoint=replace(lab.run.checkpoint, about={"data": about})))


def test_images_are_made_as_for_training_and_none_is_left_out(noisy: Lab):
    assert home_options(noisy) == {"noise": 0.2, "without": ["bar"]}
    assert as_in_training(noisy, "patterns") == {"noise": 0.2}
    assert as_in_training(noisy, "digits") == {}


def test_every_command_reads_them_so_and_says_so(
    noisy: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    few = latentlab.data.load_data("digits", split="test", count=5)
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(latentlab.data, "load_data", lambda source, **options: asked.append(options) or few)
    output = Output(False, False, False)
    read_data(output, "patterns", noisy, split=None)
    read_data(output, "digits", noisy, split=None)
    read_data(output, "digits", load("digits", "cpu"), split=None)
    assert asked[0]["noise"] == 0.2 and "without" not in asked[0]
    assert "noise" not in asked[1] and "noise" not in asked[2]
    shown = capsys.readouterr()
    lines = [line for line in (shown.out + shown.err).splitlines() if line.startswith("data:")]
    assert lines[0].endswith("noise 0.2 as in training") and "as in training" not in lines[1] + lines[2]
