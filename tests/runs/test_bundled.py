from __future__ import annotations

from pathlib import Path

import pytest

from latentlab.errors import UnknownNameError
from latentlab.files import write_json
from latentlab.runs import bundled
from latentlab.runs.bundled import BUNDLED, bundled_cards, bundled_folder, bundled_names, pick_bundled

NAMES = {
    "mnist": ["0", "1", "7"],
    "faces": ["smile", "glasses"],
    "digits": ["0", "1", "7"],
    "mnist-2d": ["0", "1", "7"],
    "digits-ae": ["0", "1", "8"],
}


@pytest.fixture(autouse=True)
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zoo of names without weights: which model is picked must not cost the reading of any."""
    for model, names in NAMES.items():
        write_json(tmp_path / model / "metrics.json", {"directions": {name: {} for name in names}, "test": {}})
    monkeypatch.setattr(bundled, "ZOO", tmp_path)


@pytest.mark.parametrize(
    ("asked", "model"),
    [
        ([], "mnist"), (["1", "7"], "mnist"), (["smile"], "faces"), (["smile", "glasses", "smile"], "faces"),
        (["8"], "digits-ae"),
    ],
)  # fmt: skip
def test_the_first_model_that_knows_all_the_names_is_picked(asked: list[str], model: str):
    assert pick_bundled(asked) == model


def test_a_name_that_none_knows():
    with pytest.raises(UnknownNameError, match="unknown attribute or class 'smlie'; did you mean smile"):
        pick_bundled(["smlie"])


def test_names_that_no_one_model_knows_together():
    with pytest.raises(UnknownNameError, match=r"got smile and 8 \(smile: faces; 8: digits-ae\)") as caught:
        pick_bundled(["smile", "8"])
    assert "\n" not in str(caught.value)


def test_cards_are_in_the_order_of_the_models():
    assert [card["name"] for card in bundled_cards()] == list(BUNDLED) == list(NAMES)
    assert bundled_names("faces") == ["smile", "glasses"]


def test_a_model_that_is_not_bundled():
    with pytest.raises(UnknownNameError, match="unknown model 'face'; did you mean faces"):
        bundled_folder("face")
